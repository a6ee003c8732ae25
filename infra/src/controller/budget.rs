//! What the budget of the fleet has left in one round. Pools take turns: what one of them orders is not there for the next.

use sluice_infra_cloud::Droplet;
use sluice_infra_plan::plan::Prices;
use sluice_infra_scale::{Action, Decision};

use crate::session::Session;

/// What is left for a month, US cents.
pub(super) struct Budget {
    /// `None` = there is no budget.
    left_cents: Option<u64>,
    prices: Prices,
}

impl Budget {
    /// After everything that stands. Nothing is left while prices are not known.
    pub(super) async fn read(session: &Session, standing: &[Droplet]) -> Self {
        let Some(budget) = session.spec.monthly_cents_max else {
            return Self { left_cents: None, prices: Prices::default() };
        };
        let sizes = session.cloud.sizes().await.unwrap_or_default();
        Self::new(budget, Prices::new(&sizes), standing.iter().map(|droplet| droplet.size.as_str()))
    }

    fn new<'s>(budget_cents: u64, prices: Prices, standing: impl Iterator<Item = &'s str>) -> Self {
        let cents: u64 = standing.map(|size| prices.monthly_cents(size)).sum();
        Self { left_cents: Some(budget_cents.saturating_sub(cents)), prices }
    }

    /// How many more droplets of this size there is room for; `None` = any number.
    pub(super) fn affordable(&self, size: &str) -> Option<u32> {
        let left = self.left_cents?;
        match self.prices.monthly_cents(size) {
            0 => Some(0),
            price => Some(u32::try_from(left / price).unwrap_or(u32::MAX)),
        }
    }

    /// So many of this size are on their way.
    pub(super) fn take(&mut self, size: &str, count: usize) {
        let cents = self.prices.monthly_cents(size).saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
        self.left_cents = self.left_cents.map(|left| left.saturating_sub(cents));
    }

    /// What a decision orders. A replacement stands beside the one that it replaces for a while.
    pub(super) fn take_for(&mut self, size: &str, decision: &Decision) {
        for action in &decision.actions {
            match action {
                Action::Create(count) => self.take(size, usize::try_from(*count).unwrap_or(usize::MAX)),
                Action::Replace(names) => self.take(size, names.len()),
                Action::Drain(_) | Action::CancelDrain(_) | Action::Delete(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_infra_cloud::Size;

    use super::*;

    fn budget(cents: u64) -> Budget {
        let size: Size = serde_json::from_value(serde_json::json!({
            "slug": "small", "monthly_cents": 600, "hourly_usd": 0.009, "vcpus": 1, "memory_mib": 1024, "disk_gib": 25,
            "available": true, "regions": [],
        }))
        .unwrap();
        Budget::new(cents, Prices::new(&[size]), ["small", "small"].into_iter())
    }

    #[test]
    fn what_one_pool_orders_is_not_there_for_the_next() {
        assert_eq!((budget(1_799).affordable("small"), budget(1_800).affordable("small")), (Some(0), Some(1)));
        let mut budget = budget(3_000);
        assert_eq!(budget.affordable("small"), Some(3));
        budget.take_for("small", &Decision { actions: vec![Action::Create(2)], ..Decision::default() });
        assert_eq!(budget.affordable("small"), Some(1));
        budget.take_for("small", &Decision { actions: vec![Action::Replace(vec!["a".into()])], ..Decision::default() });
        assert_eq!(budget.affordable("small"), Some(0));
        assert_eq!(budget.affordable("of an unknown price"), Some(0));
    }
}
