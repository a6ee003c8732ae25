//! How long calls took: a histogram that one worker writes, fine enough for percentiles from 64 ns to 17 s.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stats::count;

/// Shorter is not told apart: the cheapest call into a component takes about 100 ns.
const SHORTEST_BITS: u32 = 6;
/// Longer is not told apart; no call may take so long.
const LONGEST_BITS: u32 = 34;
/// Buckets of one power of two, as bits: the middle of one is off by an eighth at most.
const PART_BITS: u32 = 2;
const PARTS: usize = 1 << PART_BITS;
const BUCKETS: usize = 1 + (LONGEST_BITS - SHORTEST_BITS + 1) as usize * PARTS;

/// One worker's histogram of one phase.
#[derive(Debug)]
pub(super) struct Times([AtomicU64; BUCKETS]);

/// Histograms of all workers, summed.
#[derive(Debug)]
pub(super) struct TimesSum([u64; BUCKETS]);

impl Default for Times {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Default for TimesSum {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Times {
    pub(super) fn observe(&self, took_ns: u64) {
        count(&self.0[bucket(took_ns)]);
    }
}

impl TimesSum {
    pub(super) fn add(&mut self, times: &Times) {
        for (sum, bucket) in self.0.iter_mut().zip(&times.0) {
            *sum += bucket.load(Ordering::Relaxed);
        }
    }

    pub(super) fn samples(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Samples below `bound_ns`, a power of two from the shortest told apart to the longest.
    pub(super) fn below(&self, bound_ns: u64) -> u64 {
        self.0[..bucket(bound_ns)].iter().sum()
    }

    /// The sum of all times within an eighth.
    pub(super) fn sum_ns(&self) -> u64 {
        self.0
            .iter()
            .enumerate()
            .map(|(bucket, samples)| samples.saturating_mul(middle(bucket)))
            .fold(0, u64::saturating_add)
    }

    /// The time that `percent` of the samples do not exceed, ns; 0 without samples.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.samples() * percent).div_ceil(100);
        let mut seen = 0;
        let reached = self.0.iter().position(|bucket| {
            seen += bucket;
            seen >= rank && rank > 0
        });
        reached.map_or(0, middle)
    }
}

fn bucket(took_ns: u64) -> usize {
    let Some(bits) = took_ns.checked_ilog2().filter(|bits| *bits >= SHORTEST_BITS) else { return 0 };
    if bits > LONGEST_BITS {
        return BUCKETS - 1;
    }
    let part = usize::try_from(took_ns >> (bits - PART_BITS)).unwrap_or_default() % PARTS;
    1 + (bits - SHORTEST_BITS) as usize * PARTS + part
}

/// The middle of a bucket, ns.
fn middle(bucket: usize) -> u64 {
    let Some(above) = bucket.checked_sub(1) else { return 1 << (SHORTEST_BITS - 1) };
    let shift = above / PARTS + (SHORTEST_BITS - PART_BITS) as usize;
    let low = ((PARTS + above % PARTS) as u64) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_within_an_eighth() {
        for took_ns in [64_u64, 79, 80, 127, 128, 412, 1_000, 999_999, 5_000_000, (1 << 35) - 1] {
            let told = middle(bucket(took_ns));
            assert!(told.abs_diff(took_ns) * 8 <= took_ns, "{took_ns} told as {told}");
        }
        assert_eq!((bucket(0), bucket(63), bucket(64)), (0, 0, 1));
        assert_eq!((bucket((1 << 35) - 1), bucket(1 << 35), bucket(u64::MAX)), (BUCKETS - 1, BUCKETS - 1, BUCKETS - 1));
    }

    #[test]
    fn percentiles_count_every_sample() {
        let times = Times::default();
        let mut sum = TimesSum::default();
        assert_eq!((sum.samples(), sum.percentile(50)), (0, 0));
        (0..99).for_each(|_| times.observe(100));
        times.observe(1_000_000);
        sum.add(&times);
        assert_eq!(sum.samples(), 100);
        assert_eq!(sum.percentile(99), middle(bucket(100)));
        assert_eq!(sum.percentile(100), middle(bucket(1_000_000)));
    }
}
