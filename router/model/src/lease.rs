//! Leases: how a server says that it lives. A lease that is not renewed ends by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a lease lives without a heartbeat.
pub const LEASE_TTL: Duration = Duration::from_secs(15);
/// How often a server renews its lease: three tries within one lease.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// Longest server id, in bytes.
pub const SERVER_ID_BYTES_MAX: usize = 128;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Unique among all servers of the fleet; stable over the server's life.
    pub id: String,
    /// `host:port` that routers connect to.
    pub addr: String,
    /// Application, e.g. `meow`.
    pub app: String,
    /// Variant it runs, e.g. `stable`.
    pub variant: String,
    /// Roles of its machine, e.g. `app`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Release it runs.
    #[serde(default)]
    pub release: String,
    /// CPU in use, percent of one machine.
    #[serde(default)]
    pub cpu: Option<f32>,
    /// Memory in use, percent of one machine.
    #[serde(default)]
    pub mem: Option<f32>,
    /// Takes no new requests.
    #[serde(default)]
    pub draining: bool,
    /// When it started, ms since the Unix epoch.
    #[serde(default)]
    pub started_ms: u64,
}

impl Server {
    /// True if both differ in their load at most (cpu, memory), which every heartbeat changes.
    #[must_use]
    pub fn is_same_but_for_load(&self, other: &Self) -> bool {
        let without_load = |server: &Self| Self { cpu: None, mem: None, ..server.clone() };
        without_load(self) == without_load(other)
    }
}

/// A server with the end of its lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The server.
    pub server: Server,
    /// When the lease ends if it is not renewed, ms since the Unix epoch.
    pub ends_ms: u64,
}

impl Lease {
    /// True while the lease holds at `now_ms`.
    #[must_use]
    pub const fn holds(&self, now_ms: u64) -> bool {
        now_ms < self.ends_ms
    }
}
