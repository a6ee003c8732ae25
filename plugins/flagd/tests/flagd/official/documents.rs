//! What the engines are asked: one flag, its rule, and some callers.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

/// A document and the contexts in which its flag `f` is evaluated.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) version: u8,
    pub(super) state: &'static str,
    pub(super) kind: &'static str,
    pub(super) variants: Value,
    pub(super) default: Value,
    pub(super) rule: Value,
    pub(super) contexts: Vec<Value>,
    pub(super) with_reference: bool,
}

/// The rule and the callers on one line: what a failure is understood by.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, default, rule, contexts, .. } = self;
        write!(f, "{state}, default {default}: {rule} for {}", Value::from(contexts.clone()))
    }
}

impl Asked {
    pub(super) fn document(&self) -> String {
        let Self { state, variants, default, rule, version, .. } = self;
        let flag = json!({"state": state, "variants": variants, "defaultVariant": default, "targeting": rule});
        let evaluators = json!({"staff": {"ends_with": [{"var": "email"}, "@example.com"]},
            "beta": {"or": [{"==": [{"var": "user.tier"}, "beta"]}, {"var": "flags.early"}]}});
        json!({"flags": {"f": flag}, "$evaluators": evaluators, "metadata": {"fractionalVersion": version}}).to_string()
    }
}

/// A caller whose attributes have the types that rules expect.
fn caller() -> impl Strategy<Value = Value> {
    let text = select(vec!["ada@example.com", "bob@example.org", "x"]);
    let country = select(vec!["de", "at", "fr", "x", "DE"]);
    let version = select(vec!["1.0.0", "1.2.3", "2.0.0-rc.1", "2.0.0", "v2.10.0", "3.1.4+build"]);
    let tier = select(vec!["free", "beta", "premium"]);
    let key = "[a-z0-9]{1,20}";
    (text, country, version, tier, key, 0_i32..100, any::<bool>(), subsequence(vec!["a", "b", "c"], 0..4)).prop_map(
        |(email, country, version, tier, key, age, early, groups)| {
            json!({"targetingKey": key, "email": email, "country": country, "version": version, "age": age,
                "user": {"tier": tier, "name": key}, "flags": {"early": early}, "groups": groups,
                "orders": [{"total": age, "country": country}, {"total": 7, "country": "de"}]})
        },
    )
}

