//! What control shows of a rollout, as `/v1/rollouts` serves it. Weights are percent.

use std::collections::BTreeMap;

use serde::Serialize;
use sluice_model::analysis::{Analysis, Judgement, NoData, OnFailure};
use sluice_model::plan::{Gate, Plan, Step};
use sluice_model::rollout::{Rollout as Stored, RolloutState};
use sluice_model::slots::Share;
use sluice_model::stats::VariantStats;
use sluice_policy::Rollout as Declared;
use sluice_snapshot::RolloutCell;

use super::standings::Standing;

/// A rollout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RolloutInfo {
    /// Its name.
    pub name: String,
    /// Where it stands. Aborted also while the store does not know yet.
    pub state: RolloutState,
    /// Percent of users that the canary has while it serves; kept over an abort.
    pub weight: f64,
    /// Percent that the canary has now.
    pub effective_weight: f64,
    /// Its variants, stable first, then the canary, then the others by name.
    pub variants: Vec<VariantInfo>,
    /// What is rolled out; may be empty.
    pub release: String,
    /// The step of its plan that it stands at; `None` = it follows none, or has gone through it.
    pub step: Option<StepInfo>,
    /// The steps of its policy.
    pub steps: Vec<PlannedStep>,
    /// What the canary is held to.
    pub analysis: Option<AnalysisInfo>,
    /// What it waits for, one line; `None` = it has no plan.
    pub waits_for: Option<String>,
    /// Since when, ms since the Unix epoch: its last change.
    pub waits_since_ms: Option<u64>,
    /// The newest judgements since its last change, oldest first.
    pub judgements: Vec<Judgement>,
    /// This router acts on them; `false` = another one of the fleet does.
    pub leads: bool,
    /// Fields in which a signed override counts; empty = none does.
    pub override_fields: Vec<String>,
    /// This router has the key that overrides are signed with.
    pub signs_overrides: bool,
    /// Separates the buckets of this release from those of another one.
    pub salt: String,
    /// Raised by each change.
    pub epoch: u64,
    /// The epoch at which it last began to serve.
    pub run: u64,
    /// Why it stands there.
    pub reason: String,
    /// Who made the last change.
    pub by: String,
    /// When, ms since the Unix epoch.
    pub changed_ms: u64,
    /// Aborts that count here already and are on their way to the store.
    pub pending_aborts: usize,
}

/// One variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VariantInfo {
    /// Its name.
    pub name: String,
    /// `stable`, `canary` or `other`.
    pub role: &'static str,
    /// The upstream that serves it.
    pub upstream: String,
    /// Percent of users that it has while the rollout serves.
    pub weight: f64,
    /// Percent that it has now.
    pub effective_weight: f64,
    /// What it did in the last minute, on all routers; `None` = not asked for, or the store does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<StatsInfo>,
}

/// Figures of one variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatsInfo {
    /// Requests.
    pub requests: u64,
    /// Of those, the failed ones.
    pub errors: u64,
    /// Percent that did not fail; `None` without requests.
    pub success_percent: Option<f64>,
    /// Upper bound of the bucket that the median lies in, microseconds.
    pub p50_micros: Option<u64>,
    /// The same of the 99th percentile.
    pub p99_micros: Option<u64>,
    /// Counters of plugins.
    pub counters: BTreeMap<String, u64>,
}

/// Where a rollout stands in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StepInfo {
    /// The step, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// When it began, ms since the Unix epoch.
    pub began_ms: u64,
}

/// One step of a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedStep {
    /// Percent by variant.
    pub weights: BTreeMap<String, f64>,
    /// How long it lasts at least, ms.
    pub pause_ms: u64,
    /// Whether it ends by itself.
    pub gate: Gate,
    /// How long it may last, ms.
    pub deadline_ms: Option<u64>,
}

/// How a canary is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AnalysisInfo {
    /// How often, ms.
    pub interval_ms: u64,
    /// Requests below which there is no data.
    pub min_samples: u64,
    /// What no data means.
    pub no_data: NoData,
    /// Failed judgements in a row that end it.
    pub failures_max: u32,
    /// What that end is.
    pub on_failure: OnFailure,
}

