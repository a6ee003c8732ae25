//! Figures against rules, and the alerts of that in the store. Who is told of them is the routers' matter.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_infra_monitor::{Figure, Seen, Watch, alert};
use sluice_infra_spec::Spec;
use sluice_model::alert::{Alert, AlertStatus};
use sluice_state::{Delivery, Group, Store};
use tracing::{info, warn};

use super::now_ms;

/// Alerts that are taken in one round.
const TAKEN_MAX: usize = 64;
/// Alerts that are remembered while no pool decides; older ones are given out again.
const UNFINISHED_MAX: usize = 1_024;
/// An alert that is up again is another one: no cooldown.
const COOLDOWN: Duration = Duration::ZERO;

/// The rules, and what came of them.
pub(super) struct Watched {
    fleet: String,
    watch: Watch,
    /// Alerts that were taken for the pools and are not finished yet.
    taken: Vec<Delivery>,
    said: BTreeSet<String>,
}

impl Watched {
    pub(super) fn new(spec: &Spec) -> Self {
        Self { fleet: spec.fleet.clone(), watch: Watch::new(&spec.rules), taken: Vec::new(), said: BTreeSet::new() }
    }

    /// What is up after this round.
    pub(super) fn step(&mut self, seen: &[Seen]) -> Vec<(Alert, Duration)> {
        let now = now_ms();
        let up: Vec<Figure> = self.watch.step(seen, now);
        let alerts: Vec<(Alert, Duration)> =
            up.iter().map(|figure| (alert(&self.fleet, figure, now), figure.rule.keep)).collect();
        for (alert, _) in &alerts {
            if self.said.insert(alert.id.as_str().to_owned()) {
                info!(rule = alert.rule, message = alert.message, "alert");
            }
        }
        self.said.retain(|id| alerts.iter().any(|(alert, _)| alert.id.as_str() == id));
        alerts
    }

    /// Tells the store. What it does not take is told again next round.
    pub(super) async fn tell(&self, store: &dyn Store, up: &[(Alert, Duration)]) {
        for (alert, keep) in up {
            if let Err(error) = store.keep_firing(alert, *keep, COOLDOWN).await {
                warn!(rule = alert.rule, %error, "the store does not take the alert");
            }
        }
    }

    /// Alerts that are up, and those that came since the last round; `None` = the store does not say.
    pub(super) async fn alerts(&mut self, store: &dyn Store, holder: &str) -> Option<Vec<sluice_infra_scale::Alert>> {
        let taken = store.take_deliveries(Group::Scale, holder, TAKEN_MAX, Duration::ZERO).await;
        let firing = store.firing().await;
        match (taken, firing) {
            (Ok(taken), Ok(firing)) => {
                // What was not finished is given out again after a while.
                self.taken.retain(|known| taken.iter().all(|delivery| delivery.entry != known.entry));
                self.taken.extend(taken);
                self.taken.drain(..self.taken.len().saturating_sub(UNFINISHED_MAX));
                let came = self.taken.iter().map(|delivery| &delivery.alert);
                let came = came.filter(|alert| alert.status == AlertStatus::Firing);
                let mut alerts: Vec<_> = firing.iter().map(|firing| &firing.alert).chain(came).map(shown).collect();
                alerts.sort_by(|one, other| (one.at_ms, &one.id).cmp(&(other.at_ms, &other.id)));
                alerts.dedup_by(|one, other| one.id == other.id);
                Some(alerts)
            }
            (Err(error), _) | (_, Err(error)) => {
                warn!(%error, "the store does not say which alerts are up");
                None
            }
        }
    }

    /// The pools have seen them, and remember.
    pub(super) async fn finish(&mut self, store: &dyn Store) {
        for delivery in self.taken.drain(..) {
            if let Err(error) = store.finish_delivery(Group::Scale, &delivery.entry).await {
                // It comes again, and counts by its id.
                warn!(%error, "an alert is not finished");
            }
        }
    }
}

fn shown(alert: &Alert) -> sluice_infra_scale::Alert {
    sluice_infra_scale::Alert { id: alert.id.as_str().to_owned(), rule: alert.rule.clone(), at_ms: alert.at_ms }
}
