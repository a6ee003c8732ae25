//! Reasons, errors and operators, as the format fixes them; what engines disagree about is in the differential tests.

use serde_json::{Value, json};
use sluice_flagd::{Attribute, Context, FlagSet};

use crate::{NOON, outcome, shown};

#[test]
fn reasons_are_those_of_the_format() {
    let set = FlagSet::compile(
        r#"{"flags": {
            "disabled": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on"},
            "no-default": {"state": "ENABLED", "variants": {"on": true}},
            "empty-default": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": ""},
            "static": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"},
            "empty-rule": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": {}},
            "silent-rule": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": {"if": [false, "on"]}},
            "silent-no-default": {"state": "ENABLED", "variants": {"on": true}, "targeting": {"var": "nobody"}},
            "matched": {"state": "ENABLED", "variants": {"on": true}, "targeting": {"if": [true, "on"]}},
            "by-boolean": {"state": "ENABLED", "variants": {"true": 1, "false": 2}, "targeting": {"!": [{"var": "x"}]}},
            "unknown": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": {"cat": ["o", "ff"]}}
        }}"#,
    )
    .unwrap();
    let context = Context::new(None, NOON);
    let shown: Vec<String> =
        set.evaluate_all(&context).map(|(key, answer)| format!("{key} {}", shown(&answer))).collect();
    assert_eq!(
        shown,
        [
            "by-boolean true/TARGETING_MATCH",
            "disabled -/DISABLED",
            "empty-default -/DEFAULT",
            "empty-rule on/STATIC",
            "matched on/TARGETING_MATCH",
            "no-default -/DEFAULT",
            "silent-no-default -/DEFAULT",
            "silent-rule on/DEFAULT",
            "static on/STATIC",
            "unknown GENERAL",
        ]
    );
    assert_eq!(crate::shown(&set.evaluate("nobody", &context)), "FLAG_NOT_FOUND");
    assert_eq!(set.evaluate("disabled", &context).value, None);
    assert_eq!(set.evaluate("by-boolean", &context).value, Some(&json!(1)));
}

#[test]
fn rules_see_the_flag_the_time_and_the_caller() {
    let rule = json!({"if": [{"and": [
        {"==": [{"var": "$flagd.flagKey"}, "f"]},
        {"<=": [NOON, {"var": "$flagd.timestamp"}, NOON]},
        {"==": [{"var": "targetingKey"}, "ada"]},
        {"==": [{"var": "user.roles.1"}, "admin"]},
        {"==": [{"var": "user.roles.length"}, 2]}
    ]}, "a"]});
    assert_eq!(outcome(&rule, &json!({"targetingKey": "ada", "user": {"roles": ["x", "admin"]}})), "a/TARGETING_MATCH");
    assert_eq!(outcome(&rule, &json!({"user": {"roles": ["x", "admin"]}})), "b/DEFAULT");
}

#[test]
fn attributes_cannot_pose_as_the_identity_or_the_flag() {
    let attributes = [("targetingKey", Attribute::Text("eve")), ("$flagd", Attribute::Text("x"))];
    let context = Context { targeting_key: None, timestamp_seconds: NOON, attributes: &attributes };
    let rule = json!({"if": [{"or": [{"var": "targetingKey"}, {"==": [{"var": "$flagd"}, "x"]}]}, "a", "b"]});
    assert_eq!(shown(&crate::with_rule(&rule).evaluate("f", &context)), "b/TARGETING_MATCH");
}

