//! The generic cell rate algorithm: a limit of so many per period, with a burst, kept in one number.
//!
//! The number is the theoretical arrival time (TAT): when the requests admitted so far would have come, had they come
//! evenly. Pure: the clock is an argument, in nanoseconds since any fixed point.

use std::time::Duration;

/// Longest burst that is kept apart, about 292 years: half of what the clock counts, so that sums do not overflow.
const TOLERANCE_NANOS_MAX: u64 = u64::MAX / 2;

/// A rate and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Time from one request to the next at exactly the rate; rounded up, so that the rate is never exceeded.
    interval_nanos: u64,
    /// How far ahead of the clock the TAT may be: the interval times the burst.
    tolerance_nanos: u64,
}

impl Gcra {
    /// `requests` in each `per`, of which `burst` may come at once. Zero counts as one.
    #[must_use]
    pub fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let interval = per.as_nanos().div_ceil(u128::from(requests.max(1)));
        let interval_nanos = u64::try_from(interval).unwrap_or(u64::MAX).clamp(1, TOLERANCE_NANOS_MAX);
        let tolerance_nanos = interval_nanos.saturating_mul(u64::from(burst.max(1))).min(TOLERANCE_NANOS_MAX);
        Self { interval_nanos, tolerance_nanos }
    }

    /// Judges one request at `now_nanos`. The TAT is 0 before the first one, and the returned one afterwards.
    ///
    /// # Errors
    /// How long to wait, if the request comes too early; the TAT stays.
    pub fn admit(self, tat_nanos: u64, now_nanos: u64) -> Result<u64, Duration> {
        let next = tat_nanos.max(now_nanos).saturating_add(self.interval_nanos);
        match (next - now_nanos).checked_sub(self.tolerance_nanos) {
            None | Some(0) if next < u64::MAX => Ok(next),
            wait => Err(Duration::from_nanos(wait.unwrap_or(0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Times of those of `arrivals` that are admitted.
    fn admitted(gcra: Gcra, arrivals: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut tat = 0;
        let mut judge = |now| gcra.admit(tat, now).map(|next| tat = next).is_ok();
        arrivals.into_iter().filter(|now| judge(*now)).collect()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let gcra = Gcra::new(10, Duration::from_secs(1), 3);
        assert_eq!(admitted(gcra, [0, 0, 0, 0, 99_999_999, 100_000_000, 100_000_000]), [0, 0, 0, 100_000_000]);
        assert_eq!(gcra.admit(300_000_000, 1), Err(Duration::from_nanos(99_999_999)));
        let idle = admitted(gcra, [0, 0, 0, 5_000_000_000, 5_000_000_000, 5_000_000_000, 5_000_000_000]);
        assert_eq!(idle.len(), 6, "an idle time refills the burst, and no more than it");
    }

    #[test]
    fn extremes_do_not_overflow() {
        let widest = Gcra::new(1, Duration::MAX, u32::MAX);
        assert!(widest.admit(0, 0).is_ok());
        assert!(widest.admit(u64::MAX - 1, u64::MAX - 1).is_err());
        assert!(Gcra::new(u32::MAX, Duration::ZERO, 0).admit(0, 0).is_ok());
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_burst_and_the_rate(
            (requests, per_ms, burst) in (1_u32..50, 1_u64..5_000, 1_u32..20),
            gaps in prop::collection::vec(0_u64..200_000_000, 1..200),
        ) {
            let gcra = Gcra::new(requests, Duration::from_millis(per_ms), burst);
            let arrivals = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) });
            let times = admitted(gcra, arrivals);
            for (first, from) in times.iter().enumerate() {
                for (last, until) in times.iter().enumerate().skip(first) {
                    let by_rate = u128::from(until - from) * u128::from(requests) / u128::from(per_ms * 1_000_000);
                    prop_assert!((last - first + 1) as u128 <= u128::from(burst) + by_rate);
                }
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_is_admitted_and_not_before(
            (requests, per_ms, burst) in (1_u32..50, 1_u64..5_000, 1_u32..20),
            (tat, now) in (0_u64..10_000_000_000, 0_u64..10_000_000_000),
        ) {
            let gcra = Gcra::new(requests, Duration::from_millis(per_ms), burst);
            if let Err(wait) = gcra.admit(tat, now) {
                let then = now + u64::try_from(wait.as_nanos()).unwrap();
                prop_assert!(then > now && gcra.admit(tat, then).is_ok() && gcra.admit(tat, then - 1).is_err());
            }
        }
    }
}
