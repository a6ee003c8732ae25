//! Why a flag is what it is.

use serde_json::json;
use sluice_flagd::limits::EXPLANATION_STEPS_MAX;
use sluice_flagd::{Attribute, Context};

use crate::{NOON, with_rule};

#[test]
fn an_explanation_tells_what_was_looked_at_and_what_decided() {
    let set = with_rule(&json!({"if": [
        {"ends_with": [{"var": "email"}, "@example.com"]}, "a",
        {"fractional": [["a", 25], ["b", 75]]}
    ]}));
    let attributes = [("email", Attribute::Text("ada@example.org"))];
    let context = Context { targeting_key: Some("ada"), timestamp_seconds: NOON, attributes: &attributes };
    let explanation = set.explain("f", &context);
    let steps: Vec<String> = explanation
        .steps
        .iter()
        .map(|step| format!("{} = {} {}", step.path, step.value, step.note.as_deref().unwrap_or_default()))
        .collect();
    let hit = steps[2].split(" hit ").nth(1).expect("the bucket is shown").to_owned();
    assert!(hit.ends_with(" of 100"), "{hit}");
    let variant = explanation.variant.clone().unwrap();
    assert_eq!(
        steps,
        [
            "flags.f.targeting.if[0].ends_with[0].var = \"ada@example.org\" ".to_owned(),
            "flags.f.targeting.if[0].ends_with = false ".to_owned(),
            format!("flags.f.targeting.if[2].fractional = \"{variant}\" hit {hit}"),
            format!("flags.f.targeting.if = \"{variant}\" took argument 2"),
        ]
    );
    assert_eq!(explanation.steps[1].rule, r#"{"ends_with":[{"var":"email"},"@example.com"]}"#);
    assert_eq!((explanation.reason, explanation.error_code), ("TARGETING_MATCH", None));
}

#[test]
fn an_explanation_of_nothing_says_why() {
    let set = with_rule(&json!({"nope": []}));
    let context = Context::new(None, NOON);
    assert_eq!(set.explain("f", &context).error_code, Some("PARSE_ERROR"));
    assert_eq!(set.explain("g", &context).error_details.as_deref(), Some("there is no flag `g`"));
    let set = with_rule(&json!({"/": [1, {"var": "x"}]}));
    let explanation = set.explain("f", &context);
    assert_eq!((explanation.steps.len(), explanation.error_code), (1, Some("GENERAL")));
}

#[test]
fn an_explanation_is_bounded() {
    let long: Vec<usize> = (0..EXPLANATION_STEPS_MAX).collect();
    let whole = with_rule(&json!({"some": [long, {"===": ["x", {"var": "length"}]}]}));
    let explanation = whole.explain("f", &Context::new(None, NOON));
    assert_eq!(explanation.steps.len(), EXPLANATION_STEPS_MAX);
    assert!(explanation.steps_left_out);
    assert!(explanation.steps.iter().all(|step| step.rule.chars().count() <= 201));
}
