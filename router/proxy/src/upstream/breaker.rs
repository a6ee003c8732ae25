//! The circuit breaker of one upstream, of one worker: opens when too many requests of the window failed, lets one
//! request try after a while, and closes when that one succeeds.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use sluice_policy::upstream::Breaker as Settings;
use tokio::time::Instant;

/// Slices of the window; counts leave it slice by slice.
const SLICES: u32 = 10;
const PERCENT: u64 = 100;

/// See the module. Lives longer than any snapshot.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Cell<State>,
    slices: [Slice; SLICES as usize],
    /// When the window began, and how many slices have begun since.
    began: Cell<Option<Instant>>,
    newest: Cell<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// Until then nobody is let through.
    Open(Instant),
    /// The next request tries.
    Due,
    /// One request tries.
    Tried,
}

#[derive(Debug, Default)]
struct Slice {
    requests: Cell<u32>,
    failures: Cell<u32>,
}

/// A request that was let through. Dropped without a result it says nothing.
#[derive(Debug)]
pub(crate) struct Pass {
    breaker: Rc<Breaker>,
    settings: Settings,
    is_trial: bool,
}

impl Breaker {
    /// How long nobody is let through still; `None` = come.
    pub(super) fn closed_for(&self, now: Instant) -> Option<Duration> {
        match self.state.get() {
            State::Closed | State::Due => None,
            State::Open(until) if until <= now => None,
            State::Open(until) => Some(until - now),
            // The one that tries will be back at any time.
            State::Tried => Some(Duration::ZERO),
        }
    }

    /// Lets a request through; asked right after [`Breaker::closed_for`].
    pub(super) fn enter(self: &Rc<Self>, settings: Settings) -> Pass {
        let is_trial = matches!(self.state.get(), State::Open(_) | State::Due);
        if is_trial {
            self.state.set(State::Tried);
        }
        Pass { breaker: Rc::clone(self), settings, is_trial }
    }

    /// No policy asks for it any more.
    pub(super) fn reset(&self) {
        self.state.set(State::Closed);
        self.clear();
    }

    fn count(&self, is_failure: bool, settings: &Settings, now: Instant) {
        self.move_on(settings.window, now);
        let slice = &self.slices[self.slice()];
        slice.requests.set(slice.requests.get().saturating_add(1));
        slice.failures.set(slice.failures.get().saturating_add(u32::from(is_failure)));
    }

    fn is_tripped(&self, settings: &Settings) -> bool {
        let sum =
            |of: fn(&Slice) -> &Cell<u32>| self.slices.iter().map(|slice| u64::from(of(slice).get())).sum::<u64>();
        let (requests, failures) = (sum(|slice| &slice.requests), sum(|slice| &slice.failures));
        requests >= u64::from(settings.requests_min.max(1))
            && failures * PERCENT >= requests * u64::from(settings.failures_percent)
    }

    fn slice(&self) -> usize {
        usize::try_from(self.newest.get() % u64::from(SLICES)).unwrap_or_default()
    }

    /// Empties the slices that have left the window.
    fn move_on(&self, window: Duration, now: Instant) {
        let Some(began) = self.began.get() else {
            self.began.set(Some(now));
            return;
        };
        let slice = (window / SLICES).max(Duration::from_millis(1));
        let newest = u64::try_from(now.saturating_duration_since(began).as_nanos() / slice.as_nanos());
        let newest = newest.unwrap_or(u64::MAX);
        let passed = newest.saturating_sub(self.newest.get()).min(u64::from(SLICES));
        self.newest.set(newest);
        for back in 0..passed {
            let emptied = &self.slices[usize::try_from((newest - back) % u64::from(SLICES)).unwrap_or_default()];
            emptied.requests.set(0);
            emptied.failures.set(0);
        }
    }

    fn clear(&self) {
        for slice in &self.slices {
            slice.requests.set(0);
            slice.failures.set(0);
        }
    }
}

impl Pass {
    /// How the request ended; true if that opened the breaker.
    pub(super) fn settle(mut self, is_failure: bool, now: Instant) -> bool {
        let breaker = Rc::clone(&self.breaker);
        if std::mem::take(&mut self.is_trial) {
            if is_failure {
                breaker.state.set(State::Open(now + self.settings.open));
            } else {
                breaker.reset();
            }
            return is_failure;
        }
        if breaker.state.get() != State::Closed {
            // It began before the breaker opened.
            return false;
        }
        breaker.count(is_failure, &self.settings, now);
        let opens = is_failure && breaker.is_tripped(&self.settings);
        if opens {
            breaker.state.set(State::Open(now + self.settings.open));
            breaker.clear();
        }
        opens
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_trial && self.breaker.state.get() == State::Tried {
            self.breaker.state.set(State::Due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        failures_percent: 50,
        requests_min: 4,
        window: Duration::from_secs(10),
        open: Duration::from_secs(5),
    };

    fn settle(breaker: &Rc<Breaker>, is_failure: bool, now: Instant) -> bool {
        assert_eq!(breaker.closed_for(now), None);
        breaker.enter(SETTINGS).settle(is_failure, now)
    }

    #[test]
    fn opens_at_its_share_of_enough_requests() {
        let (breaker, now) = (Rc::new(Breaker::default()), Instant::now());
        assert!(!settle(&breaker, true, now) && !settle(&breaker, true, now) && !settle(&breaker, true, now));
        assert_eq!(breaker.closed_for(now), None, "three requests are too few");
        assert!(settle(&breaker, true, now));
        assert_eq!(breaker.closed_for(now), Some(SETTINGS.open));

        let breaker = Rc::new(Breaker::default());
        (0..6).for_each(|_| assert!(!settle(&breaker, false, now)));
        (0..5).for_each(|_| assert!(!settle(&breaker, true, now)));
        assert!(settle(&breaker, true, now), "6 of 12");
    }

    #[test]
    fn what_left_the_window_counts_no_more() {
        let (breaker, now) = (Rc::new(Breaker::default()), Instant::now());
        (0..3).for_each(|_| assert!(!settle(&breaker, true, now)));
        assert!(!settle(&breaker, true, now + SETTINGS.window), "the other three are gone");
        (0..2).for_each(|_| assert!(!settle(&breaker, true, now + SETTINGS.window)));
        assert!(settle(&breaker, true, now + SETTINGS.window * 2 - Duration::from_secs(1)), "these are not");
    }

    #[test]
    fn one_request_tries_and_decides() {
        let (breaker, now) = (Rc::new(Breaker::default()), Instant::now());
        let early = breaker.enter(SETTINGS);
        (0..4).for_each(|time| assert_eq!(breaker.enter(SETTINGS).settle(true, now), time == 3));
        assert!(!early.settle(false, now), "it began before");
        let later = now + SETTINGS.open;
        assert!(breaker.closed_for(later - Duration::from_nanos(1)).is_some());
        assert_eq!(breaker.closed_for(later), None);
        let trial = breaker.enter(SETTINGS);
        assert_eq!(breaker.closed_for(later), Some(Duration::ZERO), "one at a time");
        assert!(trial.settle(true, later));
        assert_eq!(breaker.closed_for(later), Some(SETTINGS.open));
        let later = later + SETTINGS.open;
        drop(breaker.enter(SETTINGS));
        assert_eq!(breaker.closed_for(later), None, "a trial without a result");
        assert!(!settle(&breaker, false, later));
        (0..3).for_each(|_| assert!(!settle(&breaker, true, later)));
        assert_eq!(breaker.closed_for(later), None, "it is closed, and counts from none");
    }
}
