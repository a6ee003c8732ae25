//! How often something may happen: a token bucket that holds one period's worth.

use std::time::{Duration, Instant};

/// What is left of a rate.
pub(crate) struct Allowance {
    left: u32,
    max: u32,
    /// Time in which one more is allowed.
    refill: Duration,
    refilled: Instant,
}

impl Allowance {
    /// `max` per `period`, and at once. Zero = never.
    pub(crate) fn new(max: u32, period: Duration, now: Instant) -> Self {
        Self { left: max, max, refill: period / max.max(1), refilled: now }
    }

    /// Takes one; false if none is left.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.refilled).as_nanos() / self.refill.as_nanos().max(1);
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due >= self.max {
            self.left = self.max;
            self.refilled = now;
        } else {
            self.left = self.left.saturating_add(due).min(self.max);
            self.refilled += self.refill * due;
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_holds_one_period_s_worth_and_refills_evenly() {
        let start = Instant::now();
        let mut allowance = Allowance::new(20, SECOND, start);
        let refill = Duration::from_millis(50);
        assert_eq!((0..100).filter(|_| allowance.take(start)).count(), 20, "and not one past it");
        assert!(!allowance.take(start + refill - Duration::from_nanos(1)));
        assert!(allowance.take(start + refill));
        assert!(!allowance.take(start + refill));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| allowance.take(later)).count(), 20, "however long it was not used");
    }

    #[test]
    fn zero_is_never() {
        let start = Instant::now();
        let mut allowance = Allowance::new(0, SECOND, start);
        assert!(!allowance.take(start));
        assert!(!allowance.take(start + SECOND * 3600));
    }

    #[test]
    fn a_rate_past_the_clock_s_precision_still_counts() {
        let start = Instant::now();
        let mut allowance = Allowance::new(u32::MAX, SECOND, start);
        assert!(allowance.take(start) && allowance.take(start + SECOND));
    }
}
