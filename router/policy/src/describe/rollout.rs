//! A rollout as data.

use serde_json::{Map, Value, json};
use sluice_model::analysis::{Analysis, CounterCheck, LatencyCheck, NoData, OnFailure, SuccessRate};
use sluice_model::plan::{Gate, Plan, Step};
use sluice_model::slots::Share;

use super::{fields, span};
use crate::policy::{Policy, Rollout};

pub(super) fn describe(policy: &Policy, rollout: &Rollout) -> Value {
    let Rollout { name: _, key, stable, canary, variants, initial, overrides, plan } = rollout;
    let Plan { steps, analysis } = plan;
    let variants: Map<String, Value> =
        variants.iter().map(|(name, upstream)| (name.clone(), json!(policy.upstreams[*upstream].name))).collect();
    json!({
        "key": fields(key),
        "stable": stable,
        "canary": canary,
        "variants": variants,
        "initial": initial.as_percent(),
        "override": fields(overrides),
        "steps": steps.iter().map(|item| step(rollout, item)).collect::<Vec<_>>(),
        "analysis": analysis.as_ref().map(analysis_of),
    })
}

/// `canary 25 %, beta 5 %; pause 30m; deadline 2h`.
fn step(rollout: &Rollout, step: &Step) -> String {
    let Step { weights, pause_ms, gate, deadline_ms } = step;
    let name = |share: &Share| match share {
        Share::Stable => rollout.stable.clone(),
        Share::Canary => rollout.canary.clone(),
        Share::Other(name) => name.clone(),
    };
    let weights: Vec<String> =
        weights.iter().map(|(share, weight)| format!("{} {} %", name(share), weight.as_percent())).collect();
    let gate = match gate {
        Gate::Auto => None,
        Gate::Manual => Some("manual".to_owned()),
    };
    let deadline = deadline_ms.map(|ms| format!("deadline {}", span(ms)));
    let rest = [Some(format!("pause {}", span(*pause_ms))), gate, deadline].into_iter().flatten();
    [weights.join(", ")].into_iter().chain(rest).collect::<Vec<_>>().join("; ")
}

fn analysis_of(analysis: &Analysis) -> Value {
    let Analysis { interval_ms, min_samples, no_data, failures_max, on_failure, success_rate, latency, counters } =
        analysis;
    json!({
        "interval": span(*interval_ms),
        "min_samples": min_samples,
        "no_data": match no_data {
            NoData::Hold => "hold",
            NoData::Pass => "pass",
            NoData::Fail => "fail",
        },
        "failures_max": failures_max,
        "on_failure": match on_failure {
            OnFailure::Abort => "abort",
            OnFailure::Pause => "pause",
        },
        "success_rate": success_rate.as_ref().map(|check| {
            let SuccessRate { min_percent, below_stable_max } = check;
            json!({ "min": min_percent, "below_stable_max": below_stable_max })
        }),
        "latency": latency.iter().map(latency_of).collect::<Map<_, _>>(),
        "counters": counters.iter().map(counter_of).collect::<Map<_, _>>(),
    })
}

/// By quantile, so that a change names it.
fn latency_of(check: &LatencyCheck) -> (String, Value) {
    let LatencyCheck { quantile, max_micros, over_stable_max } = check;
    let max = max_micros.map(|micros| span(micros / 1_000));
    // To the decimals that can be written, which a division by a hundred blurs.
    let percent = (quantile * 10_000.0).round() / 100.0;
    (format!("p{percent}"), json!({ "max": max, "over_stable_max": over_stable_max }))
}

fn counter_of(check: &CounterCheck) -> (String, Value) {
    let CounterCheck { counter, per_request_max, over_stable_max } = check;
    (counter.clone(), json!({ "per_request_max": per_request_max, "over_stable_max": over_stable_max }))
}
