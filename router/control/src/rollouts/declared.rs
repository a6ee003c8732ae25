//! The rollouts that the policy declares come to be in the store, and local aborts get there, however long it is away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::rollout::{Command, Rollout};
use sluice_snapshot::RolloutCell;
use sluice_state::StoreError;
use tokio::sync::watch;
use tokio::time::sleep;

use super::random_salt;
use crate::clock::now_ms;
use crate::fault::{FaultSource, chain};
use crate::shared::Shared;

/// How long a failed write waits for its next try, at the most; a new abort does not wait.
const RETRY: Duration = Duration::from_secs(1);
/// Who creates rollouts, as the store shows it.
const BY_POLICY: &str = "policy";
/// Who passes on what plugins aborted.
const BY_ROUTER: &str = "router";

/// See the module.
#[derive(Debug)]
pub(crate) struct Declared {
    shared: Arc<Shared>,
    /// Known to be in the store.
    ensured: BTreeSet<String>,
}

impl Declared {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, ensured: BTreeSet::new() }
    }

    /// Runs until control stops.
    pub(crate) async fn run(mut self, mut revision: watch::Receiver<u64>) {
        loop {
            tokio::select! {
                () = self.shared.effects.aborted() => {}
                changed = revision.changed() => if changed.is_err() { return },
                () = sleep(RETRY) => {}
            }
            self.round().await;
        }
    }

    /// Does what there is to do, once. Cancel safe: all of it can be repeated.
    pub(crate) async fn round(&mut self) {
        self.ensure_declared().await;
        self.shared.aborts.restore(&self.shared.cells);
        for cell in self.shared.cells.rollouts() {
            self.pass_on_aborts(&cell).await;
        }
    }

    async fn ensure_declared(&mut self) {
        let policy = Arc::clone(&self.shared.published.load().1.policy);
        for declared in &policy.rollouts {
            let name = &declared.name;
            if self.ensured.contains(name) {
                continue;
            }
            // After a loss of the store's data, what this router knows is better than what the file began with.
            let known = self.shared.cells.find_rollout(name).and_then(|cell| cell.view());
            let initial = known.map_or_else(
                || Rollout::initial(declared.initial, random_salt(), BY_POLICY, now_ms()),
                |view| Rollout::clone(&view),
            );
            match self.shared.store.ensure_rollout(name, &initial).await {
                Ok(_) => {
                    self.shared.board.set(FaultSource::Rollout, name, None);
                    self.ensured.insert(name.clone());
                }
                Err(error) => {
                    let message = format!("it is not known to be in the store: {}", chain(&error));
                    self.shared.board.set(FaultSource::Rollout, name, Some(message));
                }
            }
        }
        self.ensured.retain(|name| policy.rollouts.iter().any(|declared| declared.name == *name));
    }

    async fn pass_on_aborts(&mut self, cell: &RolloutCell) {
        for pending in cell.pending() {
            let command = Command::Abort { id: pending.id.clone(), reason: pending.reason.clone() };
            // Side by side: on a busy disk the other routers would hear of it seconds later.
            let ((), told) = tokio::join!(
                self.shared.aborts.keep(cell.name(), &pending),
                self.shared.store.apply_rollout(cell.name(), &command, BY_ROUTER.into(), now_ms(), None),
            );
            match told {
                Ok(_) => {
                    cell.confirm(&pending.id);
                    self.shared.aborts.strike(cell.name(), &pending.id).await;
                    self.shared.board.set(FaultSource::Rollout, cell.name(), None);
                    tracing::warn!(rollout = cell.name(), alert = %pending.id, "rollout aborted");
                }
                // No policy declares it any more, and the store has forgotten it.
                Err(StoreError::NotFound(_)) if !self.ensured.contains(cell.name()) => {
                    cell.confirm(&pending.id);
                    self.shared.aborts.strike(cell.name(), &pending.id).await;
                }
                Err(error) => {
                    if matches!(error, StoreError::NotFound(_)) {
                        self.ensured.remove(cell.name());
                    }
                    let message = format!("aborted here, which the store does not know yet: {}", chain(&error));
                    return self.shared.board.set(FaultSource::Rollout, cell.name(), Some(message));
                }
            }
        }
    }
}
