//! Every bound, at its edge and one past it.

use serde_json::{Value, json};
use sluice_flagd::limits::{
    DOCUMENT_BYTES_MAX, EVALUATORS_MAX, FLAG_FAULTS_MAX, FLAGS_MAX, LIST_DEPTH_MAX, LIST_ITEMS_MAX, RULE_DEPTH_MAX,
    RULES_MAX, RULES_OF_A_SET_MAX, STEPS_MAX, TEXT_BYTES_MAX, VARIANTS_MAX,
};
use sluice_flagd::{Context, FlagSet};

use crate::{NOON, outcome, with_rule};

fn names(count: usize, value: &Value) -> Value {
    Value::Object((0..count).map(|number| (number.to_string(), value.clone())).collect())
}

fn compiles(document: &Value) -> bool {
    FlagSet::compile(&document.to_string()).is_ok()
}

#[test]
fn documents_are_bounded() {
    let text = |bytes: usize| format!("{{\"flags\": {{}}{}}}", " ".repeat(bytes - "{\"flags\": {}}".len()));
    assert!(FlagSet::compile(&text(DOCUMENT_BYTES_MAX)).is_ok());
    assert!(FlagSet::compile(&text(DOCUMENT_BYTES_MAX + 1)).unwrap_err().message.contains("1048576"));
    let flag = json!({"state": "ENABLED", "variants": {"a": 1}});
    assert!(compiles(&json!({"flags": names(FLAGS_MAX, &flag)})));
    assert!(!compiles(&json!({"flags": names(FLAGS_MAX + 1, &flag)})));
    let with_variants = |count| json!({"flags": {"f": {"state": "ENABLED", "variants": names(count, &json!(1))}}});
    assert!(compiles(&with_variants(VARIANTS_MAX)));
    assert!(!compiles(&with_variants(VARIANTS_MAX + 1)));
    assert!(compiles(&json!({"flags": {}, "$evaluators": names(EVALUATORS_MAX, &json!(1))})));
    assert!(!compiles(&json!({"flags": {}, "$evaluators": names(EVALUATORS_MAX + 1, &json!(1))})));
}

/// `rule` within `depth` others.
fn nested(rule: Value, depth: usize) -> Value {
    (0..depth).fold(rule, |rule, _| json!({"!": rule}))
}

#[test]
fn rules_are_bounded_in_depth_and_number() {
    let first_fault = |set: &FlagSet| set.flag_faults().first().map(|fault| fault.message.clone());
    // serde_json itself stops at 128 levels.
    assert_eq!(first_fault(&with_rule(&nested(json!(true), RULE_DEPTH_MAX / 2))), None);
    let shared = |depth| {
        let flag = json!({"state": "ENABLED", "variants": {"a": 1}, "targeting": nested(json!({"$ref": "0"}), 30)});
        let set = json!({"flags": {"f": flag}, "$evaluators": {"0": nested(json!(true), depth)}});
        FlagSet::compile(&set.to_string()).unwrap()
    };
    assert_eq!(first_fault(&shared(RULE_DEPTH_MAX - 31)), None);
    assert!(first_fault(&shared(RULE_DEPTH_MAX - 30)).unwrap().contains("64 deep"));
    // The call itself is one rule.
    assert_eq!(first_fault(&with_rule(&json!({"max": vec![1; RULES_MAX - 1]}))), None);
    assert!(first_fault(&with_rule(&json!({"max": vec![1; RULES_MAX]}))).unwrap().contains("10000 rules"));
}

/// Shared rules that double at every level, in many flags.
#[test]
fn a_bomb_of_shared_rules_is_refused() {
    let mut evaluators = serde_json::Map::new();
    evaluators.insert("0".into(), json!({"var": "x"}));
    for level in 1..30 {
        let below = json!({"$ref": (level - 1).to_string()});
        evaluators.insert(level.to_string(), json!({"and": [below, below]}));
    }
    let flag = |level: usize| json!({"state": "ENABLED", "variants": {"a": 1}, "targeting": {"!": {"$ref": level.to_string()}}});
    let set = |level, count| {
        let document = json!({"flags": names(count, &flag(level)), "$evaluators": evaluators});
        FlagSet::compile(&document.to_string()).unwrap()
    };
    assert_eq!(set(29, 1).flag_faults().len(), 1);
    // 2^10 rules and their references are about 5,000 rules a flag: some 40 flags fit.
    let faults = set(10, 100).flags_at_fault();
    assert!((40..80).contains(&faults), "{faults} of 100 flags at {RULES_OF_A_SET_MAX} rules");
}

#[test]
fn all_faulty_flags_are_counted_and_the_first_ones_told() {
    let faulty = json!({"state": "ENABLED", "variants": {"a": 1}, "targeting": {"$ref": "missing"}});
    let set = |count| FlagSet::compile(&json!({"flags": names(count, &faulty)}).to_string()).unwrap();
    let of = |count| {
        let set = set(count);
        (set.flags_at_fault(), set.flag_faults().len())
    };
    assert_eq!(of(FLAG_FAULTS_MAX), (FLAG_FAULTS_MAX, FLAG_FAULTS_MAX));
    assert_eq!(of(FLAG_FAULTS_MAX + 1), (FLAG_FAULTS_MAX + 1, FLAG_FAULTS_MAX));
    // Each place would cost a walk through the text: 10,000 of them would take minutes.
    assert_eq!(of(FLAGS_MAX), (FLAGS_MAX, FLAG_FAULTS_MAX));
}

#[test]
fn evaluations_are_bounded_in_steps() {
    let list: Vec<usize> = (0..300).collect();
    let nested = |inner: usize| {
        let inner: Vec<usize> = (0..inner).collect();
        json!({"if": [{"none": [list, {"some": [{"merge": [inner, {"var": "nobody"}]}, false]}]}, "a"]})
    };
    assert_eq!(outcome(&nested(300), &Value::Null), "a/TARGETING_MATCH");
    assert_eq!(outcome(&nested(340), &Value::Null), "GENERAL");
    let details = with_rule(&nested(340)).evaluate("f", &Context::new(None, NOON)).error.unwrap().details;
    assert_eq!(details, format!("the rule takes more than {STEPS_MAX} steps"));
}

#[test]
fn what_rules_make_is_bounded() {
    let doubled = |times: usize, step: Value| {
        let times: Vec<usize> = (0..times).collect();
        json!({"if": [{"reduce": [times, step, {"var": "seed"}]}, "a"]})
    };
    let twice = json!([{"var": "accumulator"}, {"var": "accumulator"}]);
    // 1 item, doubled.
    let exponent = LIST_ITEMS_MAX.ilog2() as usize;
    let list = json!({"seed": [1]});
    assert_eq!(outcome(&doubled(exponent, json!({"merge": twice})), &list), "a/TARGETING_MATCH");
    assert_eq!(outcome(&doubled(exponent + 1, json!({"merge": twice})), &list), "GENERAL");
    let exponent = TEXT_BYTES_MAX.ilog2() as usize;
    let text = json!({"seed": "x"});
    assert_eq!(outcome(&doubled(exponent, json!({"cat": twice})), &text), "a/TARGETING_MATCH");
    assert_eq!(outcome(&doubled(exponent + 1, json!({"cat": twice})), &text), "GENERAL");
    let depth = usize::from(LIST_DEPTH_MAX);
    assert_eq!(outcome(&doubled(depth, twice.clone()), &text), "a/TARGETING_MATCH");
    assert_eq!(outcome(&doubled(depth + 1, twice.clone()), &text), "GENERAL");
}
