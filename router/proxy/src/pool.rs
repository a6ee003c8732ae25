//! Idle things, newest first: what was used last is warmest, and what is at the bottom grows old and is dropped.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

/// How long a connection may stay idle: below the shortest keep-alive among common servers, the 5 s of Node.js
/// (`server.keepAliveTimeout`), so that we close first and not during a request.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections per server and worker; what comes back beyond them is closed.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// The idle connections of one server, of one worker.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    idle: RefCell<Vec<Idle<T>>>,
}

#[derive(Debug)]
struct Idle<T> {
    item: Box<T>,
    since: Instant,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { idle: RefCell::new(Vec::new()) }
    }
}

impl<T> Pool<T> {
    /// The newest item that is young enough and usable; those that are not are dropped on the way.
    pub(crate) fn take(&self, now: Instant, is_usable: impl Fn(&T) -> bool) -> Option<Box<T>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { item, since }) = idle.pop() {
            if now.duration_since(since) > IDLE_MAX {
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
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(Idle { item, since: now });
        }
    }

    /// Drops what is too old.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|idle| now.duration_since(idle.since) <= IDLE_MAX);
    }

    /// True if nothing is idle here.
    pub(crate) fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(items: &[u32], now: Instant) -> Pool<u32> {
        let pool = Pool::default();
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
        assert!(pool.is_empty());
        let pool = filled(&[1], now);
        pool.sweep(now + IDLE_MAX);
        assert!(!pool.is_empty());
        pool.sweep(now + IDLE_MAX + Duration::from_millis(1));
        assert!(pool.is_empty());
    }

    #[test]
    fn the_pool_is_bounded() {
        let now = Instant::now();
        let pool = filled(&vec![7; IDLE_CONNECTIONS_MAX + 1], now);
        let taken = std::iter::from_fn(|| pool.take(now, |_| true)).count();
        assert_eq!(taken, IDLE_CONNECTIONS_MAX);
    }
}
