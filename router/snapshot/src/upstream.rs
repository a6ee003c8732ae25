//! What control finds out about the servers of an upstream: what its name resolves to, and who passes the active checks.
//!
//! Written by control's resolver and prober, read by workers when the version moved. Keyed by the upstream's name, so it
//! survives every swap.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The cell of one upstream.
#[derive(Debug, Default)]
pub struct UpstreamCell {
    version: AtomicU64,
    known: RwLock<Arc<Known>>,
}

/// What is known of the servers of one upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Addresses (`ip:port`, sorted) that the name of an upstream with `dns` resolves to; the last good answer stays
    /// when a later one fails.
    pub resolved: Vec<String>,
    /// Servers (as their upstream names them) that fail the active checks, sorted.
    pub unhealthy: Vec<String>,
}

impl UpstreamCell {
    /// Moves with each change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What is known, at least as of the version read before.
    #[must_use]
    pub fn read(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is known; the version moves only if it differs.
    pub fn update(&self, change: impl FnOnce(&mut Known)) {
        let is_moved = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let mut next = Known::clone(&known);
            change(&mut next);
            let is_moved = next != **known;
            *known = Arc::new(next);
            is_moved
        };
        if is_moved {
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_difference_moves_the_version() {
        let cell = UpstreamCell::default();
        cell.update(|known| known.unhealthy = vec!["a:1".to_owned()]);
        let version = cell.version();
        cell.update(|known| known.unhealthy = vec!["a:1".to_owned()]);
        assert_eq!(cell.version(), version);
        assert_eq!(cell.read().unhealthy, ["a:1"]);
    }
}
