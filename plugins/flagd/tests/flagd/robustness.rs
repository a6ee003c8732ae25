//! Whatever the text, the attributes and the key are: an answer, never a panic.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sluice_flagd::{Context, FlagSet};

/// Every operator, and what is none.
const OPERATORS: [&str; 40] = [
    "var",
    "missing",
    "missing_some",
    "if",
    "?:",
    "and",
    "or",
    "!",
    "!!",
    "==",
    "!=",
    "===",
    "!==",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "min",
    "max",
    "in",
    "cat",
    "substr",
    "merge",
    "map",
    "filter",
    "reduce",
    "all",
    "some",
    "none",
    "starts_with",
    "ends_with",
    "sem_ver",
    "fractional",
    "$ref",
    "nope",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3_i32..4).prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        prop_oneof![
            Just("a"),
            Just("a.b"),
            Just(""),
            Just("$flagd"),
            Just("targetingKey"),
            Just("length"),
            Just("1.2.3")
        ]
        .prop_map(Value::from),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 60, 5, |inner| {
        prop_oneof![
            4 => (prop::sample::select(&OPERATORS[..]), prop::collection::vec(inner.clone(), 0..5))
                .prop_map(|(operator, arguments)| json!({operator: arguments})),
            1 => (prop::sample::select(&OPERATORS[..]), inner.clone()).prop_map(|(operator, only)| json!({operator: only})),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            1 => prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 20_000 }))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        if let Err(fault) = FlagSet::compile(&text) {
            prop_assert!(fault.line >= 1 && fault.column >= 1);
        }
    }

    #[test]
    fn any_json_is_read_or_refused_with_a_place_within_it(value in rule(), at in 0_usize..9) {
        let mut document = json!({"flags": {"f": {"state": "ENABLED", "variants": {"a": 1}, "metadata": {}, "targeting": {}}},
            "metadata": {}, "$evaluators": {}});
        let place = ["", "/flags", "/flags/f", "/flags/f/state", "/flags/f/variants", "/flags/f/variants/a",
            "/flags/f/metadata", "/metadata", "/$evaluators"][at];
        *document.pointer_mut(place).expect("the place is there") = value;
        let text = serde_json::to_string_pretty(&document).expect("JSON can be written");
        if let Err(fault) = FlagSet::compile(&text) {
            let line = text.lines().nth(fault.line - 1).expect("the line is there");
            prop_assert!(fault.column <= line.chars().count() + 1);
        }
    }

    /// And an explanation comes to what the evaluation comes to, though nothing is worked out beforehand for it.
    #[test]
    fn any_rule_is_evaluated(rule in rule(), attributes in prop::collection::btree_map("[a-c]", scalar(), 0..3), key in "\\PC{0,5}") {
        let flag = json!({"state": "ENABLED", "variants": {"a": 1, "true": 2, "false": 3, "1": 4}, "targeting": {"if": [true, rule]}});
        let set = FlagSet::compile(&json!({"flags": {"f": flag}}).to_string()).expect("a rule is no fault of its document");
        let attributes: Map<String, Value> = attributes.into_iter().collect();
        let context = Context { targeting_key: Some(&key), timestamp_seconds: 7, attributes: &attributes };
        let evaluation = set.evaluate("f", &context);
        prop_assert_eq!(evaluation.value.is_some(), evaluation.variant.is_some());
        let explanation = set.explain("f", &context);
        if let (Some(last), Some(variant)) = (explanation.steps.last(), evaluation.variant) {
            let result: Value = serde_json::from_str(&last.value).expect("a step is JSON unless it was cut");
            let shown = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
            prop_assert!(shown.trim_matches(['[', ']', '"']) == variant || result.is_array(), "{} is not {}", shown, variant);
        }
    }
}
