//! What is known of the servers of an upstream beyond its policy: what its name resolves to, who fails the active checks,
//! and what workers count.
//!
//! Control's resolver and prober write the first two, workers read them when the version moved. Keyed by the upstream's
//! name, so it survives every swap.

mod listed;
mod stats;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub use listed::{Listed, listed};
pub use stats::{Failure, ServerStats, ServerTotals, UpstreamStats, UpstreamTotals};

/// The cell of one upstream.
#[derive(Debug, Default)]
pub struct UpstreamCell {
    version: AtomicU64,
    known: RwLock<Arc<Known>>,
    shards: stats::Shards,
}

/// What control knows of the servers of one upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Addresses (`ip:port`, sorted) by the `host:port` that they were asked for, of an upstream with `dns`; the last good
    /// answer stays when a later one fails. Around a change of the name there are two entries.
    pub resolved: BTreeMap<String, Vec<String>>,
    /// Servers (as their upstream names them) that fail the active checks, sorted.
    pub unhealthy: Vec<String>,
}

impl Known {
    /// True if this server fails the active checks.
    #[must_use]
    pub fn is_unhealthy(&self, address: &str) -> bool {
        self.unhealthy.binary_search_by(|known| known.as_str().cmp(address)).is_ok()
    }

    /// The servers of a name; empty before its first answer.
    #[must_use]
    pub fn addresses(&self, host: &str, port: u16) -> &[String] {
        self.resolved.get(&format!("{host}:{port}")).map_or(&[], Vec::as_slice)
    }
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

    /// What this worker counts, the same for as long as anybody names the upstream.
    #[must_use]
    pub fn stats(&self, worker: usize) -> Arc<UpstreamStats> {
        self.shards.of_worker(worker)
    }

    /// What all workers counted; `now_ms` (Unix time) tells who is ejected still.
    #[must_use]
    pub fn totals(&self, now_ms: u64) -> UpstreamTotals {
        self.shards.totals(now_ms)
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
        assert!(cell.read().is_unhealthy("a:1") && !cell.read().is_unhealthy("a:2"));
    }

    #[test]
    fn addresses_belong_to_the_name_that_was_asked_for() {
        let cell = UpstreamCell::default();
        cell.update(|known| drop(known.resolved.insert("app.internal:80".to_owned(), vec!["192.0.2.1:80".to_owned()])));
        assert_eq!(cell.read().addresses("app.internal", 80), ["192.0.2.1:80"]);
        assert!(cell.read().addresses("app.internal", 81).is_empty());
    }
}
