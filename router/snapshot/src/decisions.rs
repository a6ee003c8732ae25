//! What became of the last requests, so that an operator can ask why (`sluice why REQUEST_ID`).
//!
//! Each worker keeps its own last ones, in places of a fixed size that are used again and again: keeping one costs some
//! copied bytes, no allocation and nobody's wait. A worker that finds a reader at its places goes on without, and counts it.

mod facts;
mod kept;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use serde::Serialize;

pub use facts::{Attempt, Facts, Outcome, Step, VariantBy, Verdict};
use kept::Kept;
pub use kept::{ATTEMPTS_KEPT_MAX, STEPS_KEPT_MAX, TEXT_BYTES_MAX};

/// Requests without a reason code (a server or a builtin answered them) that each worker keeps.
pub const ORDINARY_KEPT_MAX: usize = 384;
/// Requests with a reason code that each worker keeps. They have places of their own: what is asked for is mostly what
/// failed, and traffic that goes well must not wash it away.
pub const REASONED_KEPT_MAX: usize = 128;

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// All but the lists.
    #[serde(flatten)]
    pub facts: Facts<String>,
    /// What plugins said, in order; at most [`STEPS_KEPT_MAX`].
    pub steps: Vec<Step<String>>,
    /// Servers that were tried, in order; at most [`ATTEMPTS_KEPT_MAX`].
    pub attempts: Vec<Attempt<String>>,
}

/// The last decisions of all workers.
#[derive(Debug)]
pub struct Decisions {
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    rings: Mutex<Rings>,
    skipped: AtomicU64,
}

#[derive(Debug, Default)]
struct Rings {
    ordinary: VecDeque<Box<Kept>>,
    reasoned: VecDeque<Box<Kept>>,
}

impl Decisions {
    /// Places for `workers` workers; they take memory when they are first used.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self { shards: (0..workers).map(|_| Shard::default()).collect() }
    }

    /// Keeps what became of a request of `worker`, in the place of its oldest one. Never waits.
    pub fn keep(&self, worker: usize, facts: &Facts<&str>, steps: &[Step<&str>], attempts: &[Attempt<&str>]) {
        let shard = &self.shards[worker];
        let mut rings = match shard.rings.try_lock() {
            Ok(rings) => rings,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                shard.skipped.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let (ring, kept_max) = if facts.reason.is_some() {
            (&mut rings.reasoned, REASONED_KEPT_MAX)
        } else {
            (&mut rings.ordinary, ORDINARY_KEPT_MAX)
        };
        let oldest = if ring.len() < kept_max { None } else { ring.pop_front() };
        let mut place = oldest.unwrap_or_default();
        place.fill(facts, steps, attempts);
        ring.push_back(place);
    }

    /// The decision on the request of this id.
    #[must_use]
    pub fn find(&self, request_id: &str) -> Option<Decision> {
        self.shards.iter().find_map(|shard| {
            let rings = shard.rings.lock().unwrap_or_else(PoisonError::into_inner);
            let found = rings.all().find(|kept| kept.request_id() == request_id);
            found.map(Kept::decision)
        })
    }

    /// The newest decisions, newest first.
    #[must_use]
    pub fn recent(&self, newest: usize) -> Vec<Decision> {
        let mut recent = Vec::new();
        for shard in &self.shards {
            let rings = shard.rings.lock().unwrap_or_else(PoisonError::into_inner);
            recent.extend(rings.all().map(Kept::decision));
        }
        // Those of one millisecond stay in the order in which they ended.
        recent.reverse();
        recent.sort_by_key(|decision| std::cmp::Reverse(decision.facts.time_ms));
        recent.truncate(newest);
        recent
    }

    /// Requests that were not kept because someone was reading.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.shards.iter().map(|shard| shard.skipped.load(Ordering::Relaxed)).sum()
    }
}

impl Rings {
    fn all(&self) -> impl Iterator<Item = &Kept> {
        self.ordinary.iter().chain(&self.reasoned).map(|kept| &**kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(decisions: &Decisions, worker: usize, id: &str, time_ms: u64, reason: Option<&'static str>) {
        let facts = Facts { request_id: id, time_ms, reason, ..Facts::default() };
        decisions.keep(worker, &facts, &[], &[]);
    }

    #[test]
    fn the_oldest_makes_room_and_what_failed_outlives_what_went_well() {
        let decisions = Decisions::new(1);
        keep(&decisions, 0, "failed", 0, Some("no_route"));
        for index in 0..ORDINARY_KEPT_MAX as u64 {
            keep(&decisions, 0, &format!("r{index}"), index + 1, None);
        }
        assert!(decisions.find("r0").is_some());
        keep(&decisions, 0, "one more", 9_999, None);
        assert!(decisions.find("r0").is_none());
        assert!(decisions.find("r1").is_some() && decisions.find("failed").is_some());
        assert_eq!(decisions.recent(usize::MAX).len(), ORDINARY_KEPT_MAX + 1);
    }

    #[test]
    fn the_newest_of_all_workers_come_first() {
        let decisions = Decisions::new(2);
        keep(&decisions, 0, "a", 1, None);
        keep(&decisions, 1, "b", 3, None);
        keep(&decisions, 0, "c", 2, Some("no_route"));
        let ids: Vec<String> = decisions.recent(2).into_iter().map(|decision| decision.facts.request_id).collect();
        assert_eq!(ids, ["b", "c"]);
    }

    #[test]
    fn a_worker_does_not_wait_for_a_reader() {
        let decisions = Decisions::new(1);
        let reader = decisions.shards[0].rings.lock().unwrap();
        keep(&decisions, 0, "a", 1, None);
        drop(reader);
        assert_eq!((decisions.skipped(), decisions.find("a")), (1, None));
    }
}
