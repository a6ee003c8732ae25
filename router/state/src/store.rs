//! What the control plane may ask of a store; the same contract for both.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sluice_model::alert::{Alert, AlertId, DeadLetter, Firing};
use sluice_model::audit::{AuditEntry, Author};
use sluice_model::lease::Server;
use sluice_model::rollout::{Command, Rollout};
use sluice_model::silence::Silence;
use sluice_model::stats::VariantStats;

use crate::error::StoreError;
use crate::event::FlagDocument;

/// Alerts that are kept; the oldest go first.
pub const ALERTS_MAX: usize = 10_000;
/// Rollouts that a store holds.
pub const ROLLOUTS_MAX: usize = 1_024;
/// Servers that hold a lease at a time.
pub const SERVERS_MAX: usize = 4_096;
/// Sets of flag definitions that a store holds.
pub const FLAG_SETS_MAX: usize = 64;
/// Largest document of flag definitions, in bytes: one big value delays the pushes behind it.
pub const FLAG_DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Switches that are followed at a time.
pub const SWITCHES_MAX: usize = 1_024;
/// Entries of the audit log that are kept.
pub const AUDIT_ENTRIES_MAX: usize = 10_000;
/// Dead letters that are kept; the oldest go first.
pub const DEAD_LETTERS_MAX: usize = 1_000;
/// Alerts that are known to be up at a time; one too many is raised, and never resolved.
pub const FIRING_MAX: usize = 1_024;
/// Deliveries that are handed out in one call.
pub const DELIVERIES_AT_ONCE_MAX: usize = 256;
/// How long it is known which operation carries out an alert. What asks later is another alert.
pub const SCALE_OPERATION_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is known that a sink took a notice.
pub const SENT_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A delivery that its consumer has not finished for this long belongs to whoever asks.
pub const DELIVERY_IDLE_MAX: Duration = Duration::from_secs(30);

/// One alert that someone is to act on: tell the sinks of, or add a droplet for. It comes again, here or elsewhere, until it is finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Place in the stream: what [`Store::finish_delivery`] is told.
    pub entry: String,
    /// What to act on.
    pub alert: Alert,
    /// How often it was handed out, this time included.
    pub times: u64,
}

/// Who follows alerts. Each group is handed every alert, and within a group one consumer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Routers that tell sinks. It begins with all alerts that are there.
    Notify,
    /// Who adds droplets. It begins when it first asks: nobody buys droplets for the alerts of last week.
    Scale,
}

