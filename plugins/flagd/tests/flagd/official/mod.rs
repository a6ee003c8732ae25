//! Differential tests: the same documents and contexts for us and for the official engines, which are asked as oracles.
//!
//! npm's engine splits by version 2 of `fractional`, PyPI's by version 3. `cargo xtask test` sets both up, and leaves these
//! tests out where it cannot. What the engines disagree about, and whom we follow, stands in `docs/flag-definitions.md`.

mod anything;
mod documents;
mod oracle;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sluice_flagd::{Context, FlagSet};

use documents::Asked;
use oracle::{Answers, Oracle};

/// Documents of each kind. 30,000 of each were compared when this was written.
const DOCUMENTS: usize = 2_000;

/// The same documents in each run.
fn generate(strategy: impl Strategy<Value = Asked>) -> Vec<Asked> {
    let mut runner = TestRunner::deterministic();
    (0..DOCUMENTS).map(|_| strategy.new_tree(&mut runner).expect("nothing is filtered").current()).collect()
}

/// What we say, in the form of the oracles.
fn ours(asked: &Asked) -> Value {
    let Ok(set) = FlagSet::compile(&asked.document()) else { return json!("refused") };
    let outcome = |context: &Value| {
        let attributes = context.as_object().expect("a context is an object");
        let targeting_key = attributes.get("targetingKey").and_then(Value::as_str);
        // The oracles take the time from the clock; no generated rule depends on more than the decade.
        let context = Context { targeting_key, timestamp_seconds: crate::NOON, attributes };
        let evaluation = set.evaluate("f", &context);
        match evaluation.error {
            Some(error) => json!({"error": error.code.as_str()}),
            None => {
                json!({"value": evaluation.value, "variant": evaluation.variant, "reason": evaluation.reason.as_str()})
            }
        }
    };
    asked.contexts.iter().map(outcome).collect()
}

/// Numbers as doubles: an oracle writes `1` where another writes `1.0`.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), normal(value))).collect())
        }
        other => other.clone(),
    }
}

fn assert_agreement(asked: &[Asked], answers: &[Answers]) {
    let mut matched = 0;
    for (asked, answers) in asked.iter().zip(answers) {
        let ours = ours(asked);
        assert_eq!(normal(&ours), normal(&answers.outcomes), "{asked:?}");
        matched += ours.to_string().matches("TARGETING_MATCH").count();
    }
    // A comparison of nothing but defaults would prove nothing.
    assert!(matched > asked.len() / 5, "only {matched} rules of {} chose a variant", asked.len());
}

/// Documents as people write them, splits by version 2.
#[test]
fn the_javascript_engine_agrees_on_what_people_write() {
    let asked = generate(documents::ordinary(2));
    assert_agreement(&asked, &Oracle::JavaScript.ask(&asked));
}

/// The same, splits by version 3.
#[test]
fn the_python_engine_agrees_on_what_people_write() {
    let asked = generate(documents::ordinary(3));
    assert_agreement(&asked, &Oracle::Python.ask(&asked));
}

/// Splits by any value, with any weights: by version 2.
#[test]
fn the_javascript_engine_agrees_on_splits() {
    let asked = generate(documents::splits(2));
    assert_agreement(&asked, &Oracle::JavaScript.ask(&asked));
}

/// By version 3, which hashes values of any type.
#[test]
fn the_python_engine_agrees_on_splits() {
    let asked = generate(documents::splits(3));
    assert_agreement(&asked, &Oracle::Python.ask(&asked));
}

/// Each operator on values of any type, any number of them. Where the official engines agree we agree with them; where they
/// do not we say what one of them says, or the reference of JsonLogic.
#[test]
fn operators_on_anything_do_what_the_engines_agree_on() {
    let asked = generate(anything::anything());
    let javascript = Oracle::JavaScript.ask(&asked);
    let python = Oracle::Python.ask(&asked);
    let (mut agreed, mut disagreements) = (0, Vec::new());
    for ((asked, javascript), python) in asked.iter().zip(&javascript).zip(&python) {
        let ours = normal(&ours(asked));
        let reference = reference_says(asked, javascript);
        let (javascript, python) = (normal(&javascript.outcomes), normal(&python.outcomes));
        let error = json!([{"error": "GENERAL"}]);
        agreed += usize::from(javascript == python);
        // An error of both may have two causes, e.g. one takes no string for a number, the other no variant is "nan".
        let allowed = if javascript == python && javascript != error {
            ours == javascript
        } else {
            [&javascript, &python, &reference].contains(&&ours)
        };
        if !allowed {
            disagreements.push(format!(
                "{asked:?}\n    JavaScript {javascript}, Python {python}, reference {reference}, we {ours}"
            ));
        }
    }
    assert!(disagreements.is_empty(), "{} of {}:\n{}", disagreements.len(), asked.len(), disagreements.join("\n"));
    assert!(agreed > asked.len() / 3, "the engines agree on {agreed} of {}", asked.len());
}

/// What the result of json-logic-js would lead to.
fn reference_says(asked: &Asked, answers: &Answers) -> Value {
    let Some(result) = answers.reference.get("variant") else { return json!([{"error": "GENERAL"}]) };
    let outcome = match result.as_str() {
        None => json!({"value": "fallback", "variant": "fallback", "reason": "DEFAULT"}),
        Some(name) if asked.variants.get(name).is_some() => {
            json!({"value": asked.variants[name], "variant": name, "reason": "TARGETING_MATCH"})
        }
        Some(_) => json!({"error": "GENERAL"}),
    };
    json!([outcome])
}
