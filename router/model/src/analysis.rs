//! Analysis: is the canary good enough, by what the routers counted. Pure: figures in, judgement with its reasons out
//! (`judge`).

use serde::{Deserialize, Serialize};

mod judge;

#[cfg(test)]
mod tests;

/// Most failed judgements in a row that can be asked for; whoever keeps this many newest ones keeps enough.
pub const FAILURES_MAX: u32 = 100;
/// Most checks of one kind.
pub const CHECKS_MAX: usize = 16;

/// What a canary is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// How often it is judged, and over the figures of how long, ms.
    pub interval_ms: u64,
    /// Requests in an interval below which there is no data: of the canary, and of stable where it is compared with.
    pub min_samples: u64,
    /// What no data means.
    pub no_data: NoData,
    /// Failed judgements in a row that end the rollout.
    pub failures_max: u32,
    /// What that end is.
    pub on_failure: OnFailure,
    /// Share of requests that do not fail.
    pub success_rate: Option<SuccessRate>,
    /// Quantiles of the latency.
    pub latency: Vec<LatencyCheck>,
    /// Counters of plugins.
    pub counters: Vec<CounterCheck>,
}

/// What an interval with too few requests means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// The step waits until there is data.
    Hold,
    /// As if it were good.
    Pass,
    /// As if it were bad.
    Fail,
}

/// What becomes of a rollout whose canary is not good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Nothing goes to the canary until an operator resumes.
    Abort,
    /// The weight stays, an operator decides.
    Pause,
}

/// Bounds on the share of requests that do not fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRate {
    /// At least this many percent.
    pub min_percent: Option<f64>,
    /// At most this many percentage points below stable.
    pub below_stable_max: Option<f64>,
}

/// Bounds on a quantile of the latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyCheck {
    /// 0.5, 0.9, 0.99, ...
    pub quantile: f64,
    /// At most this long, microseconds.
    pub max_micros: Option<u64>,
    /// At most this many times stable's.
    pub over_stable_max: Option<f64>,
}

/// Bounds on a counter of a plugin, per request.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterCheck {
    /// `PLUGIN/COUNTER`.
    pub counter: String,
    /// At most this many per request.
    pub per_request_max: Option<f64>,
    /// At most this many times stable's.
    pub over_stable_max: Option<f64>,
}

/// What became of one check, or of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Within its bounds.
    Pass,
    /// Outside.
    Fail,
    /// Too few requests to say.
    NoData,
}

/// One check, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// What was looked at, e.g. `success rate`, `p99 latency`, `upload-alert/oversize per request`.
    pub check: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What the canary had, for people: `98.2 %`.
    pub canary: String,
    /// What stable had, where it was compared with.
    pub stable: Option<String>,
    /// The bound, for people: `at least 99 %`.
    pub bound: String,
}

/// All checks of one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// [`Outcome::Fail`] if a check failed, else [`Outcome::NoData`] if one had none, else [`Outcome::Pass`].
    pub outcome: Outcome,
    /// Requests of the canary.
    pub samples: u64,
    /// Each check.
    pub checks: Vec<Checked>,
    /// One line for people.
    pub summary: String,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
}
