//! An alert rule as data.

use serde_json::{Value, json};
use sluice_model::alert_rule::{AlertRule, Condition};

use super::span;

pub(super) fn describe(rule: &AlertRule) -> Value {
    let AlertRule { name: _, condition, for_ms, keep_firing_ms, cooldown_ms, sinks, labels } = rule;
    // Nobody is something else than everybody.
    let sinks = sinks.as_ref().map_or_else(|| "all".to_owned(), |sinks| format!("[{}]", sinks.join(", ")));
    json!({
        "condition": condition.as_ref().map(|condition| {
            let Condition { metric, route, above, min_samples } = condition;
            json!({ "metric": metric.as_str(), "route": route, "above": above, "min_samples": min_samples })
        }),
        "for": span(*for_ms),
        "keep_firing": span(*keep_firing_ms),
        "cooldown": span(*cooldown_ms),
        "sinks": sinks,
        "labels": labels,
    })
}
