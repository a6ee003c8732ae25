//! What is a definition, and where one that is not goes wrong.

use sluice_flagd::{ErrorCode, FlagKind, FlagSet, FlagState, FractionalVersion};

const SHOP: &str = r#"{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "metadata": {"team": "shop", "tier": 1},
  "$evaluators": {"staff": {"ends_with": [{"var": "user.email"}, "@example.com"]}},
  "flags": {
    "banner": {"state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "metadata": {"tier": 2}},
    "theme": {"state": "ENABLED", "variants": {"dark": {"bg": "black"}, "light": {}}, "defaultVariant": null,
      "targeting": {"if": [{"$ref": "staff"}, "dark", {"missing": ["country", "plan"]}, null]}, "owner": "ada"}
  }
}"#;

/// `LINE:COLUMN PATH: MESSAGE` of what is wrong with `text`.
fn fault(text: &str) -> String {
    let fault = FlagSet::compile(text).expect_err("it is no definition");
    format!("{}:{} {}: {}", fault.line, fault.column, fault.path, fault.message)
}

#[test]
fn a_set_lists_its_flags() {
    let set = FlagSet::compile(SHOP).unwrap();
    let flags: Vec<_> = set.flags().collect();
    assert_eq!(flags.iter().map(|flag| flag.key).collect::<Vec<_>>(), ["banner", "theme"]);
    assert_eq!(
        (flags[0].state, flags[0].kind, flags[0].default_variant),
        (FlagState::Disabled, FlagKind::Boolean, Some("off"))
    );
    assert_eq!((flags[1].kind, flags[1].default_variant, flags[1].has_targeting), (FlagKind::Object, None, true));
    assert_eq!(flags[1].variants, ["dark", "light"]);
    assert_eq!(set.attributes().iter().collect::<Vec<_>>(), ["country", "plan", "user.email"]);
    assert!(!set.reads_any_attribute());
    assert_eq!(set.metadata()["team"], "shop");
    assert_eq!(set.fractional_version(), FractionalVersion::V2);
}

#[test]
fn metadata_of_a_flag_wins_over_that_of_its_set() {
    let set = FlagSet::compile(SHOP).unwrap();
    let context = sluice_flagd::Context::new(None, 0);
    assert_eq!(set.evaluate("banner", &context).metadata["tier"], 2);
    assert_eq!(set.evaluate("banner", &context).metadata["team"], "shop");
    assert_eq!(set.evaluate("nobody", &context).metadata["tier"], 1);
}

