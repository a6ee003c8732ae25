//! Publishing a snapshot and reading the current one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::snapshot::Snapshot;

/// The one place where the current snapshot stands. One writer (control's builder), many readers (workers, admin).
///
/// A worker keeps its own `Arc` and compares [`Published::generation`] per request: one load, no contended counter.
#[derive(Debug)]
pub struct Published {
    generation: AtomicU64,
    current: Mutex<Arc<Snapshot>>,
    workers: Vec<Notify>,
}

impl Published {
    /// Starts with `first`, for `workers` readers that want to be woken.
    #[must_use]
    pub fn new(first: Arc<Snapshot>, workers: usize) -> Self {
        let workers = (0..workers).map(|_| Notify::new()).collect();
        Self { generation: AtomicU64::new(1), current: Mutex::new(first), workers }
    }

    /// Moves with each publication.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The current snapshot with its generation. Takes a lock: for when the generation moved.
    #[must_use]
    pub fn load(&self) -> (u64, Arc<Snapshot>) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (self.generation(), Arc::clone(&current))
    }

    /// Makes `next` current, wakes every worker (so that an idle one pins no old snapshot) and returns the old one,
    /// to be dropped off the request path.
    pub fn publish(&self, next: Arc<Snapshot>) -> Arc<Snapshot> {
        let old = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *current, next);
            self.generation.fetch_add(1, Ordering::Release);
            old
        };
        for worker in &self.workers {
            worker.notify_one();
        }
        old
    }

    /// Completes when a snapshot was published since this worker last waited. Cancel safe.
    pub async fn changed(&self, worker: usize) {
        self.workers[worker].notified().await;
    }

    /// How many workers read.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }
}
