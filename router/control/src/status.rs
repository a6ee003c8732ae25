//! What control shows of itself, as `/v1/status` serves it.

use serde::Serialize;

use crate::fault::Fault;
use crate::history::Pinned;

/// How the router is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `ok`, or `degraded` while any fault stands. Traffic is served either way.
    pub state: Health,
    /// Revision of the snapshot that serves.
    pub revision: u64,
    /// When it was published, ms since the Unix epoch; 0 = never.
    pub published_ms: u64,
    /// The process.
    pub router: Router,
    /// What is wrong now.
    pub faults: Vec<Fault>,
    /// The store.
    pub store: StoreStatus,
    /// Inputs that were tried.
    pub reloads: Reloads,
    /// Alerts dropped because too many waited for the store.
    pub alerts_dropped: u64,
    /// The revision that serves in place of the files; `None` = the files serve, or their last good revision.
    pub pinned: Option<Pinned>,
}

/// One word about the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No fault stands.
    Ok,
    /// Some input is at fault; the last good one counts.
    Degraded,
}

/// The process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Router {
    /// Version of this build.
    pub version: &'static str,
    /// When it started, ms since the Unix epoch.
    pub started_ms: u64,
    /// Workers of the data plane.
    pub workers: usize,
}

/// The store as this router sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// `embedded` or `redis`.
    pub kind: &'static str,
    /// Whether it answers.
    pub connected: bool,
    /// Since when, ms since the Unix epoch.
    pub since_ms: u64,
    /// When what serves was last known to be what the store holds, ms since the Unix epoch; `None` = never.
    pub confirmed_ms: Option<u64>,
    /// How old the state that serves may be: 0 while the store answers.
    pub age_ms: u64,
    /// Why not.
    pub error: Option<String>,
}

impl StoreStatus {
    /// A store that has said nothing yet.
    pub(crate) const fn new(kind: &'static str, now_ms: u64) -> Self {
        Self { kind, connected: true, since_ms: now_ms, confirmed_ms: None, age_ms: 0, error: None }
    }

    /// As it is at this moment. A state that was never confirmed is as old as the outage.
    pub(crate) fn at(mut self, now_ms: u64) -> Self {
        let confirmed_ms = self.confirmed_ms.unwrap_or(self.since_ms);
        self.age_ms = if self.connected { 0 } else { now_ms.saturating_sub(confirmed_ms) };
        self
    }
}

/// Inputs that were tried since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloads {
    /// Published.
    pub ok: u64,
    /// Refused; the last good revision stayed.
    pub refused: u64,
}
