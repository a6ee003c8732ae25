//! The reaper: old snapshots end here and not on a worker, once nobody reads them any more.

use std::sync::Arc;
use std::time::Duration;

use sluice_snapshot::{Snapshot, Traffic};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::tasks::Tasks;

/// Old snapshots that the builder may hand over without waiting.
pub(crate) const SNAPSHOTS_WAITING_MAX: usize = 64;
/// How often the reaper looks whether a snapshot is free.
const LOOK: Duration = Duration::from_millis(100);

/// Runs until control stops.
pub(crate) async fn run(mut old: mpsc::Receiver<Arc<Snapshot>>, traffic: Arc<Traffic>, tasks: Tasks) {
    let mut waiting: Vec<Arc<Snapshot>> = Vec::new();
    loop {
        tokio::select! {
            snapshot = old.recv() => match snapshot {
                Some(snapshot) => waiting.push(snapshot),
                None => return,
            },
            () = sleep(LOOK), if !waiting.is_empty() => {
                // Ours is the last one, and the published place has moved on: nobody can take another.
                let (free, pinned) = waiting.into_iter().partition(|snapshot| Arc::strong_count(snapshot) == 1);
                waiting = pinned;
                bury(free, &traffic, &tasks).await;
            }
        }
    }
}

async fn bury(free: Vec<Arc<Snapshot>>, traffic: &Arc<Traffic>, tasks: &Tasks) {
    if free.is_empty() {
        return;
    }
    let traffic = Arc::clone(traffic);
    let dropping = move || {
        drop(free);
        traffic.prune();
    };
    tasks.blocking(dropping).await;
}
