//! Plugins as a policy declares them: file, config, and what they are allowed to do and to use.

use std::time::Duration;

use serde_json::Value;
pub use sluice_model::plugin::{Grants, Limits};

/// One page of WebAssembly: less cannot run anything.
pub const MEMORY_BYTES_MIN: u64 = 64 << 10;
/// The address space of 32-bit WebAssembly.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// The tick of the deadline: shorter cannot be told apart.
pub const CPU_MIN: Duration = Duration::from_millis(1);
/// The longest that a call may hold its worker, whatever the policy says.
pub const CPU_MAX: Duration = Duration::from_secs(10);
/// Status of a request that a plugin with `on_failure = "closed"` failed, unless the policy says otherwise.
pub const CLOSED_STATUS_DEFAULT: u16 = 503;

/// One plugin: a file with a config. Two configs over one file are two plugins.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plugin {
    /// Unique name.
    pub name: String,
    /// File name inside the plugin folder.
    pub file: String,
    /// What `init` receives, an object.
    pub config: Value,
    /// What it may do.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
    /// What becomes of a request when it fails.
    pub on_failure: FailurePolicy,
}

/// What becomes of a request when a plugin traps, overruns or is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Answered with this status.
    Closed {
        /// 400 to 599.
        status: u16,
    },
    /// Goes on as if the plugin were not there.
    Open,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self::Closed { status: CLOSED_STATUS_DEFAULT }
    }
}