impl RolloutInfo {
    /// `None` before the store has said where it stands.
    pub(crate) fn of(
        declared: &Declared,
        upstreams: &[sluice_policy::Upstream],
        cell: &RolloutCell,
        standing: Option<Standing>,
        signs_overrides: bool,
    ) -> Option<Self> {
        let stored = cell.view()?;
        let (pending, is_aborted) = (cell.pending(), cell.is_aborted());
        let state = if is_aborted { RolloutState::Aborted } else { stored.state };
        // What is known of another epoch says nothing of this one.
        let standing = standing.filter(|standing| standing.epoch == stored.epoch && !is_aborted);
        Some(Self {
            name: declared.name.clone(),
            state,
            weight: stored.weight_bps.as_percent(),
            effective_weight: if is_aborted { 0.0 } else { stored.effective_weight().as_percent() },
            variants: variants(declared, upstreams, &stored, state),
            release: stored.release.clone(),
            step: stored.position.map(|position| StepInfo {
                number: usize::from(position.step) + 1,
                of: declared.plan.steps.len(),
                began_ms: position.began_ms,
            }),
            steps: declared.plan.steps.iter().map(|step| planned(step, declared)).collect(),
            analysis: analysis(&declared.plan),
            waits_since_ms: standing.as_ref().map(|_| stored.changed_ms),
            leads: standing.as_ref().is_some_and(|standing| standing.leads),
            waits_for: standing.as_ref().map(|standing| standing.waits_for.clone()),
            judgements: standing.map(|standing| standing.judgements).unwrap_or_default(),
            override_fields: declared.overrides.iter().map(ToString::to_string).collect(),
            signs_overrides,
            salt: stored.salt.clone(),
            epoch: stored.epoch,
            run: stored.run,
            reason: pending.last().map_or_else(|| stored.reason.clone(), |abort| abort.reason.clone()),
            by: stored.by.clone(),
            changed_ms: stored.changed_ms,
            pending_aborts: pending.len(),
        })
    }

    /// With what the variants did.
    pub(crate) fn with_stats(mut self, figures: &BTreeMap<String, VariantStats>) -> Self {
        for variant in &mut self.variants {
            variant.stats = Some(StatsInfo::of(&figures.get(&variant.name).cloned().unwrap_or_default()));
        }
        self
    }
}

impl StatsInfo {
    fn of(figures: &VariantStats) -> Self {
        Self {
            requests: figures.requests,
            errors: figures.errors,
            success_percent: figures.success_percent(),
            p50_micros: figures.latency_micros(0.5),
            p99_micros: figures.latency_micros(0.99),
            counters: figures.counters.clone(),
        }
    }
}

fn variants(
    declared: &Declared,
    upstreams: &[sluice_policy::Upstream],
    stored: &Stored,
    state: RolloutState,
) -> Vec<VariantInfo> {
    let describe = |(name, upstream): &(String, usize)| {
        let (share, role) = match name {
            name if *name == declared.stable => (Share::Stable, "stable"),
            name if *name == declared.canary => (Share::Canary, "canary"),
            name => (Share::Other(name.clone()), "other"),
        };
        let weight = stored.slots.weight(&share).as_percent();
        let all_to = |wanted: &Share| if share == *wanted { 100.0 } else { 0.0 };
        VariantInfo {
            name: name.clone(),
            role,
            upstream: upstreams.get(*upstream).map(|upstream| upstream.name.clone()).unwrap_or_default(),
            weight,
            effective_weight: match state {
                RolloutState::Off | RolloutState::Aborted => all_to(&Share::Stable),
                RolloutState::Running | RolloutState::Paused => weight,
                RolloutState::Promoted => all_to(&Share::Canary),
            },
            stats: None,
        }
    };
    let mut variants: Vec<VariantInfo> = declared.variants.iter().map(describe).collect();
    let rank = |variant: &VariantInfo| ["stable", "canary"].iter().position(|role| *role == variant.role).unwrap_or(2);
    variants.sort_by_key(rank);
    variants
}

fn planned(step: &Step, declared: &Declared) -> PlannedStep {
    let name = |share: &Share| match share {
        Share::Stable => declared.stable.clone(),
        Share::Canary => declared.canary.clone(),
        Share::Other(name) => name.clone(),
    };
    PlannedStep {
        weights: step.weights.iter().map(|(share, weight)| (name(share), weight.as_percent())).collect(),
        pause_ms: step.pause_ms,
        gate: step.gate,
        deadline_ms: step.deadline_ms,
    }
}

fn analysis(plan: &Plan) -> Option<AnalysisInfo> {
    let Analysis { interval_ms, min_samples, no_data, failures_max, on_failure, .. } = *plan.analysis.as_ref()?;
    Some(AnalysisInfo { interval_ms, min_samples, no_data, failures_max, on_failure })
}
