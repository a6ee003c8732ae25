//! JSON Schemas (draft 2020-12) of files, made from the shapes that their readers hold to.
//!
//! A schema says less than the readers: it knows forms and bounds of values, not what contradicts what. Editors use it;
//! `sluice check` is the judge.

use serde_json::{Map, Value, json};

use crate::shape::{Form, Key, Need, Rule, Shape};
use crate::values::{NAME_BYTES_MAX, TEXT_BYTES_MAX};

/// Dialect of the schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a file of this shape.
#[must_use]
pub fn document(shape: &Shape) -> Value {
    let mut schema = of_shape(shape);
    schema.insert("$schema".into(), DIALECT.into());
    schema.insert("title".into(), shape.title.into());
    schema.into()
}

fn of_shape(shape: &Shape) -> Map<String, Value> {
    let properties: Map<String, Value> =
        shape.keys.iter().map(|key| (key.name.to_owned(), of_key(key).into())).collect();
    let required = shape.keys.iter().filter(|key| matches!(key.need, Need::Required));
    let required: Vec<&str> = required.map(|key| key.name).collect();
    let mut schema = object(json!({"type": "object", "properties": properties, "additionalProperties": false}));
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    let each = |keys: &[&str]| keys.iter().map(|key| json!({"required": [key]})).collect::<Vec<_>>();
    match shape.rule {
        Rule::Free => None,
        Rule::ExactlyOne(keys) => schema.insert("oneOf".into(), each(keys).into()),
        Rule::AtLeastOne(keys) => schema.insert("anyOf".into(), each(keys).into()),
        Rule::OnlyWith(keys, with) => {
            let needs: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!([with]))).collect();
            schema.insert("dependentRequired".into(), needs.into())
        }
    };
    schema
}

fn of_key(key: &Key) -> Map<String, Value> {
    let mut schema = of_form(&key.form);
    schema.insert("description".into(), format!("{}.", key.about).into());
    if let Need::Default(written) = key.need {
        schema.insert("default".into(), literal(written));
    }
    schema
}

/// The value that `written` is in a file.
fn literal(written: &str) -> Value {
    let parsed: Option<toml::Table> = toml::from_str(&format!("value = {written}")).ok();
    let value = parsed.and_then(|mut table| table.remove("value")).and_then(|value| serde_json::to_value(value).ok());
    value.unwrap_or_default()
}

fn of_form(form: &Form) -> Map<String, Value> {
    let nested = |form: &Form| Value::from(of_form(form));
    object(match form {
        Form::Text(_, "") => json!({"type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX}),
        Form::Text(_, pattern) => json!({"type": "string", "pattern": pattern, "maxLength": TEXT_BYTES_MAX}),
        Form::LongText(bytes_max) => json!({"type": "string", "maxLength": bytes_max}),
        Form::Name => json!({"type": "string", "pattern": NAME_PATTERN, "maxLength": NAME_BYTES_MAX}),
        Form::Boolean => json!({"type": "boolean"}),
        Form::False => json!({"const": false}),
        Form::Integer(range) => json!({"type": "integer", "minimum": range.start(), "maximum": range.end()}),
        Form::Percent => json!({"type": "number", "minimum": 0, "maximum": 100}),
        Form::Number(range) => json!({"type": "number", "minimum": range.start(), "maximum": range.end()}),
        Form::Duration(_) => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}),
        Form::Size(_) => json!({"type": "string", "pattern": "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)$"}),
        Form::Words(words) => json!({"enum": words}),
        Form::List(of, min, max) => json!({"type": "array", "items": nested(of), "minItems": min, "maxItems": max}),
        Form::OneOrMore(of, max) => json!({"anyOf": [nested(of), nested(&Form::List(of, 1, *max))]}),
        Form::Table(shape) => of_shape(shape).into(),
        Form::Map(of, max) => json!({"type": "object", "additionalProperties": nested(of), "maxProperties": max}),
        Form::Either(forms) => json!({"anyOf": forms.iter().map(nested).collect::<Vec<_>>()}),
        Form::Anything => json!({"type": "object"}),
    })
}

/// What [`Form::Name`] matches.
const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
