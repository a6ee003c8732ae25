//! The evaluator as its users see it: text in, evaluations out.

mod bounds;
mod definitions;
mod evaluations;
mod explanations;
mod fractional;
mod official;
mod robustness;

use serde_json::{Map, Value, json};
use sluice_flagd::{Context, Evaluation, FlagSet};

/// Noon of an ordinary day.
const NOON: u64 = 1_700_000_000;

/// A set with one flag `f` whose variants are named after their values.
fn with_rule(rule: &Value) -> FlagSet {
    let variants = ["true", "false", "a", "b", "1", "2"].map(|name| (name.to_owned(), name.into()));
    let variants = Value::Object(variants.into_iter().collect());
    let flag = json!({"state": "ENABLED", "variants": variants, "defaultVariant": "b", "targeting": rule});
    FlagSet::compile(&json!({"flags": {"f": flag}}).to_string()).expect("the definition is one")
}

/// `NAME/REASON`, or the error's code.
fn shown(evaluation: &Evaluation<'_>) -> String {
    match &evaluation.error {
        Some(error) => error.code.to_string(),
        None => format!("{}/{}", evaluation.variant.unwrap_or("-"), evaluation.reason),
    }
}

/// What `rule` makes of the flag `f` for `attributes`.
fn outcome(rule: &Value, attributes: &Value) -> String {
    let empty = Map::new();
    let attributes = attributes.as_object().unwrap_or(&empty);
    let targeting_key = attributes.get("targetingKey").and_then(Value::as_str);
    let context = Context { targeting_key, timestamp_seconds: NOON, attributes };
    shown(&with_rule(rule).evaluate("f", &context))
}
