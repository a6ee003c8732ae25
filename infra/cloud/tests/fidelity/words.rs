//! Keys that the document does not know. Its schemas allow them everywhere, so that a misspelt one would pass.

use serde_json::{Map, Value};

use crate::document::Document;

/// A key that the document itself misspells, and how its own examples write it.
const MISSPELT: (&str, &str) = ("imgages", "images");

/// Keys that the document lacks and the real cloud has: its own Go client reads them.
const BEYOND: [&str; 2] = ["/account/reserved_ip_limit", "/account/volume_limit"];

/// Where in `value` such keys are.
pub(crate) fn unknown(document: &Document, schema: &str, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(document, &[schema.to_owned()], value, "", &mut found);
    found
}

fn look(document: &Document, schemas: &[String], value: &Value, path: &str, found: &mut Vec<String>) {
    let mut all = Vec::new();
    for schema in schemas {
        alternatives(document, schema, &mut all);
    }
    match value {
        Value::Object(object) => of_object(document, &all, object, path, found),
        Value::Array(list) => {
            let items = below(document, &all, "items");
            for (number, entry) in list.iter().enumerate() {
                look(document, &items, entry, &format!("{path}/{number}"), found);
            }
        }
        _ => {}
    }
}

fn of_object(document: &Document, all: &[String], object: &Map<String, Value>, path: &str, found: &mut Vec<String>) {
    let closed = all.iter().any(|schema| document.at(&format!("{schema}/properties")).is_some());
    let others = below(document, all, "additionalProperties");
    for (key, value) in object {
        let key = key.replace('~', "~0").replace('/', "~1");
        let mut schemas = below(document, all, &format!("properties/{key}"));
        if key == MISSPELT.1 {
            schemas.extend(below(document, all, &format!("properties/{}", MISSPELT.0)));
        }
        schemas.extend_from_slice(&others);
        let path = format!("{path}/{key}");
        if schemas.is_empty() && closed && !BEYOND.contains(&path.as_str()) {
            found.push(format!("{path} is not in the document"));
        } else {
            look(document, &schemas, value, &path, found);
        }
    }
}

/// A schema and all that it is made of.
fn alternatives(document: &Document, schema: &str, all: &mut Vec<String>) {
    let Some(schema) = document.resolved(schema).filter(|schema| !all.contains(schema)) else { return };
    all.push(schema.clone());
    for word in ["allOf", "oneOf", "anyOf"] {
        let count = document.at(&format!("{schema}/{word}")).and_then(Value::as_array).map_or(0, Vec::len);
        for number in 0..count {
            alternatives(document, &format!("{schema}/{word}/{number}"), all);
        }
    }
}

fn below(document: &Document, schemas: &[String], place: &str) -> Vec<String> {
    let places = schemas.iter().map(|schema| format!("{schema}/{place}"));
    places.filter(|place| document.at(place).is_some()).collect()
}
