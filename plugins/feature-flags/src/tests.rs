//! Native tests of the feature-flags plugin.

use sluice_plugin::testing::{Answer, Decision, Harness};

use super::FeatureFlags;

fn start(config: &serde_json::Value) -> Harness<FeatureFlags> {
    Harness::start(&config.to_string()).expect("starts")
}

fn one_gate() -> Harness<FeatureFlags> {
    start(&serde_json::json!({ "gates": [{ "flag": "featureFlags", "paths": ["/set"] }] }))
}

#[test]
fn a_missing_flag_is_off_and_off_is_404() {
    let plugin = one_gate();
    assert_eq!(plugin.request(&[]), Answer::plain(Decision::Respond(404)));
    plugin.state("flag:featureFlags", Some("true")).expect("is taken");
    assert_eq!(plugin.request(&[]), Answer::plain(Decision::Next));
    plugin.state("flag:featureFlags", Some("false")).expect("is taken");
    assert_eq!(plugin.request(&[]).decision, Decision::Respond(404));
    plugin.state("flag:featureFlags", Some("true")).expect("is taken");
    plugin.state("flag:featureFlags", None).expect("is taken");
    assert_eq!(plugin.request(&[]).decision, Decision::Respond(404));
}

#[test]
fn one_gate_leaves_all_matching_to_the_host() {
    let plugin = one_gate();
    assert!(plugin.activation().request_fields.is_empty());
    assert!(plugin.applies("GET", "/set") && plugin.applies("POST", "/set/x"));
    assert!(!plugin.applies("GET", "/settle") && !plugin.applies("GET", "/get"));
}

#[test]
fn several_gates_are_told_apart_by_path_and_method() {
    let plugin = start(&serde_json::json!({ "gates": [
        { "flag": "a", "paths": ["/a", "/shared"], "methods": ["GET"], "status": 403 },
        { "flag": "b", "paths": ["/b", "/shared"] },
    ]}));
    let decide = |method, path| plugin.request(&[("method", method), ("path", path)]).decision;
    assert!(plugin.activation().methods.is_empty(), "gate b covers every method");
    assert_eq!(decide("GET", "/a/x"), Decision::Respond(403));
    assert_eq!(decide("POST", "/a/x"), Decision::Next);
    assert_eq!(decide("POST", "/b"), Decision::Respond(404));
    plugin.state("flag:a", Some("true")).expect("is taken");
    assert_eq!(decide("GET", "/a"), Decision::Next);
    assert_eq!(decide("GET", "/shared"), Decision::Respond(404), "gate b is still shut");
    plugin.state("flag:b", Some("true")).expect("is taken");
    assert_eq!(decide("GET", "/shared"), Decision::Next);
}

#[test]
fn methods_of_all_gates_reach_the_host() {
    let gate = |flag: &str, method: &str| serde_json::json!({ "flag": flag, "paths": ["/x"], "methods": [method] });
    let plugin = start(&serde_json::json!({ "gates": [gate("a", "PUT"), gate("b", "POST")] }));
    assert_eq!(plugin.activation().methods, ["PUT", "POST"]);
    assert!(!plugin.applies("GET", "/x"));
}

#[test]
fn a_value_that_is_no_boolean_keeps_the_old_one() {
    let plugin = one_gate();
    plugin.state("flag:featureFlags", Some("true")).expect("is taken");
    assert!(plugin.state("flag:featureFlags", Some("{}")).is_err());
    assert_eq!(plugin.request(&[]).decision, Decision::Next);
}

#[test]
fn without_gates_it_is_never_called() {
    assert!(!start(&serde_json::json!({ "gates": [] })).applies("GET", "/set"));
}

#[test]
fn bad_configurations_are_refused_with_the_reason() {
    for (config, reason) in [
        (r#"{"gates":[{"flag":"a","paths":["/a"],"status":600}]}"#, "config: status 600 is not in 200-599"),
        (r#"{"gates":[{"flag":"a","paths":["a"]}]}"#, "config: path \"a\" does not start with /"),
        (r#"{"gates":[{"flag":"a","paths":[]}]}"#, "config: the gate of flag \"a\" names no paths"),
        (r#"{"gates":[{"flag":"a"}]}"#, "config: missing field `paths`"),
    ] {
        assert_eq!(Harness::<FeatureFlags>::start(config).err().as_deref(), Some(reason));
    }
}