/// Something that is true or false, as people write it.
fn condition() -> BoxedStrategy<Value> {
    let text =
        select(vec!["email", "country", "version", "user.tier", "targetingKey"]).prop_map(|name| json!({"var": name}));
    let word = select(vec!["de", "beta", "@example.com", "ada@example.com", "a", "x"]).prop_map(Value::from);
    let age = prop_oneof![
        Just(json!({"var": "age"})),
        Just(json!({"var": ["height", 30]})),
        (1_i32..5).prop_map(|times| json!({"*": [{"var": "age"}, times]})),
        (0_i32..9).prop_map(|more| json!({"+": [{"var": "age"}, more, 1]})),
        (1_i32..9).prop_map(|less| json!({"-": [{"var": "age"}, less]})),
        (1_i32..9).prop_map(|by| json!({"%": [{"var": "age"}, by]})),
        (1_i32..9).prop_map(|by| json!({"/": [{"var": "age"}, by]})),
        (1_i32..99).prop_map(|other| json!({"max": [{"var": "age"}, other]})),
        (1_i32..99).prop_map(|other| json!({"min": [other, {"var": "age"}]})),
        Just(json!({"var": "orders.0.total"})),
    ];
    // Not between two others: there the JavaScript engine compares with the list, because both use one variable.
    let sum =
        Just(json!({"reduce": [{"var": "orders"}, {"+": [{"var": "current.total"}, {"var": "accumulator"}]}, 0]}));
    let equality = select(vec!["==", "!=", "===", "!=="]);
    let order = select(vec!["<", "<=", ">", ">="]);
    let ends = select(vec!["starts_with", "ends_with"]);
    let range = select(vec!["=", "!=", "<", "<=", ">", ">=", "^", "~"]);
    let wanted = select(vec!["1", "1.2", "2.0.0", "v2.0.0", "3.1.4"]);
    let each = select(vec!["all", "some", "none"]);
    let leaf = prop_oneof![
        (equality, text.clone(), word.clone()).prop_map(|(operator, text, word)| json!({operator: [text, word]})),
        (order, prop_oneof![10 => age.clone(), 1 => sum], 0_i32..120)
            .prop_map(|(operator, age, bound)| json!({operator: [age, bound]})),
        (select(vec!["<", "<="]), 0_i32..60, age, 30_i32..120).prop_map(|(op, low, age, high)| json!({op: [low, age, high]})),
        (ends, text.clone(), word.clone()).prop_map(|(operator, text, word)| json!({operator: [text, word]})),
        (text.clone(), vec(word.clone(), 1..4)).prop_map(|(text, words)| json!({"in": [text, words]})),
        (word.clone(), text.clone()).prop_map(|(word, text)| json!({"in": [word, text]})),
        word.clone().prop_map(|word| json!({"in": [word, {"var": "groups"}]})),
        (range, wanted).prop_map(|(range, wanted)| json!({"sem_ver": [{"var": "version"}, range, wanted]})),
        (each, word.clone()).prop_map(|(each, word)| json!({each: [{"var": "orders"}, {"==": [{"var": "country"}, word]}]})),
        word.prop_map(|word| json!({"some": [{"filter": [{"var": "groups"}, {"!=": [{"var": ""}, word]}]}, {"in": [{"var": ""}, "abc"]}]})),
        (text, 0_i32..4, 1_i32..3).prop_map(|(text, from, count)| json!({"==": [{"substr": [text, from, count]}, "de"]})),
        Just(json!({"$ref": "staff"})),
        Just(json!({"$ref": "beta"})),
        Just(json!({"!": [{"missing": ["email", "country"]}]})),
        Just(json!({"!!": [{"missing_some": [2, ["email", "nobody"]]}]})),
        Just(json!({"var": "flags.early"})),
        Just(json!({">": [{"var": "$flagd.timestamp"}, 1_600_000_000]})),
        Just(json!({"==": [{"cat": [{"var": "$flagd.flagKey"}, "-", {"var": "country"}]}, "f-de"]})),
        Just(json!({"in": [{"var": "country"}, {"merge": [["de"], ["at", "fr"]]}]})),
        Just(json!({"some": [{"map": [{"var": "orders"}, {"var": "total"}]}, {">": [{"var": ""}, 50]}]})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (select(vec!["and", "or"]), vec(inner.clone(), 1..4))
                .prop_map(|(operator, parts)| json!({operator: parts})),
            inner.prop_map(|part| json!({"!": [part]})),
        ]
    })
    .boxed()
}

