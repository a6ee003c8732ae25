//! Bounds the connections of one worker to one upstream; requests beyond them wait their turn.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Requests that may wait for a connection to one upstream, per worker. More would only wait for their time-out.
const WAITING_MAX: usize = 1_024;

/// Counts the connections in use. Lives longer than any snapshot, so that a reload does not double the bound.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    in_use: Cell<usize>,
    waiting: Cell<usize>,
    freed: Notify,
}

/// The right to use one connection; ends with its drop.
#[derive(Debug)]
pub(crate) struct Permit(Rc<Gate>);

/// Too many requests wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Gate {
    /// Waits until fewer than `max` connections are in use. Cancel safe.
    pub(crate) async fn enter(self: &Rc<Self>, max: usize) -> Result<Permit, Full> {
        if self.in_use.get() >= max {
            let _turn = Turn::take(self)?;
            while self.in_use.get() >= max {
                self.freed.notified().await;
            }
        }
        self.in_use.set(self.in_use.get() + 1);
        Ok(Permit(Rc::clone(self)))
    }
}

/// A place in the queue.
struct Turn<'a>(&'a Gate);

impl<'a> Turn<'a> {
    fn take(gate: &'a Gate) -> Result<Self, Full> {
        let waiting = gate.waiting.get();
        if waiting >= WAITING_MAX {
            return Err(Full);
        }
        gate.waiting.set(waiting + 1);
        Ok(Self(gate))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_use.set(self.0.in_use.get() - 1);
        if self.0.waiting.get() > 0 {
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_freed_connection_goes_to_the_one_who_waits() {
        let gate = Rc::new(Gate::default());
        let Poll::Ready(Ok(first)) = now(pin!(gate.enter(1))) else { panic!("the gate is open") };
        let mut second = pin!(gate.enter(1));
        assert!(now(second.as_mut()).is_pending());
        drop(first);
        assert!(now(second.as_mut()).is_ready());
    }

    #[test]
    fn the_queue_is_bounded() {
        let gate = Rc::new(Gate::default());
        let Poll::Ready(Ok(_first)) = now(pin!(gate.enter(1))) else { panic!("the gate is open") };
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(gate.enter(1))).collect();
        assert!(waiting.iter_mut().all(|waiting| now(waiting.as_mut()).is_pending()));
        assert!(matches!(now(pin!(gate.enter(1))), Poll::Ready(Err(Full))));
        waiting.pop();
        assert!(now(pin!(gate.enter(1))).is_pending());
    }
}
