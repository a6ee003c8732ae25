//! Plugins as a policy declares them: file, config, and what they are allowed to do and to use.

use std::time::Duration;

use serde_json::Value;

/// Memory of one instance, unless the policy says otherwise.
pub const MEMORY_BYTES_DEFAULT: u64 = 16 << 20;
/// One page of WebAssembly: less cannot run anything.
pub const MEMORY_BYTES_MIN: u64 = 64 << 10;
/// The address space of 32-bit WebAssembly.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// CPU time of one call in the request path, unless the policy says otherwise.
pub const CALL_CPU_DEFAULT: Duration = Duration::from_millis(5);
/// CPU time of one `on-state`, unless the policy says otherwise.
pub const STATE_CPU_DEFAULT: Duration = Duration::from_millis(50);
/// CPU time of `init`, unless the policy says otherwise.
pub const INIT_CPU_DEFAULT: Duration = Duration::from_millis(500);
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

/// What a plugin may do; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grants {
    /// State keys it may read, or patterns such as `flag:*`.
    pub state: Vec<String>,
    /// Raise alerts.
    pub alerts: bool,
    /// Abort a rollout.
    pub abort: bool,
    /// Add to counters.
    pub counters: bool,
    /// Tag requests.
    pub tags: bool,
}

/// What a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory_bytes_max: u64,
    /// CPU time of one call in the request path.
    pub call_cpu_max: Duration,
    /// CPU time of one `on-state`.
    pub state_cpu_max: Duration,
    /// CPU time of `init`.
    pub init_cpu_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            call_cpu_max: CALL_CPU_DEFAULT,
            state_cpu_max: STATE_CPU_DEFAULT,
            init_cpu_max: INIT_CPU_DEFAULT,
        }
    }
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
