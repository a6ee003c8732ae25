//! The official document, and what of an exchange goes against it.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::http::{HeaderMap, Method};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use crate::words;

const TEXT: &str = include_str!("../../fixtures/digitalocean-openapi.json");
/// Paths that the client knows and the pinned part of the document leaves out.
const LEFT_OUT: [&str; 1] = ["/v2/customers/my/balance"];
/// What every answer has, by the document.
const LIMIT_HEADERS: [&str; 3] = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) request_headers: HeaderMap,
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) answer_headers: HeaderMap,
    pub(crate) answer: Vec<u8>,
}

/// The document, in the words of JSON Schema draft 4, which is what OpenAPI 3.0 builds on.
pub(crate) struct Document {
    whole: Map<String, Value>,
    /// Compiled schemas, by where they stand.
    compiled: Mutex<HashMap<String, Validator>>,
}

impl Document {
    pub(crate) fn official() -> Self {
        let mut whole: Value = serde_json::from_str(TEXT).unwrap();
        in_draft_4(&mut whole);
        let Value::Object(whole) = whole else { panic!("the document is an object") };
        Self { whole, compiled: Mutex::default() }
    }

    /// What of the request goes against the document.
    pub(crate) fn faults_of_request(&self, exchange: &Exchange) -> Vec<String> {
        let shown = format!("{} {}?{}", exchange.method, exchange.path, exchange.query);
        if LEFT_OUT.contains(&exchange.path.as_str()) {
            return Vec::new();
        }
        let Some((template, operation)) = self.operation(&exchange.method, &exchange.path) else {
            return vec![format!("{shown}: there is no such call")];
        };
        let mut faults = self.faults_of_parameters(exchange, &template, &operation);
        let schema = self.resolved(&format!("{operation}/requestBody"));
        let schema =
            schema.map(|at| format!("{at}/content/application~1json/schema")).filter(|at| self.at(at).is_some());
        match (schema, serde_json::from_slice::<Value>(&exchange.request)) {
            (Some(schema), Ok(body)) => {
                faults.extend(self.faults_of_value(&schema, &body));
                faults.extend(words::unknown(self, &schema, &body));
            }
            (Some(_), Err(error)) => faults.push(format!("the body: {error}")),
            (None, _) if !exchange.request.is_empty() => faults.push("it takes no body".to_owned()),
            (None, _) => {}
        }
        let token = exchange.request_headers.get("authorization").and_then(|value| value.to_str().ok());
        if !token.is_some_and(|token| token.starts_with("Bearer ")) {
            faults.push("it has no token".to_owned());
        }
        faults.into_iter().map(|fault| format!("{shown}: {fault}")).collect()
    }

    /// What of the answer goes against the document.
    pub(crate) fn faults_of_answer(&self, exchange: &Exchange) -> Vec<String> {
        let Exchange { method, path, status, answer_headers, answer, .. } = exchange;
        if LEFT_OUT.contains(&path.as_str()) {
            return Vec::new();
        }
        let Some((_, operation)) = self.operation(method, path) else {
            return vec![format!("{method} {path}: there is no such call")];
        };
        let mut faults = Vec::new();
        let limits = LIMIT_HEADERS.iter().filter(|name| !is_number(answer_headers, name));
        faults.extend(limits.map(|name| format!("the header {name} is missing or no number")));
        let declared = format!("{operation}/responses/{status}");
        let at = if self.at(&declared).is_some() { Some(declared) } else { None };
        let default = (*status >= 400).then(|| format!("{operation}/responses/default"));
        match at.or(default).and_then(|at| self.resolved(&at)) {
            None => faults.push("this call does not answer so".to_owned()),
            Some(at) => {
                let schema = format!("{at}/content/application~1json/schema");
                if self.at(&schema).is_none() {
                    if !answer.is_empty() {
                        faults.push("the answer should be empty".to_owned());
                    }
                } else if !is_json(answer_headers) {
                    faults.push("the answer is not application/json".to_owned());
                } else {
                    match serde_json::from_slice::<Value>(answer) {
                        Ok(body) => {
                            faults.extend(self.faults_of_value(&schema, &body));
                            faults.extend(words::unknown(self, &schema, &body));
                        }
                        Err(error) => faults.push(format!("the answer: {error}")),
                    }
                }
            }
        }
        faults.into_iter().map(|fault| format!("{method} {path}: {status}: {fault}")).collect()
    }

