//! What a client connection is doing, and since when: one timer per connection serves all limits.
//!
//! The timer is moved only when a limit comes closer, so a request that arrives in one piece and is answered at once
//! touches no timer at all.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep};

use crate::proxy::Settings;

/// The state of one connection, as far as its limits go.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Requests being answered: at most one over HTTP/1.1, one for each stream over HTTP/2.
    in_flight: Cell<usize>,
    /// No request came yet.
    is_fresh: Cell<bool>,
    /// Since when nothing is in flight.
    idle_since: Cell<Instant>,
    /// When a head was begun that is not complete.
    head_since: Cell<Option<Instant>>,
    /// When the client stopped taking what we write.
    blocked_since: Cell<Option<Instant>>,
    /// When the connection is too old.
    old_at: Cell<Option<Instant>>,
    /// Woken when nothing is in flight any more, where that happens in other tasks.
    driver: RefCell<Option<Waker>>,
}

/// Which limit a connection has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It idled for too long, or its client stopped reading.
    Idle,
    /// A head was begun and not finished.
    HeadLate,
    /// It is too old.
    Old,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            in_flight: Cell::new(0),
            is_fresh: Cell::new(true),
            idle_since: Cell::new(now),
            head_since: Cell::new(None),
            blocked_since: Cell::new(None),
            old_at: Cell::new(None),
            driver: RefCell::default(),
        }
    }

    /// A request is being answered.
    pub(super) fn busy(&self) {
        self.is_fresh.set(false);
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// A response is out.
    pub(super) fn answered(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
        if !self.is_busy() {
            self.idle_since.set(Instant::now());
            if let Some(driver) = &*self.driver.borrow() {
                driver.wake_by_ref();
            }
        }
    }

    /// True while any request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// The first bytes of a head came.
    pub(super) fn head_begun(&self) {
        if self.head_since.get().is_none() {
            self.head_since.set(Some(Instant::now()));
        }
    }

    /// A head is complete.
    pub(super) fn head_over(&self) {
        self.head_since.set(None);
    }

    /// The client has shown that it speaks the protocol: it may idle before its first request.
    pub(super) fn settled(&self) {
        self.is_fresh.set(false);
        self.idle_since.set(Instant::now());
        self.head_over();
    }

    pub(super) fn wrote(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// When the connection counts as old, for one that is told so while it waits.
    pub(super) fn set_old_at(&self, old_at: Option<Instant>) {
        self.old_at.set(old_at);
    }

    /// Leaves the waker of the task that watches this clock.
    pub(super) fn set_driver(&self, driver: &Waker) {
        *self.driver.borrow_mut() = Some(driver.clone());
    }

    /// Which limit comes next.
    fn next(&self, settings: &Settings) -> Option<(Instant, Due)> {
        let blocked = self.blocked_since.get().map(|since| (since + settings.body_idle, Due::Idle));
        let head = self.head_since.get().map(|since| (since + settings.header_read, Due::HeadLate));
        let idle_max = if self.is_fresh.get() { settings.header_read } else { settings.keep_alive_idle };
        let idle = (!self.is_busy() && head.is_none()).then(|| (self.idle_since.get() + idle_max, Due::Idle));
        let old = self.old_at.get().map(|at| (at, Due::Old));
        [blocked, head, idle, old].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Completes when a limit is reached.
    pub(super) fn poll_due(&self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, settings: &Settings) -> Poll<Due> {
        loop {
            let Some((at, due)) = self.next(settings) else { return Poll::Pending };
            if at < timer.deadline() {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if at <= Instant::now() {
                return Poll::Ready(due);
            }
            // It was set for a state that is over.
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proxy::tests::settings;

    #[test]
    fn each_state_has_its_limit() {
        let (now, settings) = (Instant::now(), settings());
        let clock = Clock::new(now);
        assert_eq!(clock.next(&settings), Some((now + settings.header_read, Due::Idle)), "fresh");
        clock.head_begun();
        assert_eq!(clock.next(&settings).map(|(_, due)| due), Some(Due::HeadLate));
        clock.head_over();
        clock.busy();
        clock.busy();
        assert_eq!(clock.next(&settings), None, "what is answered has limits of its own");
        clock.answered();
        assert_eq!(clock.next(&settings), None);
        clock.answered();
        let idle_end = clock.next(&settings).map(|(at, _)| at);
        assert!(idle_end >= Some(now + settings.keep_alive_idle), "a connection that was used may idle longer");
        clock.busy();
        clock.wrote(true);
        assert_eq!(clock.next(&settings).map(|(_, due)| due), Some(Due::Idle), "its client does not read");
        clock.wrote(false);
        clock.set_old_at(Some(now + Duration::from_secs(1)));
        assert_eq!(clock.next(&settings), Some((now + Duration::from_secs(1), Due::Old)));
    }
}
