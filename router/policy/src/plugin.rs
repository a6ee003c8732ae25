//! Plugins as a policy declares them: file, config, and what they are allowed to do and to use.

use std::time::Duration;

use serde_json::Value;
pub use sluice_model::plugin::{Grants, Limits};
use sluice_model::weight::BasisPoints;

/// One page of WebAssembly: less cannot run anything.
pub const MEMORY_BYTES_MIN: u64 = 64 << 10;
/// The address space of 32-bit WebAssembly.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// The tick of the deadline: shorter cannot be told apart.
pub const CPU_MIN: Duration = Duration::from_millis(1);
/// The longest that a call may hold its worker, whatever the policy says.
pub const CPU_MAX: Duration = Duration::from_secs(10);
/// Most bytes of one request body that a plugin may be shown: as many as a body may have on any route.
pub const BODY_BYTES_MAX: u64 = 1 << 40;
/// Most log lines of one instance per second that may be asked for: beyond it the log is the load.
pub const LOG_LINES_PER_SECOND_MAX: u32 = 1_000;
/// Most alerts of one instance per minute that may be asked for: ten a second is no alert any more.
pub const ALERTS_PER_MINUTE_MAX: u32 = 600;
/// Status of a request that a plugin with `on_failure = "closed"` failed, unless the policy says otherwise.
pub const CLOSED_STATUS_DEFAULT: u16 = 503;
/// Failed calls in a row that quarantine a plugin, unless the policy says otherwise.
pub const BREAKER_FAILURES_DEFAULT: u32 = 5;
/// Most failed calls in a row that a breaker may ask for.
pub const BREAKER_FAILURES_MAX: u32 = 1_000_000;
/// The shortest quarantine that may be asked for: about what a replaced instance costs, many times over.
pub const QUARANTINE_MIN: Duration = Duration::from_millis(10);
/// The longest quarantine that may be asked for: a plugin that is well again is found within it.
pub const QUARANTINE_MAX: Duration = Duration::from_hours(1);
/// How long the first quarantine lasts, unless the policy says otherwise.
pub const QUARANTINE_MIN_DEFAULT: Duration = Duration::from_secs(1);
/// How long one lasts at most, unless the policy says otherwise; each failed probe doubles it.
pub const QUARANTINE_MAX_DEFAULT: Duration = Duration::from_mins(1);
/// How long a new digest is watched after it took over, unless the policy says otherwise.
pub const WATCH_DEFAULT: Duration = Duration::from_mins(1);
/// The shortest trial, or watch, that may be asked for: some rounds of the task that judges it.
pub const OBSERVATION_MIN: Duration = Duration::from_millis(100);
/// The longest one: a week.
pub const OBSERVATION_MAX: Duration = Duration::from_hours(7 * 24);
/// The smallest 99th percentile of a call that may be demanded: the unit of durations.
pub const CALL_P99_MIN: Duration = Duration::from_millis(1);
/// The largest: a call is cut off long before.
pub const CALL_P99_MAX: Duration = Duration::from_mins(1);
/// Most calls that a budget may wait for before it judges.
pub const BUDGET_CALLS_MIN_MAX: u32 = 1_000_000;
/// How long a trial lasts, unless the policy says otherwise.
pub const TRIAL_DEFAULT: Duration = Duration::from_mins(5);
/// Share of requests of a trial, unless the policy says otherwise: 10 %.
pub const TRIAL_SHARE_DEFAULT: BasisPoints = BasisPoints::whole_percent(10);

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
    pub on_failure: OnFailure,
    /// When it is quarantined; `None` = never.
    pub breaker: Option<PluginBreaker>,
    /// How a new digest of its file takes over.
    pub release: Release,
}

impl Plugin {
    /// A plugin without configuration and rights, and with every other setting at its default.
    #[must_use]
    pub fn new(name: String, file: String) -> Self {
        Self {
            name,
            file,
            config: Value::Object(serde_json::Map::new()),
            grants: Grants::default(),
            limits: Limits::default(),
            on_failure: OnFailure::default(),
            breaker: Some(PluginBreaker::default()),
            release: Release::default(),
        }
    }
}

/// What becomes of a request when a plugin fails, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnFailure {
    /// It trapped or answered nonsense, or is quarantined, or has no instance.
    pub trap: FailurePolicy,
    /// It spent its CPU time.
    pub deadline: FailurePolicy,
    /// It asked for more memory than it may have.
    pub memory: FailurePolicy,
    /// Its file cannot be loaded.
    pub load: LoadFailure,
}

/// What becomes of a request when a plugin fails.
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

/// What becomes of a policy whose plugin cannot be loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadFailure {
    /// The last good digest of the plugin serves; where there is none, the policy is refused.
    #[default]
    LastGood,
    /// It is published without the plugin: requests that it would see are treated so.
    Without(FailurePolicy),
}

/// When a plugin is quarantined: not called, its requests treated as if it had trapped, until a probe succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginBreaker {
    /// Failed calls in a row, over all workers.
    pub failures: u32,
    /// How long the first quarantine lasts.
    pub open_min: Duration,
    /// How long one lasts at most; each failed probe doubles it.
    pub open_max: Duration,
}

/// How a new digest of a plugin's file takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// What it has to stand first; `None` = it takes over at once.
    pub trial: Option<TrialSpec>,
    /// How long it is watched after it took over; over budget, the digest before comes back. `None` = not at all.
    pub watch: Option<Duration>,
    /// What counts as too much, in the trial and in the watch.
    pub budget: Budget,
}

/// A new digest beside the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialSpec {
    /// What the new one does.
    pub mode: TrialMode,
    /// Share of the requests that it sees.
    pub share: BasisPoints,
    /// How long.
    pub duration: Duration,
    /// Whether it takes over by itself at the end of a trial within budget; else an operator says so.
    pub is_automatic: bool,
}

/// What a new digest does in its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialMode {
    /// It serves its share in place of the old one.
    Canary,
    /// Both run, and their verdicts are compared; only those of the old one count.
    Shadow,
}

/// What a new digest may cost before it is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls before anything is judged by share.
    pub calls_min: u32,
    /// Share of its calls that may fail.
    pub failures: BasisPoints,
    /// By how much the share of 5xx among its requests may exceed that of the digest before.
    pub errors: BasisPoints,
    /// 99th percentile of its time per call, wall clock.
    pub call_p99: Duration,
    /// Shadow: share of requests on which the verdicts may differ; `None` = differences are only shown.
    pub differences: Option<BasisPoints>,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self::Closed { status: CLOSED_STATUS_DEFAULT }
    }
}

impl Default for PluginBreaker {
    fn default() -> Self {
        Self { failures: BREAKER_FAILURES_DEFAULT, open_min: QUARANTINE_MIN_DEFAULT, open_max: QUARANTINE_MAX_DEFAULT }
    }
}

impl Default for Release {
    fn default() -> Self {
        Self { trial: None, watch: Some(WATCH_DEFAULT), budget: Budget::default() }
    }
}

impl Default for Budget {
    /// A plugin that works fails none of its calls; the budget leaves room for chance. The time is twice the CPU time
    /// that a call has by default: only a machine out of CPU comes near it.
    fn default() -> Self {
        Self {
            calls_min: 20,
            failures: BasisPoints::whole_percent(5),
            errors: BasisPoints::whole_percent(5),
            call_p99: Duration::from_millis(10),
            differences: None,
        }
    }
}
