//! Figures of variants, in memory: they say what happened in the last two hours and are worth no write to the disk.

use std::collections::BTreeMap;

use sluice_model::stats::VariantStats;

use crate::figures::{add, begins_at, is_kept, windows};

/// Windows of all rollouts that are kept: two hours of 32 rollouts. The oldest go first.
const WINDOWS_MAX: usize = 32 * 720;

type Variants = BTreeMap<String, VariantStats>;

/// By begin of the window and rollout.
#[derive(Debug, Default)]
pub(super) struct Stats(BTreeMap<(u64, String), Variants>);

impl Stats {
    pub(super) fn add(&mut self, rollout: &str, at_ms: u64, variants: &Variants) {
        let sums = self.0.entry((begins_at(at_ms), rollout.to_owned())).or_default();
        for (variant, stats) in variants {
            add(sums.entry(variant.clone()).or_default(), stats);
        }
        while self.0.first_key_value().is_some_and(|((begin_ms, _), _)| !is_kept(*begin_ms, at_ms))
            || self.0.len() > WINDOWS_MAX
        {
            self.0.pop_first();
        }
    }

    pub(super) fn sum(&self, rollout: &str, from_ms: u64, to_ms: u64) -> Variants {
        let mut sums = Variants::new();
        for begin_ms in windows(from_ms, to_ms) {
            for (variant, stats) in self.0.get(&(begin_ms, rollout.to_owned())).into_iter().flatten() {
                add(sums.entry(variant.clone()).or_default(), stats);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::stats::{WINDOW_MS, WINDOWS_KEPT_MS};

    use super::*;

    fn one() -> Variants {
        [("canary".to_owned(), VariantStats { requests: 1, ..VariantStats::default() })].into()
    }

    #[test]
    fn windows_end_when_they_are_old() {
        let mut stats = Stats::default();
        stats.add("demo", 5, &one());
        stats.add("demo", WINDOWS_KEPT_MS - 1, &one());
        assert_eq!(stats.0.len(), 2);
        stats.add("demo", WINDOWS_KEPT_MS + WINDOW_MS, &one());
        assert_eq!(stats.0.len(), 2, "the first one is gone");
    }

    #[test]
    fn windows_end_at_their_bound() {
        let mut stats = Stats::default();
        for n in 0..=WINDOWS_MAX {
            stats.add(&n.to_string(), 5, &one());
        }
        assert_eq!(stats.0.len(), WINDOWS_MAX);
    }
}
