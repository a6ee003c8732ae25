//! One operator at a time, on values of any type and any number of them: where JsonLogic's engines begin to differ.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::documents::Asked;

/// Operators whose result is shown as it is.
const PLAIN: &str =
    "var if ?: and or ! !! == != === !== < <= > >= in cat substr reduce all some none starts_with ends_with sem_ver";
/// A list names a variant `['a']` in Python: shown as text, by `cat`, it does not.
const LISTS: &str = "missing missing_some map filter merge";
/// A number may name a variant `1.0` or `True` in Python: shown as the text of a sum it does not.
const NUMBERS: &str = "+ - * / % min max";
/// What JsonLogic itself does not know.
const FLAGD: &str = "starts_with ends_with sem_ver";
/// What attributes are made of.
const SCALARS: &str = r#"[null, true, false, 0, 1, -1, 2.5, 10, "", "a", "abc", "1", "-1", "1.2", "1.2.3", " 1 ", "=", "b.c", "0", 1e21]"#;
const VARIANTS: &str = "fallback true false 0 1 -1 2 2.5 a b abc 1.2 10 - null x";

fn words(text: &'static str) -> Vec<&'static str> {
    text.split(' ').collect()
}

/// An attribute of any type.
fn attribute() -> impl Strategy<Value = Value> {
    let scalars: Vec<Value> = serde_json::from_str(SCALARS).expect("it is JSON");
    let scalar = select(scalars);
    let list = vec(scalar.clone(), 0..3).prop_map(Value::from);
    prop_oneof![6 => scalar, 1 => list, 1 => Just(json!({})), 1 => Just(json!({"c": 1, "a": "x"}))]
}

/// One operator on values of any type.
pub(super) fn anything() -> impl Strategy<Value = Asked> {
    let operators = [PLAIN, LISTS, NUMBERS].into_iter().flat_map(words).collect::<Vec<_>>();
    let argument = select(words("a b c d nobody")).prop_map(|name| json!({"var": name}));
    (select(operators), vec(attribute(), 4), vec(argument, 1..4), any::<bool>()).prop_map(
        |(operator, attributes, arguments, as_condition)| {
            let names = ["a", "b", "c", "d"].map(str::to_owned);
            let context: Map<String, Value> = names.into_iter().zip(attributes).collect();
            Asked {
                version: 2,
                state: "ENABLED",
                kind: "string",
                variants: words(VARIANTS).into_iter().map(|name| (name.to_owned(), Value::from(name))).collect(),
                default: json!("fallback"),
                rule: shown(operator, arguments, as_condition),
                contexts: vec![Value::Object(context)],
                with_reference: !words(FLAGD).contains(&operator),
            }
        },
    )
}

/// A rule whose result says what the operator comes to.
fn shown(operator: &str, mut arguments: Vec<Value>, as_condition: bool) -> Value {
    match operator {
        // The Python engine does not evaluate where a `reduce` begins, and knows no third argument of `var`.
        "reduce" => arguments = arguments.into_iter().take(2).chain([json!(1)]).collect(),
        "var" => arguments.truncate(2),
        // Python compares two objects by what is in them, JavaScript takes a third argument into account.
        "==" | "!=" | "===" | "!==" => arguments.truncate(2),
        _ => {}
    }
    let call = json!({operator: arguments});
    match operator {
        _ if as_condition => json!({"if": [call, "a", "b"]}),
        operator if words(LISTS).contains(&operator) => json!({"cat": [call]}),
        operator if words(NUMBERS).contains(&operator) => json!({"cat": [{"+": [call, 0]}]}),
        _ => call,
    }
}
