//! What the variants of each rollout did on this router, added up in the store each second: a canary is judged by what all
//! routers saw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::stats::{VariantStats, WINDOW_MS};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::clock::now_ms;
use crate::fault::chain;
use crate::shared::Shared;

/// How often. An interval of the analysis is read two of these after its end.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Figures that the store has not taken for this long are dropped: they belong to a window that is over.
const KEPT: Duration = Duration::from_millis(WINDOW_MS);

/// Figures of each variant.
type Variants = BTreeMap<String, VariantStats>;

/// See the module.
pub(crate) struct Figures {
    shared: Arc<Shared>,
    /// By rollout: what is in the store already.
    written: BTreeMap<String, Written>,
}

/// What of the counters is in the store.
struct Written {
    totals: Variants,
    at: Instant,
}

impl Figures {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, written: BTreeMap::new() }
    }

    /// Runs until control stops.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round().await;
        }
    }

    async fn round(&mut self) {
        let policy = Arc::clone(&self.shared.published.load().1.policy);
        self.written.retain(|name, _| policy.rollouts.iter().any(|declared| declared.name == *name));
        for declared in &policy.rollouts {
            self.write(&declared.name).await;
        }
    }

    async fn write(&mut self, rollout: &str) {
        let (totals, at) = (self.shared.traffic.rollout_stats(rollout), Instant::now());
        let nothing = || Written { totals: Variants::new(), at };
        let written = self.written.entry(rollout.to_owned()).or_insert_with(nothing);
        let new = difference(&totals, &written.totals);
        if new.is_empty() {
            // The totals may be lower: a route that is gone takes its own with it.
            *written = Written { totals, at };
            return;
        }
        match self.shared.store.add_stats(rollout, now_ms(), &new).await {
            Ok(()) => *written = Written { totals, at },
            Err(error) => {
                tracing::debug!(rollout, reason = chain(&error), "figures not stored");
                if at.saturating_duration_since(written.at) >= KEPT {
                    *written = Written { totals, at };
                }
            }
        }
    }
}

/// What was counted since; only variants that did something.
fn difference(totals: &Variants, before: &Variants) -> Variants {
    let nothing = VariantStats::default();
    let of = |(variant, now): (&String, &VariantStats)| {
        let before = before.get(variant).unwrap_or(&nothing);
        let since = |counter: &String, count: u64| {
            count.saturating_sub(before.counters.get(counter).copied().unwrap_or_default())
        };
        let counters = now.counters.iter().map(|(counter, count)| (counter.clone(), since(counter, *count)));
        let new = VariantStats {
            requests: now.requests.saturating_sub(before.requests),
            errors: now.errors.saturating_sub(before.errors),
            latency: std::array::from_fn(|bucket| now.latency[bucket].saturating_sub(before.latency[bucket])),
            counters: counters.filter(|(_, count)| *count > 0).collect(),
        };
        (new != nothing).then(|| (variant.clone(), new))
    };
    totals.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(requests: u64, errors: u64, oversize: u64) -> VariantStats {
        let mut stats = VariantStats { requests, errors, ..VariantStats::default() };
        stats.latency[3] = requests;
        if oversize > 0 {
            stats.counters.insert("upload-alert/oversize".to_owned(), oversize);
        }
        stats
    }

    fn variants(pairs: &[(&str, VariantStats)]) -> Variants {
        pairs.iter().map(|(name, stats)| ((*name).to_owned(), stats.clone())).collect()
    }

    #[test]
    fn only_what_is_new_is_written() {
        let before = variants(&[("stable", stats(10, 1, 2)), ("canary", stats(5, 0, 0))]);
        let after = variants(&[("stable", stats(12, 1, 3)), ("canary", stats(5, 0, 0)), ("beta", stats(1, 1, 0))]);
        let expected = variants(&[("stable", stats(2, 0, 1)), ("beta", stats(1, 1, 0))]);
        assert_eq!(difference(&after, &before), expected);
        assert_eq!(difference(&after, &after), Variants::new());
    }

    #[test]
    fn counters_that_fell_because_a_route_is_gone_take_nothing_away() {
        let before = variants(&[("stable", stats(10, 1, 2))]);
        assert_eq!(difference(&variants(&[("stable", stats(4, 0, 0))]), &before), Variants::new());
    }
}
