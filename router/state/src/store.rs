//! What the control plane may ask of a store; the same contract for both.

use std::time::Duration;

use async_trait::async_trait;
use sluice_model::alert::Alert;
use sluice_model::lease::Server;
use sluice_model::rollout::{Command, Rollout};

use crate::error::StoreError;

/// Alerts that are kept; the oldest go first.
pub const ALERTS_MAX: usize = 10_000;
/// Rollouts that a store holds.
pub const ROLLOUTS_MAX: usize = 1_024;
/// Servers that hold a lease at a time.
pub const SERVERS_MAX: usize = 4_096;

/// The store, as the control plane writes to it.
///
/// Each write returns after its own events, and then an [`Event::Fence`](crate::Event::Fence), have gone through the
/// receiver and the fence was answered: this router acts on it already. So never await a write in the task that drains
/// the receiver. Dropping the future of a write may leave it done or undone.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Sets a switch.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn set_switch(&self, name: &str, value: bool, by: &str) -> Result<(), StoreError>;

    /// Flips a switch, atomically among all routers, and returns its new value. A missing one counts as off.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn flip_switch(&self, name: &str, by: &str) -> Result<bool, StoreError>;

    /// Creates the rollout if the store holds none of this name, and returns the one it then holds.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn ensure_rollout(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError>;

    /// Applies a command to a rollout and returns where it stands after that, also if nothing changed.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if its state does not allow it, [`StoreError::NotFound`] if there is none.
    async fn apply_rollout(&self, name: &str, command: &Command, by: &str, now_ms: u64) -> Result<Rollout, StoreError>;

    /// Takes or renews a lease. A renewal in which nothing changes that routing reads is told of a little later.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn put_server(&self, server: &Server) -> Result<(), StoreError>;

    /// Gives a lease back; none is fine too.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn delete_server(&self, id: &str) -> Result<(), StoreError>;

    /// Appends an alert, unless one of the same rule and fingerprint was appended within `cooldown`, by any router.
    /// True if it is new.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn append_alert(&self, alert: &Alert, cooldown: Duration) -> Result<bool, StoreError>;

    /// The newest alerts, newest first.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn alerts(&self, newest: usize) -> Result<Vec<Alert>, StoreError>;
}
