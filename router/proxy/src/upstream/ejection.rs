//! Passive checks of one server (outlier ejection): how many requests failed in a row, and whether it is left alone.
//!
//! After its time an ejected server is on probation: one request at a time tries it. The first that succeeds brings it
//! back, the first that fails ejects it again, for twice as long.

use std::cell::Cell;
use std::time::Duration;

use sluice_policy::upstream::Ejection;
use sluice_snapshot::upstream::Failure;
use tokio::time::Instant;

/// How a server stands with this worker.
#[derive(Debug, Default)]
pub(super) struct Standing {
    failures_in_a_row: Cell<u32>,
    /// Set while it is left alone, and on probation after that time.
    ejected_until: Cell<Option<Instant>>,
    /// Ejections without a quiet time between them: each is twice as long as the one before.
    ejections: Cell<u32>,
    /// When the last ejection ended well.
    recovered: Cell<Option<Instant>>,
    /// A request tries it.
    is_tried: Cell<bool>,
}

/// How a server stood when a request went to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// In good standing.
    Good,
    /// On probation: this request tries it.
    Probe,
    /// Ejected, and asked because nobody else was left.
    LastResort,
}

impl Standing {
    /// True if requests may go there: it is in good standing, or may be tried.
    pub(super) fn is_available(&self, now: Instant) -> bool {
        self.ejected_until.get().is_none_or(|until| until <= now && !self.is_tried.get())
    }

    /// True while it is left alone or on probation.
    pub(super) fn is_ejected(&self) -> bool {
        self.ejected_until.get().is_some()
    }

    /// A request goes there.
    pub(super) fn enter(&self, now: Instant) -> Entry {
        match self.ejected_until.get() {
            None => Entry::Good,
            Some(until) if until <= now && !self.is_tried.replace(true) => Entry::Probe,
            Some(_) => Entry::LastResort,
        }
    }

    /// That request is over.
    pub(super) fn leave(&self, entry: Entry) {
        if entry == Entry::Probe {
            self.is_tried.set(false);
        }
    }

    /// A request succeeded; true if that brought the server back. One that began before the ejection proves nothing.
    pub(super) fn succeeded(&self, entry: Entry, now: Instant) -> bool {
        let is_back = self.is_ejected() && entry != Entry::Good;
        if is_back {
            self.ejected_until.set(None);
            self.recovered.set(Some(now));
        }
        if !self.is_ejected() {
            self.failures_in_a_row.set(0);
        }
        is_back
    }

    /// A request failed; `Some` = the server is now left alone for so long. `may_eject` is asked for a server in good
    /// standing that did answer, or took a connection at least: the rest must be able to carry its load.
    pub(super) fn failed(
        &self,
        entry: Entry,
        failure: Failure,
        ejection: &Ejection,
        may_eject: impl FnOnce() -> bool,
        now: Instant,
    ) -> Option<Duration> {
        if ejection.consecutive_failures == 0 {
            return None;
        }
        if let Some(until) = self.ejected_until.get() {
            // Only a probe says something new.
            return (until <= now && entry == Entry::Probe).then(|| self.eject(ejection, now));
        }
        let in_a_row = self.failures_in_a_row.get().saturating_add(1);
        self.failures_in_a_row.set(in_a_row);
        // Nothing is lost by leaving out a server that takes no connections, so no cap holds for it.
        let is_out = failure == Failure::Connect || (in_a_row >= ejection.consecutive_failures && may_eject());
        is_out.then(|| self.eject(ejection, now))
    }

    /// It has gone: whoever comes under its address later is judged anew.
    pub(super) fn forget(&self) {
        self.failures_in_a_row.set(0);
        self.ejected_until.set(None);
        self.ejections.set(0);
    }

