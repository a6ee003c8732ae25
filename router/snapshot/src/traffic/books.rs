//! What the variants of a rollout did since the start of the process, over all routes that belong to it.

use std::collections::{BTreeMap, BTreeSet};

use sluice_model::stats::VariantStats;

use super::route::RouteTraffic;

/// Figures of routes that no snapshot names any more, by rollout: sums that are told never fall by a reload.
#[derive(Debug, Default)]
pub(super) struct Books(BTreeMap<String, BTreeMap<String, VariantStats>>);

impl Books {
    /// `route` counts nothing more.
    pub(super) fn close(&mut self, route: &RouteTraffic) {
        if let Some(rollout) = route.rollout() {
            route.add_to(self.0.entry(rollout.to_owned()).or_default());
        }
    }

    /// Forgets rollouts that no route belongs to.
    pub(super) fn keep(&mut self, rollouts: &BTreeSet<&str>) {
        self.0.retain(|rollout, _| rollouts.contains(rollout.as_str()));
    }

    /// The sums of `rollout`, with those of `routes`.
    pub(super) fn of<'a>(
        &self,
        rollout: &str,
        routes: impl Iterator<Item = &'a RouteTraffic>,
    ) -> BTreeMap<String, VariantStats> {
        let mut stats = self.0.get(rollout).cloned().unwrap_or_default();
        routes.filter(|route| route.rollout() == Some(rollout)).for_each(|route| route.add_to(&mut stats));
        stats
    }
}
