//! Which releases of an app run on this machine. Written by deploy, read by the agent, which holds their leases.
//!
//! Both change a lease only while they hold the lock of this file, so that a heartbeat never undoes a drain.

use serde::{Deserialize, Serialize};

/// The releases of one app on this machine: `/var/lib/sluice/releases/APP.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    /// Those that run, newest first.
    pub running: Vec<Running>,
    /// Commit of the release that was last found fit.
    pub current: Option<String>,
    /// Commit of the one before, for `rollback`.
    pub previous: Option<String>,
    /// The whole machine takes no new requests: it is about to leave.
    #[serde(default)]
    pub draining: bool,
}

/// One release that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Id of its lease: `DROPLET-APP-PORT`.
    pub lease: String,
    /// Source commit, 40 hex digits.
    pub commit: String,
    /// `host:port` that routers connect to.
    pub address: String,
    /// Its service.
    pub service: String,
    /// Where it stands.
    pub standing: Standing,
    /// When it was started, ms since the Unix epoch.
    pub started_ms: u64,
}

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Started, not found fit yet: no lease.
    Starting,
    /// Holds a lease.
    Serving,
    /// Holds a lease that says so: takes no new requests.
    Draining,
}
