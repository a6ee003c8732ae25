//! The document tells good from bad: its own examples pass, and answers with one thing wrong do not.

use axum::http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::document::{Document, Exchange};

fn exchange(method: Method, path: &str, status: u16, answer: &Value) -> Exchange {
    let mut answer_headers = HeaderMap::new();
    answer_headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
    for (name, value) in
        [("ratelimit-limit", "5000"), ("ratelimit-remaining", "4999"), ("ratelimit-reset", "1444931833")]
    {
        answer_headers.insert(name, HeaderValue::from_static(value));
    }
    let mut request_headers = HeaderMap::new();
    request_headers.insert("authorization", HeaderValue::from_static("Bearer t"));
    Exchange {
        method,
        path: path.to_owned(),
        query: String::new(),
        request_headers,
        request: Vec::new(),
        status,
        answer_headers,
        answer: answer.to_string().into_bytes(),
    }
}

type Spoil = fn(&mut Value);

/// The example of a droplet in the document itself.
fn droplet(document: &Document) -> Value {
    document.at("/components/examples/droplet_single/value").unwrap().clone()
}

#[test]
fn the_official_examples_pass() {
    let document = Document::official();
    let (mut passed, mut refused) = (0, Vec::new());
    for (_, operation) in document.operations() {
        for status in document.statuses(&operation) {
            let (schema, examples) = document.examples(&operation, &status);
            for example in examples {
                match document.faults_of_value(&schema, &example).first() {
                    None => passed += 1,
                    Some(fault) => refused.push(format!("{operation} {status}: {fault}")),
                }
            }
        }
    }
    assert!(passed > 400, "only {passed} examples were found");
    assert_eq!(refused, [""; 0]);
}

#[test]
fn an_answer_with_one_thing_wrong_is_caught() {
    let document = Document::official();
    let good = droplet(&document);
    let faults =
        |answer: &Value| document.faults_of_answer(&exchange(Method::GET, "/v2/droplets/3164444", 200, answer));
    assert_eq!(faults(&good), [""; 0]);
    let spoils: [(&str, Spoil); 7] = [
        ("no id", |droplet| drop(droplet.as_object_mut().unwrap().remove("id"))),
        ("an id that is text", |droplet| droplet["id"] = json!("3164444")),
        ("a status that is new", |droplet| droplet["status"] = json!("booting")),
        ("a date that is none", |droplet| droplet["created_at"] = json!("yesterday")),
        ("a null that may not be", |droplet| droplet["name"] = json!(null)),
        ("a key that is misspelt", |droplet| droplet["size_slugg"] = json!("s-1vcpu-1gb")),
        ("a deep key that is misspelt", |droplet| droplet["networks"]["v4"][0]["adress"] = json!("10.0.0.1")),
    ];
    for (what, spoil) in spoils {
        let mut answer = good.clone();
        spoil(&mut answer["droplet"]);
        assert_eq!(faults(&answer).len(), 1, "{what}: {:?}", faults(&answer));
    }
}

#[test]
fn a_status_header_or_path_that_is_wrong_is_caught() {
    let document = Document::official();
    let good = exchange(Method::GET, "/v2/droplets/3164444", 200, &droplet(&document));
    let faults = |exchange: &Exchange| document.faults_of_answer(exchange).len();
    assert_eq!(faults(&Exchange { status: 202, ..good.clone() }), 1);
    for name in ["ratelimit-remaining", "content-type"] {
        let mut answer_headers = good.answer_headers.clone();
        answer_headers.remove(name);
        assert_eq!(faults(&Exchange { answer_headers, ..good.clone() }), 1, "{name}");
    }
    assert_eq!(faults(&Exchange { path: "/v2/drops/1".into(), ..good.clone() }), 1);
    let deleted = Exchange { method: Method::DELETE, status: 204, answer: Vec::new(), ..good.clone() };
    assert_eq!(faults(&deleted), 0);
    assert_eq!(faults(&Exchange { answer: b"{}".to_vec(), ..deleted }), 1);
    let error = json!({"id": "not_found", "message": "gone"});
    assert_eq!(faults(&exchange(Method::GET, "/v2/droplets/1", 404, &error)), 0);
    assert_eq!(faults(&exchange(Method::GET, "/v2/droplets/1", 418, &error)), 0, "the default is an error");
    assert_eq!(faults(&exchange(Method::GET, "/v2/droplets/1", 404, &json!({"error": "gone"}))), 3);
}

#[test]
fn a_request_with_one_thing_wrong_is_caught() {
    let document = Document::official();
    let body = json!({"name": "a", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"});
    let good = Exchange {
        request: body.to_string().into_bytes(),
        ..exchange(Method::POST, "/v2/droplets", 202, &Value::Null)
    };
    let faults = |exchange: &Exchange| document.faults_of_request(exchange).len();
    assert_eq!(faults(&good), 0);
    assert_eq!(faults(&Exchange { request_headers: HeaderMap::new(), ..good.clone() }), 1);
    let mut misspelt = body.clone();
    misspelt["userdata"] = json!("");
    assert_eq!(faults(&Exchange { request: misspelt.to_string().into_bytes(), ..good.clone() }), 1);
    assert!(faults(&Exchange { request: b"{}".to_vec(), ..good.clone() }) > 0);
    assert_eq!(faults(&Exchange { request: Vec::new(), ..good.clone() }), 1);

    let list = Exchange { request: Vec::new(), method: Method::GET, ..good };
    for (query, count) in
        [("tag_name=a&per_page=200&page=2", 0), ("per_page=201", 1), ("per_page=many", 1), ("tag=a", 1)]
    {
        assert_eq!(faults(&Exchange { query: query.to_owned(), ..list.clone() }), count, "{query}");
    }
}
