//! The open client connections of a worker: how many there are, and how each of them learns of a drain.
//!
//! A connection that waits for a request is not closed at once: a request that is on its way would be lost, and few
//! clients dare to send it again. It may send one more, whose answer says that it is the last.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

/// All open client connections of one worker.
///
/// Connections ask at each of their polls how far the drain is, so asking is one load; each leaves its waker here once,
/// and is woken at each step.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: RefCell<BTreeMap<u64, Option<Waker>>>,
    next: Cell<u64>,
    stage: Cell<Stage>,
    closed: Notify,
}

/// How far a drain is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// There is none.
    #[default]
    Serving,
    /// Every answer is the last one of its connection.
    LastAnswers,
    /// Connections without a request in flight are closed.
    Closing,
    /// The deadline has passed.
    Over,
}

/// One open connection; ends with its drop.
pub(crate) struct OpenConnection {
    connections: Rc<Connections>,
    number: u64,
    is_beyond: bool,
}

impl Connections {
    /// Counts a connection in, and notes whether `connections_max` were open before it.
    pub(crate) fn open(self: &Rc<Self>, connections_max: usize) -> OpenConnection {
        let is_beyond = !self.has_room(connections_max);
        let number = self.next.get();
        self.next.set(number + 1);
        self.open.borrow_mut().insert(number, None);
        OpenConnection { connections: Rc::clone(self), number, is_beyond }
    }

    /// Completes when fewer than `connections_max` are open. Cancel safe.
    pub(crate) async fn below(&self, connections_max: usize) {
        while !self.has_room(connections_max) {
            self.closed.notified().await;
        }
    }

    /// How far the drain is.
    pub(crate) fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Takes the drain further and wakes every connection. What is dropped once it is over starts nothing any more.
    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.set(stage);
        for waker in self.open.borrow().values().flatten() {
            waker.wake_by_ref();
        }
    }

    /// True where one more may be taken in.
    pub(crate) fn has_room(&self, connections_max: usize) -> bool {
        self.open.borrow().len() < connections_max.max(1)
    }
}

impl OpenConnection {
    /// True if it is one too many: it is answered, but not served.
    pub(crate) const fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// Leaves the waker of the connection's task.
    pub(crate) fn register(&self, waker: &Waker) {
        self.connections.open.borrow_mut().insert(self.number, Some(waker.clone()));
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().remove(&self.number);
        self.connections.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn the_bound_opens_again_when_a_connection_ends() {
        let connections = Rc::new(Connections::default());
        let first = connections.open(1);
        assert!(!first.is_beyond() && connections.open(1).is_beyond());
        let mut waiting = pin!(connections.below(1));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(waiting.as_mut().poll(&mut context).is_ready());
    }
}
