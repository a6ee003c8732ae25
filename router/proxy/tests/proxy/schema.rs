//! Holds a value against a JSON Schema, as far as our schemas go. A keyword that it does not know is a failure, so that
//! no part of a schema is passed over in silence.

use serde_json::Value;

/// Checks `value`.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(crate) fn check(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().ok_or_else(|| format!("{place}: no schema"))? {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => one_or_many(wanted).iter().any(|kind| is_of(kind, value)),
            "enum" => list(wanted).contains(value),
            "required" => list(wanted).iter().all(|name| value.get(name.as_str().unwrap_or_default()).is_some()),
            "additionalProperties" => *wanted == Value::Bool(false) && names_only(&schema["properties"], value),
            "properties" => {
                each_property(wanted, value, place)?;
                true
            }
            "items" => {
                for (index, item) in list(value).iter().enumerate() {
                    check(wanted, item, &format!("{place}[{index}]"))?;
                }
                true
            }
            "maxItems" => list(value).len() as u64 <= wanted.as_u64().unwrap_or(0),
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap_or(0))
            }
            "minimum" => value.as_u64().is_none_or(|number| number >= wanted.as_u64().unwrap_or(u64::MAX)),
            "maximum" => value.as_u64().is_none_or(|number| number <= wanted.as_u64().unwrap_or(0)),
            "pattern" => value.as_str().is_none_or(|text| matches(wanted.as_str().unwrap_or_default(), text)),
            unknown => return Err(format!("{place}: the keyword {unknown} is not known here")),
        };
        if !holds {
            return Err(format!("{place}: {value} is not {keyword} {wanted}"));
        }
    }
    Ok(())
}

fn each_property(schemas: &Value, value: &Value, place: &str) -> Result<(), String> {
    let properties = value.as_object().into_iter().flatten();
    properties.clone().try_for_each(|(name, value)| match schemas.get(name) {
        Some(schema) => check(schema, value, &format!("{place}.{name}")),
        None => Ok(()),
    })
}

fn names_only(schemas: &Value, value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.keys().all(|name| schemas.get(name).is_some()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn one_or_many(value: &Value) -> Vec<&str> {
    value.as_str().into_iter().chain(list(value).iter().filter_map(Value::as_str)).collect()
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// Patterns of a whole text: classes of characters in brackets, `\.`, `{n}` and `+`.
fn matches(pattern: &str, text: &str) -> bool {
    let Some(inner) = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) else { return false };
    let (mut pattern, mut text) = (inner, text);
    while let Some(first) = pattern.chars().next() {
        let (class, rest) = match first {
            '[' => pattern[1..].split_once(']').unwrap_or_default(),
            '\\' => (&pattern[1..2], &pattern[2..]),
            _ => pattern.split_at(1),
        };
        let here = text.chars().take_while(|letter| is_in(class, *letter)).count();
        let (wanted, rest) = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((count, rest)) => (count.parse().unwrap_or(usize::MAX), rest),
            None => rest.strip_prefix('+').map_or((1, rest), |rest| (here.max(1), rest)),
        };
        if here < wanted {
            return false;
        }
        (pattern, text) = (rest, &text[wanted..]);
    }
    text.is_empty()
}

fn is_in(class: &str, letter: char) -> bool {
    let class: Vec<char> = class.chars().collect();
    let in_range = |range: &[char]| range[1] == '-' && (range[0]..=range[2]).contains(&letter);
    class.windows(3).any(in_range) || class.contains(&letter)
}

#[test]
fn what_is_wrong_is_found() {
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let line = schema(
        r#"{"type":"object","additionalProperties":false,"required":["a"],"properties":{"a":{"pattern":"^[0-9]{2}\\.[a-z]+$"}}}"#,
    );
    assert_eq!(check(&line, &schema(r#"{"a":"12.ab"}"#), ""), Ok(()));
    for wrong in [r#"{}"#, r#"{"a":"12.ab","b":1}"#, r#"{"a":"1.ab"}"#, r#"{"a":"12.a1"}"#, r#"[]"#] {
        assert!(check(&line, &schema(wrong), "").is_err(), "{wrong}");
    }
    assert!(check(&schema(r#"{"format":"date"}"#), &Value::Null, "").is_err());
}