    fn eject(&self, ejection: &Ejection, now: Instant) -> Duration {
        let is_quiet = self.recovered.get().is_some_and(|at| now.saturating_duration_since(at) > ejection.max);
        let before = if is_quiet { 0 } else { self.ejections.get() };
        let pause = ejection.base.saturating_mul(2_u32.saturating_pow(before)).min(ejection.max);
        self.ejections.set(before.saturating_add(1));
        self.recovered.set(None);
        self.failures_in_a_row.set(0);
        self.ejected_until.set(Some(now + pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EJECTION: Ejection = Ejection {
        consecutive_failures: 3,
        base: Duration::from_secs(1),
        max: Duration::from_secs(4),
        share_max_percent: 50,
    };

    fn fail(standing: &Standing, failure: Failure, now: Instant) -> Option<Duration> {
        let entry = standing.enter(now);
        let paused = standing.failed(entry, failure, &EJECTION, || true, now);
        standing.leave(entry);
        paused
    }

    #[test]
    fn failures_in_a_row_eject_and_a_success_between_them_does_not() {
        let (standing, now) = (Standing::default(), Instant::now());
        assert_eq!(fail(&standing, Failure::Status, now), None);
        assert_eq!(fail(&standing, Failure::Timeout, now), None);
        assert!(!standing.succeeded(Entry::Good, now));
        assert_eq!(fail(&standing, Failure::Status, now), None);
        assert_eq!(fail(&standing, Failure::Closed, now), None);
        assert!(standing.is_available(now));
        assert_eq!(fail(&standing, Failure::ConnectTimeout, now), Some(EJECTION.base));
        assert!(!standing.is_available(now));
    }

    #[test]
    fn a_refused_connection_ejects_at_once_and_pauses_double_up_to_the_longest() {
        let (standing, mut now) = (Standing::default(), Instant::now());
        for seconds in [1, 2, 4, 4] {
            let pause = fail(&standing, Failure::Connect, now).unwrap();
            assert_eq!(pause, Duration::from_secs(seconds));
            assert!(!standing.is_available(now + pause - Duration::from_nanos(1)));
            now += pause;
            assert!(standing.is_available(now));
        }
    }

    #[test]
    fn one_request_at_a_time_tries_a_server_on_probation() {
        let (standing, now) = (Standing::default(), Instant::now());
        fail(&standing, Failure::Connect, now).unwrap();
        let later = now + EJECTION.base;
        let probe = standing.enter(later);
        assert_eq!(probe, Entry::Probe);
        assert!(!standing.is_available(later), "one tries it already");
        standing.leave(probe);
        assert!(standing.is_available(later), "that one left without a result");
        assert!(standing.succeeded(standing.enter(later), later), "back");
        assert!(standing.is_available(later) && !standing.is_ejected());
    }

    #[test]
    fn what_began_before_an_ejection_does_not_end_it() {
        let (standing, now) = (Standing::default(), Instant::now());
        let early = standing.enter(now);
        fail(&standing, Failure::Connect, now).unwrap();
        assert!(!standing.succeeded(early, now));
        assert_eq!(standing.failed(early, Failure::Connect, &EJECTION, || true, now + EJECTION.base), None);
        assert!(standing.succeeded(standing.enter(now), now), "the last resort answered");
    }

    #[test]
    fn after_a_quiet_time_pauses_begin_anew() {
        let (standing, now) = (Standing::default(), Instant::now());
        fail(&standing, Failure::Connect, now).unwrap();
        let back = now + EJECTION.base;
        standing.succeeded(standing.enter(back), back);
        standing.leave(Entry::Probe);
        let soon = back + EJECTION.max;
        assert_eq!(fail(&standing, Failure::Connect, soon), Some(EJECTION.base * 2));
        let back = soon + EJECTION.base * 2;
        standing.succeeded(standing.enter(back), back);
        standing.leave(Entry::Probe);
        let late = back + EJECTION.max + Duration::from_nanos(1);
        assert_eq!(fail(&standing, Failure::Connect, late), Some(EJECTION.base));
    }

    #[test]
    fn the_cap_holds_for_servers_that_answer() {
        let (standing, now) = (Standing::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(standing.failed(Entry::Good, Failure::Status, &EJECTION, || false, now), None);
        }
        assert_eq!(standing.failed(Entry::Good, Failure::Connect, &EJECTION, || false, now), Some(EJECTION.base));
        let off = Ejection { consecutive_failures: 0, ..EJECTION };
        assert_eq!(Standing::default().failed(Entry::Good, Failure::Connect, &off, || true, now), None, "0 = never");
    }
}
