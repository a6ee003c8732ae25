//! Native tests of the feature-flags plugin.

use sluice_plugin::testing::{Answer, Decision, Harness};
use sluice_plugin::{Edit, Header};

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
        ("{}", "config: missing field `gates`, or `headers`"),
        (
            r#"{"gates":[],"context":{"user.email":"header:x-email"}}"#,
            "config: the attribute \"user.email\" is none that a rule can name: without `.`, not after `$`",
        ),
    ] {
        assert_eq!(Harness::<FeatureFlags>::start(config).err().as_deref(), Some(reason));
    }
}

const SHOP: &str = r#"{"flags":{
    "new-checkout": {"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off",
        "targeting":{"if":[{"ends_with":[{"var":"email"},"@example.org"]},"on",null]}},
    "open": {"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"on"},
    "word": {"state":"ENABLED","variants":{"on":"true"},"defaultVariant":"on"},
    "idle": {"state":"DISABLED","variants":{"on":true,"off":false},"defaultVariant":"on"},
    "theme": {"state":"ENABLED","variants":{"dark":1,"light":2},"defaultVariant":"light",
        "targeting":{"fractional":[["dark",50],["light",50]]}},
    "split": {"state":"ENABLED","variants":{"a b":1,"é":2},"defaultVariant":"é",
        "targeting":{"if":[{"==":[{"var":"targetingKey"},"ann"]},"a b",null]}}
}}"#;

fn gate_of_set(flag: &str) -> Harness<FeatureFlags> {
    let config = serde_json::json!({
        "gates": [{ "flag": flag, "set": "shop", "paths": ["/checkout"] }],
        "context": { "email": "header:x-email" },
    });
    start(&config)
}

#[test]
fn a_flag_of_a_set_is_asked_with_the_attributes_of_the_caller() {
    let plugin = gate_of_set("new-checkout");
    assert_eq!(plugin.activation().state, ["flags:shop"]);
    assert_eq!(plugin.activation().request_fields, ["header:x-email"], "what is not configured is not asked for");
    let decide = |email| plugin.request(&[("header:x-email", email)]).decision;
    assert_eq!(decide("ann@example.org"), Decision::Respond(404), "there is no such set yet");
    plugin.state("flags:shop", Some(SHOP)).expect("is taken");
    assert_eq!(decide("ann@example.org"), Decision::Next);
    assert_eq!(decide("ann@example.net"), Decision::Respond(404));
    assert_eq!(plugin.request(&[]).decision, Decision::Respond(404), "without the field there is no attribute");
    plugin.state("flags:shop", None).expect("is taken");
    assert_eq!(decide("ann@example.org"), Decision::Respond(404));
}

#[test]
fn only_true_opens_a_gate() {
    for (flag, decision) in [
        ("open", Decision::Next),
        ("word", Decision::Respond(404)),
        ("idle", Decision::Respond(404)),
        ("theme", Decision::Respond(404)),
        ("missing", Decision::Respond(404)),
    ] {
        let plugin = gate_of_set(flag);
        plugin.state("flags:shop", Some(SHOP)).expect("is taken");
        assert_eq!(plugin.request(&[]).decision, decision, "{flag}");
    }
}

#[test]
fn a_document_that_is_no_definition_is_refused_with_its_place() {
    let plugin = gate_of_set("open");
    plugin.state("flags:shop", Some(SHOP)).expect("is taken");
    let error = plugin.state("flags:shop", Some("{\"flags\":\n  []}")).expect_err("is refused");
    assert!(error.starts_with("flags of set shop: 2:3: "), "{error}");
    assert_eq!(plugin.request(&[]).decision, Decision::Next, "the old one counts");
}

fn headers(flag: &str) -> Harness<FeatureFlags> {
    let config = serde_json::json!({
        "gates": [{ "flag": "open", "set": "shop", "paths": ["/checkout"] }],
        "headers": [{ "flag": flag, "set": "shop", "name": "x-flag" }],
        "context": { "targetingKey": ["cookie:uid", "client-address"] },
    });
    start(&config)
}

fn set(value: &str) -> Edit {
    Edit::SetHeader(Header { name: "x-flag".to_owned(), value: value.to_owned() })
}

#[test]
fn servers_are_told_the_variant_and_never_what_the_client_says_it_is() {
    let removed = || Edit::RemoveHeader("x-flag".to_owned());
    let plugin = headers("split");
    assert!(plugin.applies("GET", "/anything"));
    assert_eq!(plugin.activation().request_fields, ["method", "path", "cookie:uid", "client-address"]);
    let edits = |uid: &str| plugin.request(&[("path", "/"), ("cookie:uid", uid)]).edits;
    assert_eq!(edits("ann"), [removed()], "there is no such set yet");
    plugin.state("flags:shop", Some(SHOP)).expect("is taken");
    assert_eq!(edits("ann"), [set("a b")]);
    assert_eq!(edits("bob"), [removed()], "a variant that cannot stand in a header is not told");
    let fallen_back = plugin.request(&[("path", "/"), ("client-address", "ann")]);
    assert_eq!(fallen_back.edits, [set("a b")], "without the cookie the address counts");
    plugin.state("flags:shop", None).expect("is taken");
    assert_eq!(edits("ann"), [removed()]);
}

#[test]
fn a_shut_gate_answers_without_edits() {
    let plugin = headers("theme");
    assert_eq!(plugin.request(&[("path", "/checkout/1")]), Answer::plain(Decision::Respond(404)));
    plugin.state("flags:shop", Some(SHOP)).expect("is taken");
    let shares = (0..1_000).filter(|user| {
        let answer = plugin.request(&[("path", "/checkout/1"), ("cookie:uid", &format!("user-{user}"))]);
        assert_eq!(answer.decision, Decision::Next);
        answer.edits == [set("dark")]
    });
    let dark = shares.count();
    assert!((400..600).contains(&dark), "{dark} of 1,000");
}
