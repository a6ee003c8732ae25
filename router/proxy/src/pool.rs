//! Idle things, newest first: what was used last is warmest, and what is at the bottom grows old and is dropped.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;

/// Idle connections per server and worker; what comes back beyond them is closed.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// The idle connections of one server, of one worker.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    idle: RefCell<Vec<Idle<T>>>,
    idle_max: Cell<Duration>,
    is_open: Cell<bool>,
}

#[derive(Debug)]
struct Idle<T> {
    item: Box<T>,
    since: Instant,
}

impl<T> Pool<T> {
    /// A pool that keeps its items for so long.
    pub(crate) const fn new(idle_max: Duration) -> Self {
        Self { idle: RefCell::new(Vec::new()), idle_max: Cell::new(idle_max), is_open: Cell::new(true) }
    }

    /// How long items are kept from now on.
    pub(crate) fn set_idle_max(&self, idle_max: Duration) {
        self.idle_max.set(idle_max);
    }

    /// How long items are kept.
    pub(crate) fn idle_max(&self) -> Duration {
        self.idle_max.get()
    }

    /// A closed pool keeps nothing: what is in it is dropped, and so is what is put there.
    pub(crate) fn set_open(&self, is_open: bool) {
        self.is_open.set(is_open);
        if !is_open {
            self.idle.borrow_mut().clear();
        }
    }

    /// The newest item that is young enough and usable; those that are not are dropped on the way.
    pub(crate) fn take(&self, now: Instant, is_usable: impl Fn(&T) -> bool) -> Option<Box<T>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { item, since }) = idle.pop() {
            if now.duration_since(since) > self.idle_max.get() {
                // Everything below is older still.
                idle.clear();
                return None;
            }
            if is_usable(&item) {
                return Some(item);
            }
        }
        None
    }

    /// Puts an item on top.
    pub(crate) fn put(&self, item: Box<T>, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if self.is_open.get() && idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(Idle { item, since: now });
        }
    }

    /// Drops what is too old.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|idle| now.duration_since(idle.since) <= self.idle_max.get());
    }

    /// How many items are idle.
    pub(crate) fn len(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Since when the oldest item is idle.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.idle.borrow().first().map(|idle| idle.since)
    }

    /// Drops the oldest item.
    pub(crate) fn drop_oldest(&self) {
        let mut idle = self.idle.borrow_mut();
        if !idle.is_empty() {
            drop(idle.remove(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_MAX: Duration = Duration::from_secs(4);

    fn filled(items: &[u32], now: Instant) -> Pool<u32> {
        let pool = Pool::new(IDLE_MAX);
        items.iter().for_each(|item| pool.put(Box::new(*item), now));
        pool
    }

    #[test]
    fn the_newest_usable_item_comes_first_and_others_are_dropped() {
        let now = Instant::now();
        let pool = filled(&[1, 2, 3, 4], now);
        assert_eq!(pool.take(now, |item| item % 2 == 1).as_deref(), Some(&3));
        assert_eq!(pool.take(now, |_| true).as_deref(), Some(&2));
        assert_eq!(pool.take(now, |_| true).as_deref(), Some(&1));
        assert!(pool.take(now, |_| true).is_none());
    }

    #[test]
    fn age_ends_at_its_bound() {
        let now = Instant::now();
        assert!(filled(&[1], now).take(now + IDLE_MAX, |_| true).is_some());
        let pool = filled(&[1, 2], now);
        assert!(pool.take(now + IDLE_MAX + Duration::from_millis(1), |_| true).is_none());
        assert_eq!(pool.len(), 0);
        let pool = filled(&[1], now);
        pool.sweep(now + IDLE_MAX);
        assert_eq!(pool.len(), 1);
        pool.sweep(now + IDLE_MAX + Duration::from_millis(1));
        assert_eq!(pool.len(), 0);
    }

    #[test]
    fn the_pool_is_bounded() {
        let now = Instant::now();
        let pool = filled(&vec![7; IDLE_CONNECTIONS_MAX + 1], now);
        let taken = std::iter::from_fn(|| pool.take(now, |_| true)).count();
        assert_eq!(taken, IDLE_CONNECTIONS_MAX);
    }

    #[test]
    fn a_closed_pool_keeps_nothing() {
        let now = Instant::now();
        let pool = filled(&[1, 2], now);
        pool.drop_oldest();
        assert_eq!(pool.len(), 1);
        pool.set_open(false);
        pool.put(Box::new(3), now);
        assert_eq!((pool.len(), pool.oldest()), (0, None));
        pool.set_open(true);
        pool.put(Box::new(4), now);
        assert_eq!(pool.oldest(), Some(now));
        pool.set_idle_max(Duration::ZERO);
        assert!(pool.take(now + Duration::from_nanos(1), |_| true).is_none());
    }
}
