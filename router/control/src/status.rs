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
    /// Why not.
    pub error: Option<String>,
}

/// Inputs that were tried since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloads {
    /// Published.
    pub ok: u64,
    /// Refused; the last good revision stayed.
    pub refused: u64,
}