fn variants() -> (Value, [&'static str; 5]) {
    (
        json!({"red": "#f00", "green": "#0f0", "true": "yes", "false": "no", "fallback": "-"}),
        ["red", "green", "true", "false", "none"],
    )
}

/// What a rule may end in.
fn outcome(version: u8) -> impl Strategy<Value = Value> {
    let name = select(variants().1.to_vec()).prop_map(Value::from);
    prop_oneof![
        4 => name,
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => split(version),
    ]
}

fn split(version: u8) -> impl Strategy<Value = Value> {
    let by = prop_oneof![
        Just(json!([["red", 25], ["green", 75]])),
        Just(json!([["green"], ["red", 3]])),
        (0_i64..101).prop_map(|share| json!([{"var": "targetingKey"}, ["red", share], ["green", 100 - share]])),
        Just(
            json!([{"cat": [{"var": "$flagd.flagKey"}, {"var": "user.name"}]}, ["red", 1], ["green", 1], ["true", 2]])
        ),
        Just(
            json!([{"var": "email"}, [{"if": [{"var": "flags.early"}, "red", "green"]}, 50], ["true", {"var": "age"}]])
        ),
    ];
    // By a number: only version 3 can.
    let by_age = Just(json!([{"var": "age"}, ["red", 50], ["green", 50]]));
    prop_oneof![4 => by, u32::from(version == 3) => by_age].prop_map(|buckets| json!({"fractional": buckets}))
}

/// Flags as people write them.
pub(super) fn ordinary(version: u8) -> impl Strategy<Value = Asked> {
    let rule = prop_oneof![
        6 => vec((condition(), outcome(version)), 1..4).prop_flat_map(move |pairs| (Just(pairs), proptest::option::of(outcome(version))))
            .prop_map(|(pairs, last)| {
                let arguments: Vec<Value> = pairs.into_iter().flat_map(|(condition, outcome)| [condition, outcome]).chain(last).collect();
                json!({"if": arguments})
            }),
        1 => condition(),
        1 => split(version),
        1 => Just(json!({})),
        1 => Just(json!({"$ref": "nobody"})),
        1 => Just(json!({"if": [{"nope": [1]}, "red", "green"]})),
    ];
    let state = prop_oneof![9 => Just("ENABLED"), 1 => Just("DISABLED")];
    let default = select(vec![json!("fallback"), json!("red"), Value::Null, json!("")]);
    (state, default, rule, vec(caller(), 3)).prop_map(move |(state, default, rule, contexts)| Asked {
        version,
        state,
        kind: "string",
        variants: variants().0,
        default,
        rule,
        contexts,
        with_reference: false,
    })
}

/// Splits by anything into anything. What only one engine knows is left out: version 2 of the other hashes UTF-16, so keys are
/// ASCII; JavaScript cannot tell 1.0 from 1, so weights are integers; Python takes a list or an object for a variant.
pub(super) fn splits(version: u8) -> impl Strategy<Value = Asked> {
    let number = prop_oneof![
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-9_000_000_000_000_000_i64..9_000_000_000_000_000).prop_map(Value::from)
    ];
    let text = "[ -~]{0,40}".prop_map(Value::from);
    let scalar = prop_oneof![3 => text, 2 => number, 1 => any::<bool>().prop_map(Value::from), 1 => Just(Value::Null)];
    let item = prop_oneof!["[a-z]{0,5}".prop_map(Value::from), (-5_i64..99).prop_map(Value::from), Just(json!(true))];
    let list = vec(item, 0..3).prop_map(Value::from);
    let object = proptest::collection::btree_map("[a-z]{1,4}", scalar.clone(), 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()));
    let value = prop_oneof![8 => scalar, 1 => list, u32::from(version == 3) => object];
    let weight = prop_oneof![4 => (0_i64..100).prop_map(Value::from), 1 => Just(json!(-5)), 1 => (0_i64..2_000_000_000).prop_map(Value::from), 1 => Just(json!("5"))];
    let bucket = (select(vec!["red", "green", "true", "none"]), proptest::option::weighted(0.8, weight))
        .prop_map(|(name, weight)| [Value::from(name)].into_iter().chain(weight).collect::<Value>());
    let key = prop_oneof![4 => "[ -~]{1,300}", 1 => "[ -~]{1,9}"];
    (value, vec(bucket, 0..4), any::<bool>(), key).prop_map(move |(value, buckets, shorthand, key)| {
        let by = (!shorthand).then(|| json!({"var": "by"}));
        let arguments: Vec<Value> = by.into_iter().chain(buckets).collect();
        Asked {
            version,
            state: "ENABLED",
            kind: "string",
            variants: variants().0,
            default: json!("fallback"),
            rule: json!({"fractional": arguments}),
            contexts: vec![json!({"targetingKey": key, "by": value})],
            with_reference: false,
        }
    })
}
