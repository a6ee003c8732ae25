//! What a variant did in a window of time: the figures that steps are judged by, summed over all routers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Upper bounds of the latency buckets, in microseconds; the last bucket has none. The default buckets of Prometheus'
/// clients (5 ms to 10 s), with three more below, where a proxy on the machine of its servers answers.
pub const LATENCY_BOUNDS_MICROS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];
/// Buckets of a latency histogram.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_MICROS.len() + 1;
/// Windows that figures are kept in, in the store and so for the whole fleet.
pub const WINDOW_MS: u64 = 10_000;
/// How long they are kept.
pub const WINDOWS_KEPT_MS: u64 = 2 * 60 * 60 * 1_000;
/// Most custom counters of one variant.
pub const COUNTERS_MAX: usize = 64;

/// Figures of one variant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantStats {
    /// Requests that ended, however they did.
    pub requests: u64,
    /// Of those, the ones that the variant failed: a 5xx, or no answer at all. A client that left is none.
    pub errors: u64,
    /// Answers by [`LATENCY_BOUNDS_MICROS`], not cumulative.
    pub latency: [u64; LATENCY_BUCKETS],
    /// What plugins added to their counters in requests of this variant, as `PLUGIN/COUNTER`.
    pub counters: BTreeMap<String, u64>,
}

impl VariantStats {
    /// Adds the figures of `other`; of new counters as many as there is room for.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        for (sum, count) in self.latency.iter_mut().zip(other.latency) {
            *sum = sum.saturating_add(count);
        }
        for (name, count) in &other.counters {
            if let Some(sum) = self.counters.get_mut(name) {
                *sum = sum.saturating_add(*count);
            } else if self.counters.len() < COUNTERS_MAX {
                self.counters.insert(name.clone(), *count);
            }
        }
    }

    /// Percent of the requests that did not fail; `None` without requests.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count of requests in two hours is far below 2^52")]
    pub fn success_percent(&self) -> Option<f64> {
        let succeeded = self.requests.saturating_sub(self.errors);
        (self.requests > 0).then(|| 100.0 * succeeded as f64 / self.requests as f64)
    }

    /// What a counter has per request; `None` without requests.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count in two hours is far below 2^52")]
    pub fn per_request(&self, counter: &str) -> Option<f64> {
        let count = self.counters.get(counter).copied().unwrap_or_default();
        (self.requests > 0).then(|| count as f64 / self.requests as f64)
    }

    /// The quantile `quantile` (0 to 1) of the latency, microseconds: its bucket is known, its place in it is taken to be in
    /// proportion, as Prometheus' `histogram_quantile` does. So at a bound of the buckets it is exact. `None` without
    /// answers; `u64::MAX` above the last bound.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of requests in two hours is far below 2^52, and never negative"
    )]
    pub fn latency_micros(&self, quantile: f64) -> Option<u64> {
        let count = self.latency.iter().fold(0_u64, |sum, in_bucket| sum.saturating_add(*in_bucket));
        let rank = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0_u64;
        for (bucket, &in_bucket) in self.latency.iter().enumerate() {
            if in_bucket > 0 && below.saturating_add(in_bucket) >= rank {
                let Some(&upper) = LATENCY_BOUNDS_MICROS.get(bucket) else { return Some(u64::MAX) };
                let lower = bucket.checked_sub(1).map_or(0, |before| LATENCY_BOUNDS_MICROS[before]);
                let share = (rank - below) as f64 / in_bucket as f64;
                return Some(lower + ((upper - lower) as f64 * share) as u64);
            }
            below = below.saturating_add(in_bucket);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_latency(buckets: &[(usize, u64)]) -> VariantStats {
        let mut stats = VariantStats::default();
        for &(bucket, count) in buckets {
            stats.latency[bucket] = count;
            stats.requests += count;
        }
        stats
    }

    #[test]
    fn without_requests_there_is_no_figure() {
        let none = VariantStats::default();
        assert_eq!((none.success_percent(), none.latency_micros(0.5), none.per_request("a")), (None, None, None));
    }

    #[test]
    fn errors_are_percent_of_the_requests() {
        let stats = VariantStats { requests: 200, errors: 3, ..VariantStats::default() };
        assert_eq!(stats.success_percent(), Some(98.5));
        let hostile = VariantStats { requests: 1, errors: 9, ..VariantStats::default() };
        assert_eq!(hostile.success_percent(), Some(0.0));
    }

    #[test]
    fn a_quantile_is_exact_at_the_bounds_of_a_bucket() {
        // 90 answers within 5 to 10 ms, 10 within 250 to 500 ms.
        let stats = with_latency(&[(4, 90), (9, 10)]);
        assert_eq!(stats.latency_micros(0.9), Some(10_000));
        assert_eq!(stats.latency_micros(0.45), Some(7_500), "half of its bucket");
        assert_eq!(stats.latency_micros(1.0), Some(500_000));
        assert_eq!(stats.latency_micros(0.91), Some(275_000), "the first of the slow ones");
        assert_eq!(stats.latency_micros(0.0), Some(5_055), "the fastest");
        assert_eq!(with_latency(&[(14, 1)]).latency_micros(0.5), Some(u64::MAX), "above 10 s nothing is known");
    }

    #[test]
    fn figures_add_up_and_counters_are_bounded() {
        let mut sum = with_latency(&[(0, 1)]);
        let full: BTreeMap<String, u64> = (0..COUNTERS_MAX).map(|n| (format!("p/{n:02}"), 1)).collect();
        sum.add(&VariantStats { counters: full.clone(), errors: 1, ..with_latency(&[(0, 2)]) });
        sum.add(&VariantStats { counters: full, ..VariantStats::default() });
        assert_eq!((sum.requests, sum.errors, sum.latency[0]), (3, 1, 3));
        assert_eq!((sum.counters.len(), sum.counters["p/00"]), (COUNTERS_MAX, 2));
        let one_more = BTreeMap::from([("q/one-more".to_owned(), 1), ("p/00".to_owned(), u64::MAX)]);
        sum.add(&VariantStats { counters: one_more, requests: u64::MAX, ..VariantStats::default() });
        assert_eq!((sum.counters.len(), sum.counters["p/00"], sum.requests), (COUNTERS_MAX, u64::MAX, u64::MAX));
    }
}
