//! What control shows of itself, as `/v1/status` and `/v1/plugins` serve it.

use std::collections::BTreeMap;

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

/// A plugin, or a file in the plugin folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// Name in the policy; for a file that no policy names, the name in its manifest, or else that of the file.
    pub name: String,
    /// File name in the plugin folder.
    pub file: String,
    /// Where it stands.
    pub state: PluginState,
    /// SHA-256 of the file that serves (active) or would (unused), hex.
    pub digest: Option<String>,
    /// Version in its manifest.
    pub version: Option<String>,
    /// How often this name was loaded since the start; 0 = never.
    pub generation: u64,
    /// Phases it takes part in.
    pub phases: Vec<&'static str>,
    /// Linear memory of one fresh instance, bytes.
    pub memory_bytes: usize,
    /// Calls by phase.
    pub calls: BTreeMap<&'static str, u64>,
    /// Failed calls by cause.
    pub failures: BTreeMap<&'static str, u64>,
    /// Counters that it keeps itself.
    pub counters: BTreeMap<String, u64>,
    /// Why the file in the folder is refused. An active plugin with a fault serves its last good file.
    pub fault: Option<String>,
}

/// Where a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// Serves.
    Active,
    /// Does not serve, and could not.
    Refused,
    /// Could serve, but no policy names its file.
    Unused,
}

impl PluginInfo {
    /// A plugin of which nothing is known but its names.
    pub(crate) fn named(name: impl Into<String>, file: impl Into<String>, state: PluginState) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            state,
            digest: None,
            version: None,
            generation: 0,
            phases: Vec::new(),
            memory_bytes: 0,
            calls: BTreeMap::new(),
            failures: BTreeMap::new(),
            counters: BTreeMap::new(),
            fault: None,
        }
    }
}
