//! The open client connections of a worker: how many there are, and how each of them learns of a drain.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

/// All open client connections of one worker.
///
/// Connections are asked at each of their polls whether a drain began, so asking is one load; each leaves its waker
/// here once, and is woken once.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: RefCell<BTreeMap<u64, Option<Waker>>>,
    next: Cell<u64>,
    draining: Cell<bool>,
    over: Cell<bool>,
    closed: Notify,
}

/// One open connection; ends with its drop.
pub(crate) struct OpenConnection {
    connections: Rc<Connections>,
    number: u64,
}

impl Connections {
    /// Counts a connection in.
    pub(crate) fn open(self: &Rc<Self>) -> OpenConnection {
        let number = self.next.get();
        self.next.set(number + 1);
        self.open.borrow_mut().insert(number, None);
        OpenConnection { connections: Rc::clone(self), number }
    }

    /// Completes when fewer than `connections_max` are open. Cancel safe.
    pub(crate) async fn below(&self, connections_max: usize) {
        while self.open.borrow().len() >= connections_max.max(1) {
            self.closed.notified().await;
        }
    }

    /// True once a drain began.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Begins the drain and wakes every connection.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for waker in self.open.borrow().values().flatten() {
            waker.wake_by_ref();
        }
    }

    /// The deadline of the drain has passed: what is dropped from now on starts nothing any more.
    pub(crate) fn end(&self) {
        self.over.set(true);
    }

    /// True once the deadline of the drain has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get()
    }
}

impl OpenConnection {
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
        let first = connections.open();
        let mut waiting = pin!(connections.below(1));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(waiting.as_mut().poll(&mut context).is_ready());
    }
}
