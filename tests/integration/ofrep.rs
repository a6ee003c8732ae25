//! OFREP on the admin port: what the protocol says, and the official clients against a real router.
//!
//! `cargo xtask test` sets the clients up, and leaves `clients_*` out where it cannot.

use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use sluice_tests::client;
use sluice_tests::process::Process;
use sluice_tests::router::{Router, Setup};
use sluice_tests::stack::DEMO_POLICY;
use tokio::process::Command;

const OPERATOR: &str = "operator-token";
const READER: &str = "reader-token";
const TOKENS: &str = "token_env = \"TEST_OPERATOR\"\nread_token_env = \"TEST_READER\"";
const ALL: &str = "/ofrep/v1/evaluate/flags";
/// Largest body, and most attributes of a context.
const BODY_BYTES_MAX: usize = 64 * 1024;
const ATTRIBUTES_MAX: usize = 256;

/// Flags of every type, with every outcome.
fn shop() -> Value {
    json!({
        "metadata": {"team": "shop"},
        "flags": {
            "theme": {"state": "ENABLED", "variants": {"dark": "night", "light": "day"}, "defaultVariant": "light",
                "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "dark"]}, "metadata": {"owner": "ada"}},
            "limit": {"state": "ENABLED", "variants": {"ten": 10}, "defaultVariant": "ten"},
            "ratio": {"state": "ENABLED", "variants": {"whole": 1.0}, "defaultVariant": "whole"},
            "style": {"state": "ENABLED", "variants": {"big": {"size": 9}}, "defaultVariant": "big"},
            "split": {"state": "ENABLED", "variants": {"a": "a", "b": "b"}, "defaultVariant": "b", "targeting": {"fractional": [["a", 1]]}},
            "disabled": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on"},
            "broken": {"state": "ENABLED", "variants": {"true": true}, "targeting": {"/": [1, {"var": "nothing"}]}}
        }
    })
}

/// A router with the set, whose admin port asks for tokens or does not.
async fn router(tokens: bool) -> Result<Router> {
    let setup = Setup::new(DEMO_POLICY, "embedded")?.env("TEST_OPERATOR", OPERATOR).env("TEST_READER", READER);
    setup.write_process_config("embedded", if tokens { TOKENS } else { "" })?;
    let router = setup.start().await?;
    let written = request(&router, Method::PUT, "/v1/flagsets/shop").bearer_auth(OPERATOR).body(shop().to_string());
    written.send().await?.error_for_status().context("write the set")?;
    Ok(router)
}

fn request(router: &Router, method: Method, path: &str) -> RequestBuilder {
    client::http().request(method, format!("{}{path}", router.admin))
}

/// Status and body of a question.
async fn ask(router: &Router, path: &str, body: &str) -> Result<(StatusCode, Value)> {
    let response = request(router, Method::POST, path).body(body.to_owned()).send().await?;
    Ok((response.status(), response.json().await?))
}

async fn turn(router: &Router, key: &str, to: &Value) -> Result<()> {
    let write = request(router, Method::PUT, &format!("/v1/flags/{key}")).bearer_auth(OPERATOR);
    write.json(&json!({ "value": to })).send().await?.error_for_status()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flag_is_answered_as_the_protocol_says() -> Result<()> {
    let router = router(false).await?;
    let ada = json!({"context": {"targetingKey": "ada", "email": "ada@example.com"}}).to_string();
    let (status, theme) = ask(&router, &format!("{ALL}/theme"), &ada).await?;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({"key": "theme", "value": "night", "variant": "dark", "reason": "TARGETING_MATCH",
        "metadata": {"team": "shop", "owner": "ada"}});
    assert_eq!(theme, expected);
    // Nobody in particular is somebody, too: no flag of the format demands a targeting key.
    for body in ["", "{}", r#"{"context": {}}"#] {
        assert_eq!(ask(&router, &format!("{ALL}/theme"), body).await?.1["reason"], "DEFAULT", "{body}");
        assert_eq!(ask(&router, &format!("{ALL}/split"), body).await?.1["variant"], "b", "{body}");
    }
    let disabled = ask(&router, &format!("{ALL}/disabled"), "").await?.1;
    assert_eq!(disabled, json!({"key": "disabled", "reason": "DISABLED", "metadata": {"team": "shop"}}));
    let switch = ask(&router, &format!("{ALL}/featureFlags"), "").await?.1;
    assert_eq!(switch, json!({"key": "featureFlags", "value": false, "variant": "off", "reason": "STATIC"}));

    let ratio = request(&router, Method::POST, &format!("{ALL}/ratio")).send().await?;
    assert_eq!(ratio.headers()[header::CONTENT_TYPE], "application/json");
    let text = ratio.text().await?;
    ensure!(text.contains(r#""value":1.0"#), "a float keeps its point: {text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_has_the_statuses_and_codes_of_the_protocol() -> Result<()> {
    let router = router(false).await?;
    let attributes = |count: usize| -> String {
        let attributes: serde_json::Map<String, Value> =
            (0..count).map(|number| (number.to_string(), json!(1))).collect();
        json!({ "context": attributes }).to_string()
    };
    let sized = |bytes: usize| {
        let empty = json!({"context": {"a": ""}}).to_string();
        json!({"context": {"a": "x".repeat(bytes - empty.len())}}).to_string()
    };
    let (bad, gone, good) = (StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::OK);
    let cases = [
        ("theme", "{".to_owned(), bad, json!("PARSE_ERROR")),
        ("theme", "[]".to_owned(), bad, json!("PARSE_ERROR")),
        ("theme", r#"{"context": 1}"#.to_owned(), bad, json!("INVALID_CONTEXT")),
        ("theme", r#"{"context": {"targetingKey": 1}}"#.to_owned(), bad, json!("INVALID_CONTEXT")),
        ("theme", attributes(ATTRIBUTES_MAX), good, Value::Null),
        ("theme", attributes(ATTRIBUTES_MAX + 1), bad, json!("INVALID_CONTEXT")),
        ("theme", sized(BODY_BYTES_MAX), good, Value::Null),
        ("theme", sized(BODY_BYTES_MAX + 1), bad, json!("INVALID_CONTEXT")),
        ("broken", String::new(), bad, json!("GENERAL")),
        ("nobody", String::new(), gone, json!("FLAG_NOT_FOUND")),
        ("no%2Fbody", String::new(), gone, json!("FLAG_NOT_FOUND")),
    ];
    for (key, body, status, code) in cases {
        let (found, answer) = ask(&router, &format!("{ALL}/{key}"), &body).await?;
        assert_eq!((found, &answer["errorCode"]), (status, &code), "{key}: {answer}");
        assert_eq!(answer["key"], key.replace("%2F", "/"));
        assert!(found == good || answer["errorDetails"].is_string(), "{answer}");
    }
    let (status, answer) = ask(&router, ALL, "{").await?;
    assert_eq!((status, &answer["errorCode"], &answer["key"]), (bad, &json!("PARSE_ERROR"), &Value::Null));
    let method = request(&router, Method::GET, ALL).send().await?.status();
    assert_eq!(method, StatusCode::METHOD_NOT_ALLOWED);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_flags_are_told_once_per_answer() -> Result<()> {
    let router = router(false).await?;
    let bulk = |known: Option<String>, email: &str| {
        let asked = request(&router, Method::POST, ALL).json(&json!({"context": {"email": email}}));
        known.into_iter().fold(asked, |asked, etag| asked.header(header::IF_NONE_MATCH, etag)).send()
    };
    let first = bulk(None, "x").await?;
    let etag = first.headers()[header::ETAG].to_str()?.to_owned();
    let answer: Value = first.json().await?;
    let keys: Vec<&str> =
        answer["flags"].as_array().context("flags")?.iter().filter_map(|flag| flag["key"].as_str()).collect();
    assert_eq!(keys, ["broken", "disabled", "featureFlags", "limit", "ratio", "split", "style", "theme"]);
    assert_eq!(answer["flags"][0]["errorCode"], "GENERAL");
    assert_eq!(answer["metadata"], json!({"team": "shop"}));
    assert_eq!(answer["eventStreams"][0]["type"], "sse");

    let again = bulk(Some(etag.clone()), "x").await?;
    assert_eq!((again.status(), again.headers()[header::ETAG].to_str()?), (StatusCode::NOT_MODIFIED, etag.as_str()));
    assert_eq!(again.text().await?, "");
    // Another caller has another answer.
    assert_eq!(bulk(Some(etag.clone()), "ada@example.com").await?.status(), StatusCode::OK);
    turn(&router, "featureFlags", &json!(true)).await?;
    let moved = bulk(Some(etag.clone()), "x").await?;
    assert_eq!(moved.status(), StatusCode::OK);
    assert_ne!(moved.headers()[header::ETAG].to_str()?, etag);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_may_ask_and_a_ticket_opens_the_stream_alone() -> Result<()> {
    let router = router(true).await?;
    let status = async |asked: RequestBuilder| anyhow::Ok(asked.send().await?.status());
    let one = || request(&router, Method::POST, &format!("{ALL}/theme"));
    assert_eq!(status(one()).await?, StatusCode::UNAUTHORIZED);
    assert_eq!(status(one().bearer_auth("wrong")).await?, StatusCode::UNAUTHORIZED);
    assert_eq!(status(one().bearer_auth(READER)).await?, StatusCode::OK);
    assert_eq!(status(one().bearer_auth(OPERATOR)).await?, StatusCode::OK);
    let foreign = one().bearer_auth(READER).header("sec-fetch-site", "cross-site");
    assert_eq!(status(foreign).await?, StatusCode::FORBIDDEN);

    let bulk: Value = request(&router, Method::POST, ALL).bearer_auth(READER).send().await?.json().await?;
    let stream =
        bulk["eventStreams"][0]["endpoint"]["requestUri"].as_str().context("the address of the stream")?.to_owned();
    assert_eq!(status(request(&router, Method::GET, "/ofrep/v1/events")).await?, StatusCode::UNAUTHORIZED);
    assert_eq!(status(request(&router, Method::GET, "/ofrep/v1/events?ticket=1.00")).await?, StatusCode::UNAUTHORIZED);
    let (_, ticket) = stream.split_once('?').context("a ticket")?;
    assert_eq!(status(request(&router, Method::GET, &format!("/v1/status?{ticket}"))).await?, StatusCode::UNAUTHORIZED);

    let mut events = request(&router, Method::GET, &stream).send().await?.error_for_status()?;
    assert_eq!(events.headers()[header::CONTENT_TYPE], "text/event-stream");
    let first = told(&mut events).await?;
    turn(&router, "featureFlags", &json!(true)).await?;
    let second = told(&mut events).await?;
    assert_ne!(first, second);
    // Who comes back and has missed nothing is told of the next change only.
    let back = request(&router, Method::GET, &stream).header("last-event-id", &second);
    let mut back = back.send().await?.error_for_status()?;
    turn(&router, "featureFlags", &json!(false)).await?;
    assert_ne!(told(&mut back).await?, second);
    Ok(())
}

/// The id of the next event of a stream, which is one that says to ask again.
async fn told(events: &mut reqwest::Response) -> Result<String> {
    let mut text = String::new();
    while !text.contains("\n\n") {
        text += &String::from_utf8_lossy(&events.chunk().await?.context("the stream goes on")?);
    }
    ensure!(text.contains(r#""type":"refetchEvaluation""#) && text.contains("event: message"), "{text}");
    let id = text.lines().find_map(|line| line.strip_prefix("id: "));
    Ok(id.with_context(|| format!("no id in {text}"))?.to_owned())
}

/// Where `cargo xtask test` put the clients.
fn clients() -> Result<PathBuf> {
    let folder = std::env::var_os("SLUICE_OFREP_CLIENTS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/ofrep-clients")), PathBuf::from);
    ensure!(folder.join("server.js").is_file(), "no clients: run `cargo xtask test ofrep`");
    Ok(folder)
}

fn client_command(program: &str, script: &str, router: &Router, token: &str) -> Result<Command> {
    let folder = clients()?;
    let program = if program == "python" { folder.join("venv/bin/python") } else { PathBuf::from(program) };
    let mut command = Command::new(program);
    command.current_dir(folder).arg(script).arg(&router.admin).arg(token);
    Ok(command)
}

/// What a client that ends by itself says.
async fn answers(program: &str, script: &str, router: &Router, token: &str) -> Result<Value> {
    let Output { status, stdout, stderr } = client_command(program, script, router, token)?.output().await?;
    let stderr = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "{script}: {stderr}");
    let line = String::from_utf8_lossy(&stdout);
    serde_json::from_str(line.lines().last().unwrap_or_default()).with_context(|| format!("{line}{stderr}"))
}

/// What every official client makes of the flags.
fn assert_understood(answers: &Value) {
    let value = |flag: &str| &answers[flag]["value"];
    assert_eq!(*value("switch"), json!(true), "{answers}");
    assert_eq!(answers["switch"]["reason"], "STATIC");
    assert_eq!((value("theme"), &answers["theme"]["variant"]), (&json!("night"), &json!("dark")), "{answers}");
    assert_eq!(answers["theme"]["reason"], "TARGETING_MATCH");
    assert_eq!(answers["theme"]["flagMetadata"], json!({"team": "shop", "owner": "ada"}));
    assert_eq!(*value("limit"), json!(10));
    assert_eq!(value("ratio").as_f64(), Some(1.0), "{answers}");
    assert_eq!(*value("style"), json!({"size": 9}));
    assert_eq!(
        (value("wrong"), &answers["wrong"]["errorCode"]),
        (&json!("none"), &json!("TYPE_MISMATCH")),
        "{answers}"
    );
    assert_eq!((value("broken"), &answers["broken"]["errorCode"]), (&json!(false), &json!("GENERAL")), "{answers}");
    assert_eq!(
        (value("nobody"), &answers["nobody"]["errorCode"]),
        (&json!(true), &json!("FLAG_NOT_FOUND")),
        "{answers}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_servers_understand_every_answer() -> Result<()> {
    let router = router(true).await?;
    turn(&router, "featureFlags", &json!(true)).await?;
    assert_understood(&answers("node", "server.js", &router, READER).await?);
    assert_understood(&answers("python", "client.py", &router, READER).await?);
    let refused = answers("node", "server.js", &router, "wrong").await?;
    assert_eq!((&refused["theme"]["value"], &refused["theme"]["reason"]), (&json!("none"), &json!("ERROR")));
    Ok(())
}

/// The client of pages asks for all flags once, listens, and asks again when it is told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_pages_follow_changes_without_polling() -> Result<()> {
    let router = router(true).await?;
    let mut page = Process::start("web.js", &mut client_command("node", "web.js", &router, READER)?)?;
    let seen: Value = serde_json::from_str(&page.line("ready ").await?)?;
    assert_eq!(seen["switch"], json!(false));
    assert_eq!(seen["theme"]["value"], "night");
    assert_eq!(seen["disabled"]["value"], json!(true), "{seen}");
    turn(&router, "featureFlags", &json!(true)).await?;
    page.line(r#"changed {"switch":true"#).await?;
    Ok(())
}
