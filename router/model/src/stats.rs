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
    /// Adds the figures of `other`.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        for (sum, count) in self.latency.iter_mut().zip(other.latency) {
            *sum += count;
        }
        for (name, count) in &other.counters {
            *self.counters.entry(name.clone()).or_default() += count;
        }
    }

    /// Percent of the requests that did not fail; `None` without requests.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count of requests in two hours is far below 2^52")]
    pub fn success_percent(&self) -> Option<f64> {
        (self.requests > 0).then(|| 100.0 * (1.0 - self.errors as f64 / self.requests as f64))
    }

    /// Upper bound of the bucket that the quantile `quantile` (0 to 1) falls into, microseconds: the true value is not
    /// above it. `None` without answers; `u64::MAX` above the last bound.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of requests in two hours is far below 2^52, and never negative"
    )]
    pub fn latency_micros(&self, quantile: f64) -> Option<u64> {
        let count: u64 = self.latency.iter().sum();
        let rank = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let bucket = self.latency.iter().position(|in_bucket| {
            seen += in_bucket;
            seen >= rank
        })?;
        Some(LATENCY_BOUNDS_MICROS.get(bucket).copied().unwrap_or(u64::MAX))
    }
}
