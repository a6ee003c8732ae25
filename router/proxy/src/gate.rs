//! Bounds the connections of one worker to one upstream; requests beyond them wait their turn, first come first served.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Counts the connections in use. Lives longer than any snapshot, so that a reload does not double the bound.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    max: Cell<usize>,
    in_use: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Place>>>,
}

/// A place in the queue.
#[derive(Debug, Default)]
struct Place {
    /// The right was handed over, and counts as in use.
    is_granted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The right to use one connection; ends with its drop.
#[derive(Debug)]
pub(crate) struct Permit(Rc<Gate>);

/// Too many requests wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Gate {
    /// How many connections may be in use from now on.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.set(max);
        self.grant();
    }

    /// Connections in use.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.get()
    }

    /// Enters if one connection is free and nobody waits for it.
    pub(crate) fn try_enter(self: &Rc<Self>) -> Option<Permit> {
        (self.in_use.get() < self.max.get() && self.queue.borrow().is_empty()).then(|| {
            self.in_use.set(self.in_use.get() + 1);
            Permit(Rc::clone(self))
        })
    }

    /// Waits in the queue, unless `pending_max` requests do already. Cancel safe: whoever leaves gives up its place.
    pub(crate) async fn enter(self: &Rc<Self>, pending_max: usize) -> Result<Permit, Full> {
        if let Some(permit) = self.try_enter() {
            return Ok(permit);
        }
        if self.queue.borrow().len() >= pending_max {
            return Err(Full);
        }
        let place = Rc::new(Place::default());
        self.queue.borrow_mut().push_back(Rc::clone(&place));
        let turn = Turn { gate: self, place };
        poll_fn(|cx| {
            if turn.place.is_granted.get() {
                return Poll::Ready(());
            }
            turn.place.waker.borrow_mut().replace(cx.waker().clone());
            Poll::Pending
        })
        .await;
        turn.place.is_granted.set(false);
        Ok(Permit(Rc::clone(self)))
    }

    /// Hands what is free to those who wait.
    fn grant(&self) {
        while self.in_use.get() < self.max.get() {
            let Some(next) = self.queue.borrow_mut().pop_front() else { return };
            self.in_use.set(self.in_use.get() + 1);
            next.is_granted.set(true);
            if let Some(waker) = next.waker.take() {
                waker.wake();
            }
        }
    }

    fn release(&self) {
        self.in_use.set(self.in_use.get() - 1);
        self.grant();
    }
}

/// Someone who waits; leaves with its drop, and passes on what it did not take.
struct Turn<'a> {
    gate: &'a Gate,
    place: Rc<Place>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.place.is_granted.get() {
            self.gate.release();
        } else {
            self.gate.queue.borrow_mut().retain(|place| !Rc::ptr_eq(place, &self.place));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::Context;

    use super::*;

    const PENDING_MAX: usize = 3;

    fn gate(max: usize) -> Rc<Gate> {
        let gate = Rc::new(Gate::default());
        gate.set_max(max);
        gate
    }

    fn now<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn who_came_first_goes_first_and_nobody_overtakes() {
        let gate = gate(1);
        let first = gate.try_enter().unwrap();
        let (mut second, mut third) = (pin!(gate.enter(PENDING_MAX)), pin!(gate.enter(PENDING_MAX)));
        assert!(now(second.as_mut()).is_pending() && now(third.as_mut()).is_pending());
        drop(first);
        assert!(gate.try_enter().is_none(), "it is the second one's already");
        assert!(now(third.as_mut()).is_pending());
        let Poll::Ready(Ok(second)) = now(second.as_mut()) else { panic!("its turn") };
        drop(second);
        assert!(matches!(now(third.as_mut()), Poll::Ready(Ok(_))));
        assert_eq!(gate.in_use(), 0);
    }

    #[test]
    fn the_queue_is_bounded_and_whoever_leaves_makes_room() {
        let gate = gate(1);
        let first = gate.try_enter().unwrap();
        let mut waiting: Vec<_> = (0..PENDING_MAX).map(|_| Box::pin(gate.enter(PENDING_MAX))).collect();
        assert!(waiting.iter_mut().all(|waiting| now(waiting.as_mut()).is_pending()));
        assert!(matches!(now(pin!(gate.enter(PENDING_MAX))), Poll::Ready(Err(Full))));
        drop(waiting.remove(0));
        waiting.push(Box::pin(gate.enter(PENDING_MAX)));
        assert!(now(waiting[PENDING_MAX - 1].as_mut()).is_pending());
        drop(first);
        drop(waiting.remove(0));
        assert!(matches!(now(waiting[0].as_mut()), Poll::Ready(Ok(_))), "what was granted and not taken is passed on");
        drop(waiting);
        assert_eq!(gate.in_use(), 0);
    }

    #[test]
    fn a_higher_bound_lets_those_in_who_wait() {
        let gate = gate(0);
        let mut waiting = pin!(gate.enter(PENDING_MAX));
        assert!(now(waiting.as_mut()).is_pending());
        gate.set_max(1);
        assert!(matches!(now(waiting.as_mut()), Poll::Ready(Ok(_))));
    }
}
