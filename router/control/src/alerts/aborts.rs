//! Aborts that the store has not heard of, on disk: one that a rule asked for counts over a restart too, whether or not the
//! store was there to take it.
//!
//! An abort is written while the store is asked, and struck once it has answered; the store knows a second one by its id.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sluice_model::alert::AlertId;
use sluice_snapshot::{Cells, PendingAbort};

use super::FOLDER;
use super::spool::{Added, Spool};
use crate::board::Board;
use crate::fault::FaultSource;
use crate::tasks::Tasks;

const FILE: &str = "aborts.jsonl";
/// Aborts that are kept: one for each rollout that a store holds.
pub(crate) const ABORTS_MAX: usize = sluice_state::ROLLOUTS_MAX;
/// The fault of the spool.
const SUBJECT: &str = "spool/aborts.jsonl";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    rollout: String,
    id: AlertId,
    reason: String,
}

impl Kept {
    fn is(&self, rollout: &str, id: &AlertId) -> bool {
        self.rollout == rollout && self.id == *id
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Aborts {
    tasks: Tasks,
    board: Arc<Board>,
    spool: Arc<Mutex<Spool<Kept>>>,
    /// From before the restart, for rollouts whose cells have not appeared yet.
    from_before: Mutex<VecDeque<Kept>>,
}

impl Aborts {
    /// Reads what the last run has left. Blocking.
    ///
    /// # Errors
    /// If the folder cannot be made, or the file not be read.
    pub(crate) fn open(data: &Path, tasks: &Tasks, board: &Arc<Board>) -> io::Result<Self> {
        let (spool, left_out) = Spool::open(&data.join(FOLDER), FILE, ABORTS_MAX)?;
        let unreadable = (left_out > 0).then(|| format!("{left_out} lines cannot be read and were left out"));
        board.set(FaultSource::Store, SUBJECT, unreadable);
        let from_before = Mutex::new(spool.entries().clone());
        Ok(Self { tasks: tasks.clone(), board: Arc::clone(board), spool: Arc::new(Mutex::new(spool)), from_before })
    }

    /// Aborts what was aborted when the last run ended; true if anything was. Rollouts that no policy declares yet wait.
    pub(crate) fn restore(&self, cells: &Cells) -> bool {
        let mut from_before = self.from_before.lock().unwrap_or_else(PoisonError::into_inner);
        let mut restored = false;
        from_before.retain(|kept| match cells.find_rollout(&kept.rollout) {
            Some(cell) => {
                restored |= cell.abort(&kept.id, &kept.reason);
                false
            }
            None => true,
        });
        restored
    }

    /// Writes an abort down, unless it is there.
    pub(crate) async fn keep(&self, rollout: &str, pending: &PendingAbort) {
        let kept = Kept { rollout: rollout.to_owned(), id: pending.id.clone(), reason: pending.reason.clone() };
        self.write(move |spool| {
            if spool.entries().iter().any(|known| known.is(&kept.rollout, &kept.id)) {
                return Ok(Added::Kept);
            }
            spool.add(kept)
        })
        .await;
    }

    /// The store has it.
    pub(crate) async fn strike(&self, rollout: &str, id: &AlertId) {
        let (rollout, id) = (rollout.to_owned(), id.clone());
        self.write(move |spool| spool.retain(|kept| !kept.is(&rollout, &id)).map(|()| Added::Kept)).await;
    }

    async fn write(&self, change: impl FnOnce(&mut Spool<Kept>) -> io::Result<Added> + Send + 'static) {
        let spool = Arc::clone(&self.spool);
        let changed = move || change(&mut spool.lock().unwrap_or_else(PoisonError::into_inner));
        let message = match self.tasks.blocking(changed).await {
            None => return,
            Some(Ok(Added::Kept)) => None,
            Some(Ok(Added::Refused)) => Some("it is full: an abort is known to this process only".to_owned()),
            Some(Err(error)) => Some(format!("an abort is known to this process only: {error}")),
        };
        self.board.set(FaultSource::Store, SUBJECT, message);
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;

    fn open(data: &Path) -> Aborts {
        let tasks = Tasks::new(TaskTracker::new(), CancellationToken::new());
        Aborts::open(data, &tasks, &Arc::new(Board::new("embedded"))).unwrap()
    }

    fn pending(id: &str) -> PendingAbort {
        PendingAbort { id: AlertId::from_text(id), reason: "too large".to_owned() }
    }

    #[tokio::test]
    async fn an_abort_counts_after_a_restart_until_the_store_has_it() {
        let data = tempfile::tempdir().unwrap();
        let aborts = open(data.path());
        aborts.keep("demo", &pending("1")).await;
        aborts.keep("demo", &pending("1")).await;
        aborts.keep("other", &pending("2")).await;

        let (again, cells) = (open(data.path()), Cells::new());
        assert!(!again.restore(&cells), "nothing is declared yet");
        let cell = cells.rollout("demo", sluice_snapshot::rollout::Variants::default());
        assert!(again.restore(&cells) && cell.is_aborted());
        assert_eq!(cell.pending(), [pending("1")]);
        assert!(!again.restore(&cells));
        again.strike("demo", &AlertId::from_text("1")).await;

        let (after, cells) = (open(data.path()), Cells::new());
        let demo = cells.rollout("demo", sluice_snapshot::rollout::Variants::default());
        let other = cells.rollout("other", sluice_snapshot::rollout::Variants::default());
        assert!(after.restore(&cells) && !demo.is_aborted() && other.is_aborted());
    }
}
