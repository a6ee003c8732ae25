//! A clock that runs only while something stands still.
//!
//! Most bodies never wait, so the timer is made at the first wait and moved, not remade, afterwards.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Watches one body for standing still, and for a deadline of the whole.
#[derive(Debug)]
pub(crate) struct Stall {
    idle_max: Duration,
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

/// Which of the two came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// Nothing moved for too long.
    Idle,
    /// The whole took too long.
    Deadline,
}

impl Stall {
    pub(crate) fn new(idle_max: Duration, deadline: Option<Instant>) -> Self {
        Self { idle_max, deadline, timer: None, is_running: false }
    }

    /// Something moved.
    pub(crate) fn moved(&mut self) {
        self.is_running = false;
    }

    /// True once the deadline has passed: what always moves never comes to [`Stall::poll`].
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Nothing moved: completes when that has lasted too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        if !self.is_running {
            let idle_end = Instant::now() + self.idle_max;
            let end = self.deadline.map_or(idle_end, |deadline| deadline.min(idle_end));
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(end),
                None => self.timer = Some(Box::pin(sleep_until(end))),
            }
            self.is_running = true;
        }
        let timer = self.timer.as_mut().expect("invariant: made above");
        timer.as_mut().poll(cx).map(|()| if self.is_late() { Expired::Deadline } else { Expired::Idle })
    }
}
