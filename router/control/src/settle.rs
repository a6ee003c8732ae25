//! Reading both folders once they stand still.

use std::sync::Arc;
use std::time::Duration;

use sluice_policy::Folders;
use tokio::time::sleep;

use crate::folder::{self, Listing, PLUGIN_EXTENSION, POLICY_EXTENSION};
use crate::input::Input;
use crate::tasks::Tasks;

/// Files must stand still for this long before they are read: editors and `cp` write in steps, a few ms apart.
const SETTLE: Duration = Duration::from_millis(100);
/// Rounds of [`SETTLE`] after which a folder that never stands still is read all the same. What is half written then
/// is refused, and read again once it moved.
const SETTLE_ROUNDS_MAX: usize = 20;

/// Reads the folders.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    tasks: Tasks,
    folders: Arc<Folders>,
}

impl Reader {
    pub(crate) fn new(tasks: &Tasks, folders: Folders) -> Self {
        Self { tasks: tasks.clone(), folders: Arc::new(folders) }
    }

    /// What is in the folders now.
    pub(crate) async fn read(&self) -> Input {
        let folders = Arc::clone(&self.folders);
        self.tasks.blocking(move || Input::read(&folders)).await.unwrap_or_default()
    }

    /// What is in the folders once they stand still. What moved while it was read is read again: a file that is just
    /// being rewritten in place is empty for a moment, and an empty policy is a valid one.
    pub(crate) async fn read_settled(self) -> Input {
        let mut before = self.listings().await;
        for _ in 0..SETTLE_ROUNDS_MAX {
            sleep(SETTLE).await;
            let settled = self.listings().await;
            if settled == before {
                let input = self.read().await;
                if self.listings().await == settled {
                    return input;
                }
            }
            before = settled;
        }
        self.read().await
    }

    async fn listings(&self) -> Option<(Listing, Listing)> {
        let folders = Arc::clone(&self.folders);
        let list = move || {
            let policy = folder::list(&folders.routes, POLICY_EXTENSION).unwrap_or_default();
            (policy, folder::list(&folders.plugins, PLUGIN_EXTENSION).unwrap_or_default())
        };
        self.tasks.blocking(list).await
    }
}