    /// What stands there: `/components/schemas/droplet`.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        let mut parts = pointer.strip_prefix('/')?.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
        let first = self.whole.get(&parts.next()?)?;
        parts.try_fold(first, |value, part| match value {
            Value::Array(list) => list.get(part.parse::<usize>().ok()?),
            other => other.get(&part),
        })
    }

    /// Where that stands which this place refers to, or the place itself.
    pub(crate) fn resolved(&self, pointer: &str) -> Option<String> {
        let mut pointer = pointer.to_owned();
        while let Some(target) = self.at(&pointer)?.get("$ref") {
            pointer = target.as_str()?.strip_prefix('#')?.to_owned();
        }
        Some(pointer)
    }

    /// The statuses that an operation says it answers with.
    pub(crate) fn statuses(&self, operation: &str) -> Vec<String> {
        let statuses = self.at(&format!("{operation}/responses")).and_then(Value::as_object);
        statuses.into_iter().flatten().map(|(status, _)| status.clone()).collect()
    }

    /// Where the schema of an answer stands, and the examples of it.
    pub(crate) fn examples(&self, operation: &str, status: &str) -> (String, Vec<Value>) {
        let at = self.resolved(&format!("{operation}/responses/{status}")).unwrap_or_default();
        let content = format!("{at}/content/application~1json");
        let mut examples: Vec<Value> = self.at(&format!("{content}/example")).into_iter().cloned().collect();
        for (name, _) in self.at(&format!("{content}/examples")).and_then(Value::as_object).into_iter().flatten() {
            let at = self.resolved(&format!("{content}/examples/{}/value", escaped(name)));
            let at = at.or_else(|| {
                self.resolved(&format!("{content}/examples/{}", escaped(name))).map(|at| format!("{at}/value"))
            });
            examples.extend(at.and_then(|at| self.at(&at).cloned()));
        }
        (format!("{content}/schema"), examples)
    }

    /// All operations: the template of the path, and where it stands.
    pub(crate) fn operations(&self) -> Vec<(String, String)> {
        let paths = self.at("/paths").and_then(Value::as_object).into_iter().flatten();
        let methods = paths.flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().map(move |(method, _)| (path.clone(), method.clone()))
        });
        methods.map(|(path, method)| (path.clone(), format!("/paths/{}/{method}", escaped(&path)))).collect()
    }

    /// What of a value goes against the schema that stands there.
    pub(crate) fn faults_of_value(&self, schema: &str, value: &Value) -> Vec<String> {
        let mut compiled = self.compiled.lock().unwrap();
        let validator = compiled.entry(schema.to_owned()).or_insert_with(|| {
            let mut root = self.whole.clone();
            root.insert("allOf".to_owned(), json!([{ "$ref": format!("#{}", in_uri(schema)) }]));
            let options = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true);
            options.build(&Value::Object(root)).unwrap()
        });
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// The template of a path, and where its operation stands. Of several, the one with fewer gaps: `/v2/droplets/autoscale`
    /// is no droplet.
    pub(crate) fn operation(&self, method: &Method, path: &str) -> Option<(String, String)> {
        let wanted = method.as_str().to_lowercase();
        let operations = self.operations().into_iter();
        let fit =
            operations.filter(|(template, at)| at.ends_with(&format!("/{wanted}")) && gaps(template, path).is_some());
        fit.min_by_key(|(template, _)| gaps(template, path).map(|gaps| gaps.len()))
    }

    fn faults_of_parameters(&self, exchange: &Exchange, template: &str, operation: &str) -> Vec<String> {
        let mut given: Vec<(String, String, String)> = Vec::new();
        given.extend(
            gaps(template, &exchange.path).into_iter().flatten().map(|(name, value)| ("path".to_owned(), name, value)),
        );
        let url = format!("http://localhost/?{}", exchange.query).parse::<reqwest::Url>().unwrap();
        let pairs = url.query_pairs();
        given.extend(pairs.map(|(name, value)| ("query".to_owned(), name.into_owned(), value.into_owned())));
        let count = self.at(&format!("{operation}/parameters")).and_then(Value::as_array).map_or(0, Vec::len);
        let declared = (0..count).filter_map(|number| self.resolved(&format!("{operation}/parameters/{number}")));
        let mut faults = Vec::new();
        for at in declared {
            let text = |key: &str| self.at(&at).and_then(|value| value.get(key)).and_then(Value::as_str).unwrap_or("");
            let (place, name) = (text("in").to_owned(), text("name").to_owned());
            let required = self.at(&format!("{at}/required")) == Some(&Value::Bool(true));
            let Some(index) = given.iter().position(|(p, n, _)| *p == place && *n == name) else {
                if required && place != "header" {
                    faults.push(format!("the parameter {name} is missing"));
                }
                continue;
            };
            let (_, _, value) = given.swap_remove(index);
            let as_text = self.faults_of_value(&format!("{at}/schema"), &json!(value));
            let as_number =
                value.parse::<i64>().map(|value| self.faults_of_value(&format!("{at}/schema"), &json!(value)));
            if !as_text.is_empty() && !as_number.is_ok_and(|faults| faults.is_empty()) {
                faults.push(format!("the parameter {name}: {as_text:?}"));
            }
        }
        faults.extend(given.iter().map(|(_, name, _)| format!("there is no parameter {name}")));
        faults
    }
}

/// OpenAPI 3.0 says `nullable` where draft 4 has the type `null`.
fn in_draft_4(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.remove("nullable") == Some(Value::Bool(true))
                && let Some(kind) = object.get("type").cloned()
            {
                object.insert("type".to_owned(), json!([kind, "null"]));
            }
            object.values_mut().for_each(in_draft_4);
        }
        Value::Array(list) => list.iter_mut().for_each(in_draft_4),
        _ => {}
    }
}

/// Names and values of the gaps of a template; `None` if the path is another one.
fn gaps(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut gaps = Vec::new();
    for (wanted, part) in template.iter().zip(&path) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => gaps.push((name.to_owned(), (*part).to_owned())),
            None if wanted == part => {}
            None => return None,
        }
    }
    Some(gaps)
}

fn escaped(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// As it stands in a URI (RFC 6901 section 6).
fn in_uri(pointer: &str) -> String {
    pointer.replace('{', "%7B").replace('}', "%7D")
}

fn is_number(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.parse::<u64>().is_ok())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next() == Some("application/json"))
}