#[test]
fn a_document_is_refused_with_the_place() {
    let cases = [
        ("", "1:1 : EOF while parsing a value"),
        ("{\n  \"flags\": {,}\n}", "2:13 : key must be a string"),
        ("[]", "1:1 : a definition is a JSON object with `flags`"),
        ("{}", "1:1 : `flags` is missing"),
        (r#"{"flags": []}"#, "1:11 flags: `flags` is an object: the key of each flag, and the flag"),
        (r#"{"flags": {"f": 1}}"#, "1:17 flags.f: a flag is an object with `state` and `variants`"),
        (r#"{"flags": {"f": {}}}"#, "1:17 flags.f: `state` is missing"),
        (r#"{"flags": {"f": {"state": "ON"}}}"#, r#"1:27 flags.f.state: `state` is "ENABLED" or "DISABLED""#),
        (r#"{"flags": {"f": {"state": "ENABLED"}}}"#, "1:17 flags.f: `variants` is missing"),
        (
            r#"{"flags": {"f": {"state": "ENABLED", "variants": {}}}}"#,
            "1:50 flags.f.variants: a flag has at least one variant",
        ),
        (
            "{\"flags\": {\"f\": {\"state\": \"ENABLED\",\n \"variants\": {\"a\": 1, \"b\": \"1\"}}}}",
            "2:28 flags.f.variants.b: the variants of a flag are of one type",
        ),
        (
            r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": null}}}}"#,
            "1:56 flags.f.variants.a: the value of a variant is null",
        ),
        (
            r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": 9007199254740992}}}}"#,
            "1:56 flags.f.variants.a: the number is one that JavaScript would round (above 2^53 - 1)",
        ),
        (
            r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "b"}}}"#,
            "1:78 flags.f.defaultVariant: `b` is no variant of this flag",
        ),
        (
            r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": true}}}"#,
            "1:78 flags.f.defaultVariant: `defaultVariant` is the name of a variant, or null",
        ),
        (
            r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": 1}, "targeting": "a"}}}"#,
            "1:73 flags.f.targeting: `targeting` is an object: a JsonLogic rule",
        ),
        (
            r#"{"flags": {}, "metadata": {"m": []}}"#,
            "1:33 metadata.m: metadata `m` is not a string, a number or a boolean",
        ),
        (
            r#"{"flags": {}, "metadata": {"fractionalVersion": 4}}"#,
            "1:49 metadata.fractionalVersion: `fractionalVersion` is 2 or 3",
        ),
        (
            r#"{"flags": {}, "$evaluators": 1}"#,
            "1:30 $evaluators: `$evaluators` is an object: the name of each shared rule, and the rule",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(fault(text), expected);
    }
    let hint = FlagSet::compile(r#"{"flags": {"f": {"variants": {"a": 1}}}}"#).unwrap_err().hint;
    assert_eq!(hint.as_deref(), Some("add \"state\": \"ENABLED\""));
}

#[test]
fn a_faulty_rule_is_the_fault_of_its_flag_alone() {
    let cases = [
        (r#"{"if": [{"$ref": "nobody"}, "a"]}"#, "flags.f.targeting.if[0]", "`$evaluators` has no rule \"nobody\""),
        (r#"{"if": [{"$ref": "loop"}, "a"]}"#, "$evaluators.loop.!", "the shared rule `loop` refers to itself"),
        (r#"{"nope": 1}"#, "flags.f.targeting.nope", "there is no operator `nope`"),
        (
            r#"{"and": [1, {"==": [1, 1], "!=": [1, 1]}]}"#,
            "flags.f.targeting.and[1]",
            "a rule has one operator, not != and ==",
        ),
    ];
    for (rule, path, message) in cases {
        let good = r#""g": {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"}"#;
        let text = format!(
            r#"{{"$evaluators": {{"loop": {{"!": {{"$ref": "loop"}}}}}},
 "flags": {{{good}, "f": {{"state": "ENABLED", "variants": {{"a": 1}}, "defaultVariant": "a", "targeting": {rule}}}}}}}"#
        );
        let set = FlagSet::compile(&text).unwrap();
        let context = sluice_flagd::Context::new(Some("u"), 0);
        let error = set.evaluate("f", &context).error.unwrap();
        assert_eq!(error.code, ErrorCode::ParseError);
        assert_eq!(error.details, format!("{message} at {path}"));
        assert_eq!(set.evaluate("g", &context).variant, Some("a"));
        assert_eq!(set.flag_faults().len(), 1);
        let fault = &set.flag_faults()[0];
        assert_eq!((fault.path.as_str(), fault.message.as_str()), (path, message));
        assert!(fault.line > 0 && fault.column > 1);
    }
}

#[test]
fn shared_rules_may_refer_to_others() {
    let text = r#"{"$evaluators": {"a": {"!": {"$ref": "b"}}, "b": {"==": [{"var": "x"}, 1]}},
        "flags": {"f": {"state": "ENABLED", "variants": {"true": true, "false": false}, "targeting": {"$ref": "a"}}}}"#;
    let set = FlagSet::compile(text).unwrap();
    let attributes = [("x", sluice_flagd::Attribute::Number(1.0))];
    let context = sluice_flagd::Context { targeting_key: None, timestamp_seconds: 0, attributes: &attributes };
    assert_eq!(set.evaluate("f", &context).variant, Some("false"));
}

#[test]
fn what_a_rule_may_read_is_known() {
    let reads = |rule: &str| {
        let flag = format!(r#"{{"state": "ENABLED", "variants": {{"a": 1}}, "targeting": {rule}}}"#);
        let set = FlagSet::compile(&format!(r#"{{"flags": {{"f": {flag}}}}}"#)).unwrap();
        (set.attributes().iter().cloned().collect::<Vec<_>>().join(" "), set.reads_any_attribute())
    };
    assert_eq!(reads(r#"{"fractional": [["a", 1]]}"#), ("targetingKey".into(), false));
    assert_eq!(reads(r#"{"fractional": [{"var": "id"}, ["a", 1]]}"#), ("id".into(), false));
    assert_eq!(reads(r#"{"some": [{"var": "groups"}, {"==": [{"var": "name"}, "x"]}]}"#), ("groups".into(), false));
    assert_eq!(reads(r#"{"var": {"cat": ["a", {"var": "b"}]}}"#), ("b".into(), true));
    assert_eq!(reads(r#"{"in": ["a", {"var": ""}]}"#), (String::new(), true));
    assert_eq!(reads(r#"{"<": [{"var": "$flagd.timestamp"}, 5]}"#), (String::new(), false));
}