/// Each rule must be true for the data.
#[test]
fn operators_mean_what_json_logic_says() {
    let data =
        json!({"n": 5, "s": "text", "list": [1, 2, 3], "empty": "", "nothing": null, "o": {"k": [{"v": 1}, {"v": 2}]}});
    let rules = [
        json!({"==": [{"var": "n"}, "5"]}),
        json!({"!==": [{"var": "n"}, "5"]}),
        json!({"==": [{"var": "nobody"}, null]}),
        json!({"==": [{"var": "nobody"}, 0]}),
        json!({"!=": [{"var": "nobody"}, ""]}),
        json!({"!=": [{"var": "nobody"}, false]}),
        json!({"<": [1, {"var": "n"}, 10]}),
        json!({">=": [10, {"var": "n"}, 5]}),
        json!({"<": ["abc", "abd"]}),
        json!({"!": {"<": [{"var": "s"}, 5]}}),
        json!({"!!": [{"var": "o"}]}),
        json!({"!": [[]]}),
        json!({"in": ["ex", {"var": "s"}]}),
        json!({"in": [2, {"var": "list"}]}),
        json!({"!": {"in": ["2", {"var": "list"}]}}),
        json!({"==": [{"cat": ["a", 1, true, null, 1.5]}, "a1truenull1.5"]}),
        json!({"==": [{"substr": ["jsonlogic", -5, -2]}, "log"]}),
        json!({"==": [{"+": ["1", 2, true]}, 4]}),
        json!({"==": [{"-": [1]}, -1]}),
        json!({"==": [{"%": [-5, 3]}, -2]}),
        json!({"==": [{"/": [1, 4]}, 0.25]}),
        json!({"==": [{"max": [1, "7", 3]}, 7]}),
        json!({"==": [{"min": [1, -7, 3]}, -7]}),
        json!({"==": [{"reduce": [{"var": "list"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]}, 6]}),
        json!({"==": [{"cat": {"map": [{"var": "list"}, {"*": [{"var": ""}, 2]}]}}, "2,4,6"]}),
        json!({"==": [{"var": [{"cat": ["o.k.", 1, ".v"]}, 7]}, 2]}),
        json!({"==": [{"cat": {"filter": [{"var": "list"}, {"%": [{"var": ""}, 2]}]}}, "1,3"]}),
        json!({"all": [{"var": "o.k"}, {">": [{"var": "v"}, 0]}]}),
        json!({"some": [{"var": "o.k"}, {"==": [{"var": "v"}, 2]}]}),
        json!({"none": [{"var": "o.k"}, {"==": [{"var": "v"}, 3]}]}),
        json!({"!": {"all": [[], true]}}),
        json!({"==": [{"cat": {"missing": ["n", "empty", "nothing", "x.y"]}}, "empty,nothing,x.y"]}),
        json!({"!": {"missing_some": [1, ["n", "x"]]}}),
        json!({"==": [{"cat": {"merge": [1, [2, [3]], []]}}, "1,2,3"]}),
        json!({"==": [{"var": ["nothing", 4]}, 4]}),
        json!({"starts_with": [{"var": "s"}, "te"]}),
        json!({"ends_with": [{"var": "s"}, "xt"]}),
        json!({"===": [{"starts_with": [{"var": "n"}, "5"]}, null]}),
        json!({"===": [{"ends_with": ["x"]}, null]}),
        json!({"sem_ver": ["v1.4", "^", 1]}),
        json!({"===": [{"sem_ver": ["1.x", "=", "1.0.0"]}, null]}),
        json!({"?:": [{"var": "n"}, true, false]}),
    ];
    for rule in rules {
        let wanted = json!({"if": [rule.clone(), "a"]});
        assert_eq!(outcome(&wanted, &data), "a/TARGETING_MATCH", "{rule}");
        // The same without anything that could be worked out beforehand.
        let hidden = json!({"if": [{"and": [{"var": "n"}, rule]}, "a"]});
        assert_eq!(outcome(&hidden, &data), "a/TARGETING_MATCH", "{hidden}");
    }
}

#[test]
fn the_result_of_a_rule_names_a_variant() {
    for (rule, expected) in [
        (json!({"+": [1, {"var": "x"}]}), "1/TARGETING_MATCH"),
        (json!({"!": [{"var": "x"}]}), "true/TARGETING_MATCH"),
        (json!({"merge": [["a"]]}), "a/TARGETING_MATCH"),
        (json!({"merge": [{"var": "x"}, "a"]}), "GENERAL"),
        (json!({"/": [1, {"var": "x"}]}), "GENERAL"),
        (json!({"and": []}), "b/DEFAULT"),
    ] {
        assert_eq!(outcome(&rule, &Value::Null), expected, "{rule}");
    }
}
