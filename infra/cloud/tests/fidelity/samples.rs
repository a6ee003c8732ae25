//! An answer made of the examples that stand at its parts, where the document has none of the whole.

use serde_json::{Map, Value, json};

use crate::document::Document;

/// A value that the schema which stands there allows.
pub(crate) fn sample(document: &Document, schema: &str) -> Value {
    let schema = document.resolved(schema).unwrap_or_default();
    let Some(found) = document.at(&schema).and_then(Value::as_object) else { return Value::Null };
    if let Some(example) = found.get("example") {
        return example.clone();
    }
    let mut object = Map::new();
    for (name, _) in found.get("properties").and_then(Value::as_object).into_iter().flatten() {
        object.insert(name.clone(), sample(document, &format!("{schema}/properties/{name}")));
    }
    let parts = found.get("allOf").and_then(Value::as_array).map_or(0, Vec::len);
    for part in (0..parts).map(|number| sample(document, &format!("{schema}/allOf/{number}"))) {
        match part {
            Value::Object(part) => object.extend(part),
            Value::Null => {}
            other => return other,
        }
    }
    match found.get("type").and_then(Value::as_str) {
        Some("array") => json!([sample(document, &format!("{schema}/items"))]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("string") => found.get("enum").map_or_else(|| json!("text"), |words| words[0].clone()),
        _ if found.contains_key("oneOf") => sample(document, &format!("{schema}/oneOf/0")),
        _ => Value::Object(object),
    }
}