/// Leads a job of the fleet. What it writes is refused once another one leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The job.
    pub job: String,
    /// Fencing token: higher for each new leader.
    pub token: u64,
}

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
    async fn set_switch(&self, name: &str, value: bool, author: Author<'_>) -> Result<(), StoreError>;

    /// Flips a switch, atomically among all routers, and returns its new value. A missing one counts as off.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn flip_switch(&self, name: &str, author: Author<'_>) -> Result<bool, StoreError>;

    /// Creates the rollout if the store holds none of this name, and returns the one it then holds.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn ensure_rollout(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError>;

    /// Applies a command to a rollout and returns where it stands after that, also if nothing changed. With `leader`, only
    /// while that one leads.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if its state does not allow it, [`StoreError::NotFound`] if there is none,
    /// [`StoreError::Fenced`] if another one leads.
    async fn apply_rollout(
        &self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
        leader: Option<&Leadership>,
    ) -> Result<Rollout, StoreError>;

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

    /// Follows these switches from now on, and no others; events tell of the new ones before this returns.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a name that is none, [`StoreError::Full`] above [`SWITCHES_MAX`].
    async fn watch_switches(&self, names: &[String]) -> Result<(), StoreError>;

    /// Writes a set of flag definitions, whole, and returns its version. With `expected`, only if that is its version now
    /// (0 = there is no such set). Whether the text makes sense is the caller's matter.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]; [`StoreError::Invalid`] for a name that is none or a text above
    /// [`FLAG_DOCUMENT_BYTES_MAX`]; [`StoreError::Full`] above [`FLAG_SETS_MAX`].
    async fn put_flags(
        &self,
        set: &str,
        text: &str,
        expected: Option<u64>,
        author: Author<'_>,
    ) -> Result<u64, StoreError>;

    /// Removes a set; false if there was none.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn delete_flags(&self, set: &str, author: Author<'_>) -> Result<bool, StoreError>;

    /// A set as the store has it now.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn flags(&self, set: &str) -> Result<Option<FlagDocument>, StoreError>;

    /// The newest entries of the audit log, newest first; with `key`, those about it.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn audit(&self, key: Option<&str>, newest: usize) -> Result<Vec<AuditEntry>, StoreError>;

    /// Adds to the figures of a rollout's variants, in the window of [`sluice_model::stats::WINDOW_MS`] that `at_ms` is
    /// in. May be lost in a crash. No fence: nothing waits for it.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn add_stats(
        &self,
        rollout: &str,
        at_ms: u64,
        variants: &BTreeMap<String, VariantStats>,
    ) -> Result<(), StoreError>;

    /// The figures of a rollout's variants, of all routers, in the windows that begin in `from_ms..to_ms`.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn stats(
        &self,
        rollout: &str,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<BTreeMap<String, VariantStats>, StoreError>;

    /// Leads a job, or goes on leading it, for `ttl` from now; `None` = another one does. The caller stops acting at two
    /// thirds of `ttl` without a renewal. No fence.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn lead(&self, job: &str, holder: &str, ttl: Duration) -> Result<Option<Leadership>, StoreError>;

    /// Leads a job no more, if `holder` did.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn resign(&self, job: &str, holder: &str) -> Result<(), StoreError>;

    /// What this alert is about was seen at `alert.at_ms` and stays up for `keep` after that. Raises the alert (see
    /// [`Self::append_alert`]) if it is not up yet; true if that was done. One that is raised while [`FIRING_MAX`] are up
    /// is not known to be up.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn keep_firing(&self, alert: &Alert, keep: Duration, cooldown: Duration) -> Result<bool, StoreError>;

    /// Alerts that are up, oldest first.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn firing(&self) -> Result<Vec<Firing>, StoreError>;

    /// Resolves what was not seen for as long as it is kept, and appends a resolved alert for each: one of the fleet does.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn resolve_alerts(&self, now_ms: u64) -> Result<Vec<Alert>, StoreError>;

    /// The next alerts of a group: new ones, and those that their consumer has left for [`DELIVERY_IDLE_MAX`]. Waits
    /// at most `wait` for one. Each goes to one `consumer` of the group; at most [`DELIVERIES_AT_ONCE_MAX`] at a time.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn take_deliveries(
        &self,
        group: Group,
        consumer: &str,
        count_max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// The consumer still works on it: it is not handed to others for another [`DELIVERY_IDLE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if it is finished, or another consumer's by now.
    async fn hold_delivery(&self, group: Group, consumer: &str, entry: &str) -> Result<(), StoreError>;

    /// All sinks have it, or it is buried; or what it asks for is done.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn finish_delivery(&self, group: Group, entry: &str) -> Result<(), StoreError>;

    /// The operation that carries out this alert: `operation`, if it is the first, else the one that was; kept for
    /// [`SCALE_OPERATION_KEPT`]. So an alert adds its droplet once, whoever leads when it is added.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another one leads, [`StoreError::Invalid`] for an operation that is no name.
    async fn claim_scale_operation(
        &self,
        alert: &AlertId,
        operation: &str,
        leader: &Leadership,
    ) -> Result<String, StoreError>;

    /// `sink` took the notice of this alert; kept for [`SENT_KEPT`].
    ///
    /// # Errors
    /// [`StoreError`]
    async fn mark_sent(&self, alert: &AlertId, sink: &str) -> Result<(), StoreError>;

    /// True if `sink` took it.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn was_sent(&self, alert: &AlertId, sink: &str) -> Result<bool, StoreError>;

    /// Gives a notice up: `letter.entry` is ignored and set by the store.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn bury(&self, letter: &DeadLetter) -> Result<(), StoreError>;

    /// Dead letters, newest first.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn dead_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// Puts the alert of a dead letter back among the deliveries (those who have it are not told again); false if there is
    /// no such letter.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn replay(&self, entry: &str, author: Author<'_>) -> Result<bool, StoreError>;

    /// Makes or replaces a silence.
    ///
    /// # Errors
    /// [`StoreError::Full`] above [`sluice_model::silence::SILENCES_MAX`].
    async fn put_silence(&self, silence: &Silence) -> Result<(), StoreError>;

    /// Ends a silence; false if there is none.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn delete_silence(&self, id: &str, author: Author<'_>) -> Result<bool, StoreError>;
}
