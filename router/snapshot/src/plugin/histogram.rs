//! Times of calls as a histogram of few buckets, as a scrape takes it.

use super::stats::{Phase, PluginStats};

/// Upper bounds of the buckets, in nanoseconds; what is above the last one is in none. Powers of two, as the bounds of what
/// the workers count are: each where a call into a component usually lies (256 ns to 16 us), every fourth up to what a
/// call may take at the most.
pub const CALL_BOUNDS_NS: [u64; 13] =
    [1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 28];

/// How long the calls of one phase took, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTimes {
    /// Calls below each of [`CALL_BOUNDS_NS`] and not below the one before.
    pub buckets: [u64; CALL_BOUNDS_NS.len()],
    /// All calls that were timed.
    pub count: u64,
    /// The sum of their times within an eighth: workers count in what range a time lies, not the time itself.
    pub sum_ns: u64,
}

impl PluginStats {
    /// How long the calls of one phase took.
    #[must_use]
    pub fn histogram(&self, phase: Phase) -> CallTimes {
        let times = self.times(phase);
        let mut below = 0;
        let buckets = CALL_BOUNDS_NS.map(|bound_ns| {
            let before = below;
            below = times.below(bound_ns);
            below - before
        });
        CallTimes { buckets, count: times.samples(), sum_ns: times.sum_ns() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_call_is_in_the_bucket_of_its_time() {
        let stats = PluginStats::new(2);
        for (worker, took_ns) in [(0, 100), (1, 255), (0, 256), (1, 511), (0, (1 << 28) - 1), (1, 1 << 28)] {
            stats.took(worker, Phase::Request, Duration::from_nanos(took_ns));
        }
        let times = stats.histogram(Phase::Request);
        assert_eq!((times.buckets[0], times.buckets[1], times.buckets[12], times.count), (2, 2, 1, 6));
        let exact = 100 + 255 + 256 + 511 + (1 << 28) - 1 + (1 << 28);
        assert!(times.sum_ns.abs_diff(exact) * 8 <= exact, "{} told, {exact} took", times.sum_ns);
        assert_eq!(stats.histogram(Phase::Response), CallTimes::default());
    }
}
