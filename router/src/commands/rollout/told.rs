//! What a router tells of its rollouts, as far as the commands show it. What an older or a newer router does not tell is left
//! out.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One rollout (`/v1/rollouts`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) weight: f64,
    pub(super) effective_weight: f64,
    pub(super) variants: Vec<Variant>,
    pub(super) release: String,
    pub(super) step: Option<Step>,
    pub(super) steps: Vec<PlannedStep>,
    pub(super) analysis: Option<Analysis>,
    pub(super) waits_for: Option<String>,
    pub(super) judgements: Vec<Judgement>,
    pub(super) leads: bool,
    pub(super) override_fields: Vec<String>,
    pub(super) signs_overrides: bool,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) changed_ms: u64,
    pub(super) pending_aborts: usize,
}

/// One variant.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) upstream: String,
    pub(super) effective_weight: f64,
    pub(super) stats: Option<Stats>,
}

/// What it did in the last minute.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) success_percent: Option<f64>,
    pub(super) p50_micros: Option<u64>,
    pub(super) p99_micros: Option<u64>,
}

/// Where it stands in its plan.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub(super) number: usize,
    pub(super) of: usize,
    pub(super) began_ms: u64,
}

/// One step of its plan.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PlannedStep {
    pub(super) weights: BTreeMap<String, f64>,
    pub(super) pause_ms: u64,
    pub(super) gate: String,
    pub(super) deadline_ms: Option<u64>,
}

/// How its canary is judged.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Analysis {
    pub(super) interval_ms: u64,
    pub(super) min_samples: u64,
    pub(super) no_data: String,
    pub(super) failures_max: u32,
    pub(super) on_failure: String,
}

/// All checks of one interval.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Judgement {
    pub(super) outcome: String,
    pub(super) checks: Vec<Check>,
    pub(super) summary: String,
    pub(super) at_ms: u64,
}

/// One check.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    pub(super) check: String,
    pub(super) outcome: String,
    pub(super) canary: String,
    pub(super) stable: Option<String>,
    pub(super) bound: String,
}

/// One change (`/v1/rollouts/NAME/history`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) at_ms: u64,
    pub(super) by: String,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) reason: String,
}

/// A token (`/v1/rollouts/NAME/override`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Signed {
    pub(super) token: String,
    pub(super) expires_s: u64,
    pub(super) usage: Vec<String>,
}

/// A weight with as many decimals as it has: `5 %`, `0.25 %`.
pub(super) fn percent(weight: f64) -> String {
    format!("{} %", (weight * 100.0).round() / 100.0)
}
