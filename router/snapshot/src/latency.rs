//! How long things took, as a histogram that one worker writes and a scrape reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use sluice_model::stats::{LATENCY_BOUNDS_MICROS, LATENCY_BUCKETS};

/// One worker's histogram.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [AtomicU64; LATENCY_BUCKETS],
    micros: AtomicU64,
}

/// Histograms of all workers, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyTotals {
    /// By [`LATENCY_BOUNDS_MICROS`], not cumulative; the last one is above all bounds.
    pub buckets: [u64; LATENCY_BUCKETS],
    /// Sum of all, microseconds.
    pub micros: u64,
}

impl Latency {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds all of them to `totals`.
    pub fn add_to(&self, totals: &mut LatencyTotals) {
        for (sum, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        totals.micros += self.micros.load(Ordering::Relaxed);
    }
}

impl LatencyTotals {
    /// Adds the figures of `other`.
    pub fn add(&mut self, other: &Self) {
        for (sum, bucket) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += bucket;
        }
        self.micros += other.micros;
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let (latency, mut totals) = (Latency::default(), LatencyTotals::default());
        for micros in [500, 501, 10_000_000, 10_000_001] {
            latency.observe(Duration::from_micros(micros));
        }
        latency.add_to(&mut totals);
        assert_eq!((totals.buckets[0], totals.buckets[1], totals.buckets[13], totals.buckets[14]), (1, 1, 1, 1));
        assert_eq!((totals.count(), totals.micros), (4, 20_001_002));
    }
}
