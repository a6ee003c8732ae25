//! A trial: a new digest beside the one that serves, and how their verdicts compare.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use sluice_model::weight::BasisPoints;
use sluice_policy::TrialMode;

use super::stats::{Phase, count};
use super::{Plugin, lock};

/// Differences that each worker keeps: enough to see a pattern, little enough to read.
pub const DIFFERENCES_KEPT_MAX: usize = 32;

/// A new digest of a plugin beside the one that serves.
#[derive(Debug)]
pub struct Trial {
    /// The new one.
    pub plugin: Arc<Plugin>,
    /// What it does.
    pub mode: TrialMode,
    /// Share of the requests that it sees.
    pub share: BasisPoints,
    /// When it began, Unix time.
    pub started_ms: u64,
    /// How its verdicts compare with those of the serving one; empty in a canary, where only one of them is asked.
    pub comparisons: Comparisons,
}

/// How the verdicts of two digests compare, one shard per worker.
#[derive(Debug)]
pub struct Comparisons {
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    same: AtomicU64,
    different: AtomicU64,
    recent: Mutex<VecDeque<Difference>>,
}

/// One call in which two digests did not say the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When, Unix time.
    pub at_ms: u64,
    /// The request.
    pub request_id: String,
    /// The phase.
    pub phase: Phase,
    /// What the serving one said.
    pub old: String,
    /// What the new one said.
    pub new: String,
}

/// The comparisons of all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ComparisonReport {
    /// Requests on which both said the same in every phase.
    pub same: u64,
    /// Requests on which they did not.
    pub different: u64,
    /// The newest differences, newest first; at most [`DIFFERENCES_KEPT_MAX`].
    pub recent: Vec<Difference>,
}

impl Trial {
    /// A trial that begins at `started_ms`, Unix time.
    #[must_use]
    pub fn new(plugin: Arc<Plugin>, mode: TrialMode, share: BasisPoints, started_ms: u64) -> Self {
        let comparisons = Comparisons::new(plugin.stats.workers());
        Self { plugin, mode, share, started_ms, comparisons }
    }
}

impl Comparisons {
    /// No comparison yet, of any of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self { shards: (0..workers.max(1)).map(|_| Shard::default()).collect() }
    }

    /// Counts a request of `worker` on which both were asked.
    pub fn compared(&self, worker: usize, is_same: bool) {
        let shard = &self.shards[worker];
        count(if is_same { &shard.same } else { &shard.different });
    }

    /// Keeps a difference in the place of the worker's oldest one. Its lock is this worker's own.
    pub fn keep(&self, worker: usize, difference: Difference) {
        let mut recent = lock(&self.shards[worker].recent);
        if recent.len() >= DIFFERENCES_KEPT_MAX {
            recent.pop_front();
        }
        recent.push_back(difference);
    }

    /// The comparisons of all workers.
    #[must_use]
    pub fn report(&self) -> ComparisonReport {
        let mut report = ComparisonReport::default();
        for shard in &self.shards {
            report.same += shard.same.load(Ordering::Relaxed);
            report.different += shard.different.load(Ordering::Relaxed);
            report.recent.extend(lock(&shard.recent).iter().rev().cloned());
        }
        report.recent.sort_by_key(|difference| std::cmp::Reverse(difference.at_ms));
        report.recent.truncate(DIFFERENCES_KEPT_MAX);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(at_ms: u64) -> Difference {
        let (old, new) = ("next".to_owned(), "respond 403".to_owned());
        Difference { at_ms, request_id: at_ms.to_string(), phase: Phase::Request, old, new }
    }

    #[test]
    fn the_newest_differences_are_kept_and_all_are_counted() {
        let comparisons = Comparisons::new(2);
        for at_ms in 0..=DIFFERENCES_KEPT_MAX as u64 {
            comparisons.keep(0, difference(at_ms));
            comparisons.compared(0, false);
        }
        comparisons.keep(1, difference(1));
        comparisons.compared(1, true);
        let report = comparisons.report();
        assert_eq!((report.same, report.different), (1, DIFFERENCES_KEPT_MAX as u64 + 1));
        assert_eq!(report.recent.len(), DIFFERENCES_KEPT_MAX);
        assert_eq!(report.recent[0].at_ms, DIFFERENCES_KEPT_MAX as u64);
        assert!(report.recent.iter().all(|difference| difference.at_ms > 0), "the oldest one made room");
    }
}
