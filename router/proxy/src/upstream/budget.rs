//! What retries may add to the load of one upstream, of one worker: a share of the requests of the last ten seconds, and
//! a few in each second, so that little traffic can be retried too.
//!
//! A retry is paid from its second first, and only then from the share.

use std::cell::Cell;
use std::time::Duration;

use sluice_policy::upstream::RetryBudget;
use tokio::time::Instant;

/// Seconds whose requests count.
const WINDOW_SECONDS: usize = 10;
const PERCENT: u64 = 100;

/// See the module. Lives longer than any snapshot.
#[derive(Debug, Default)]
pub(super) struct Budget {
    seconds: [Second; WINDOW_SECONDS],
    began: Cell<Option<Instant>>,
    newest: Cell<u64>,
}

#[derive(Debug, Default)]
struct Second {
    requests: Cell<u32>,
    /// Retries paid from the share.
    paid: Cell<u32>,
    /// Retries of this second that were free.
    free: Cell<u32>,
}

impl Budget {
    /// A request came.
    pub(super) fn request(&self, now: Instant) {
        let second = self.second(now);
        second.requests.set(second.requests.get().saturating_add(1));
    }

    /// Takes one retry, if there is one left.
    pub(super) fn take(&self, budget: &RetryBudget, now: Instant) -> bool {
        let second = self.second(now);
        if second.free.get() < budget.per_second_min {
            second.free.set(second.free.get() + 1);
            return true;
        }
        let sum =
            |of: fn(&Second) -> &Cell<u32>| self.seconds.iter().map(|each| u64::from(of(each).get())).sum::<u64>();
        let (requests, paid) = (sum(|each| &each.requests), sum(|each| &each.paid));
        let is_left = (paid + 1) * PERCENT <= requests * u64::from(budget.percent);
        if is_left {
            second.paid.set(second.paid.get().saturating_add(1));
        }
        is_left
    }

    /// The present second, after those that are over have been emptied.
    fn second(&self, now: Instant) -> &Second {
        let began = self.began.get().unwrap_or(now);
        self.began.set(Some(began));
        let newest = now.saturating_duration_since(began).as_secs().max(self.newest.get());
        let passed = (newest - self.newest.get()).min(WINDOW_SECONDS as u64);
        self.newest.set(newest);
        for back in 0..passed {
            let emptied = self.at(newest - back);
            emptied.requests.set(0);
            emptied.paid.set(0);
            emptied.free.set(0);
        }
        self.at(newest)
    }

    fn at(&self, second: u64) -> &Second {
        &self.seconds[usize::try_from(second % WINDOW_SECONDS as u64).unwrap_or_default()]
    }
}

/// The pause before retry number `number` (from 0): doubles each time, and is then cut by up to a half, so that requests
/// that failed together do not come back together.
pub(crate) fn pause(backoff: Duration, number: u32, random: u64) -> Duration {
    let full = backoff.saturating_mul(2_u32.saturating_pow(number));
    let half = full / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX - 1);
    half + Duration::from_micros(random % (micros + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &Budget, settings: RetryBudget, now: Instant) -> usize {
        (0..1_000).filter(|_| budget.take(&settings, now)).count()
    }

    #[test]
    fn a_share_of_the_requests_and_a_few_in_each_second() {
        let (budget, now) = (Budget::default(), Instant::now());
        let settings = RetryBudget { percent: 20, per_second_min: 3 };
        assert_eq!(taken(&budget, settings, now), 3);
        (0..100).for_each(|_| budget.request(now));
        assert_eq!(taken(&budget, settings, now), 20);
        assert_eq!(taken(&budget, settings, now + Duration::from_secs(1)), 3, "the share is spent");
        assert_eq!(
            taken(&budget, settings, now + Duration::from_secs(WINDOW_SECONDS as u64)),
            3,
            "its requests are gone"
        );
    }

    #[test]
    fn a_budget_of_nothing_allows_nothing() {
        let (budget, now) = (Budget::default(), Instant::now());
        (0..100).for_each(|_| budget.request(now));
        assert_eq!(taken(&budget, RetryBudget { percent: 0, per_second_min: 0 }, now), 0);
        assert_eq!(taken(&budget, RetryBudget { percent: 1, per_second_min: 0 }, now), 1);
    }

    #[test]
    fn pauses_double_and_are_cut_by_up_to_a_half() {
        let base = Duration::from_millis(25);
        assert_eq!(pause(base, 0, 0), base / 2);
        assert_eq!(pause(base, 3, 0), base * 4);
        for random in [1, 77, u64::MAX] {
            assert!((base..=base * 2).contains(&pause(base, 1, random)));
        }
        assert_eq!(pause(Duration::ZERO, 9, u64::MAX), Duration::ZERO);
    }
}
