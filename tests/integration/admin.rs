//! The admin port: who may do what from where, what it answers, and what it says about wrong requests.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use sluice_tests::client;
use sluice_tests::metrics;
use sluice_tests::router::{Router, Setup};
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};

const OPERATOR: &str = "operator-token";
const READER: &str = "reader-token";
const TOKENS: &str = "token_env = \"TEST_OPERATOR\"\nread_token_env = \"TEST_READER\"";
/// Largest body that a write may have.
const BODY_BYTES_MAX: usize = 64 * 1024;

fn request(router: &Router, method: Method, path: &str) -> RequestBuilder {
    client::http().request(method, format!("{}{path}", router.admin))
}

fn get(router: &Router, path: &str) -> RequestBuilder {
    request(router, Method::GET, path)
}

async fn status(request: RequestBuilder) -> Result<StatusCode> {
    Ok(request.send().await?.status())
}

/// Status and message of a refused request.
async fn refusal(request: RequestBuilder) -> Result<(StatusCode, String)> {
    let response = request.send().await?;
    let status = response.status();
    let body: Value = response.json().await?;
    let message = body["error"]["message"].as_str().with_context(|| format!("no error in {body}"))?;
    Ok((status, message.to_owned()))
}

async fn flag(router: &Router) -> Result<Value> {
    Ok(router.get("/v1/flags/featureFlags").await?["value"].clone())
}

async fn guarded() -> Result<Router> {
    let setup = Setup::new(DEMO_POLICY, "embedded")?.env("TEST_OPERATOR", OPERATOR).env("TEST_READER", READER);
    setup.write_process_config("embedded", TOKENS)?;
    setup.start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_only_this_machine_by_its_own_name_is_served() -> Result<()> {
    let router = Router::start(DEMO_POLICY).await?;
    for name in ["evil.example", "evil.example:9900", "127.0.0.1.evil.example"] {
        let (status, message) = refusal(get(&router, "/v1/status").header(header::HOST, name)).await?;
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}");
        assert!(message.contains("Host"), "{message}");
    }
    for name in ["localhost", "127.0.0.1:1", "[::1]"] {
        assert_eq!(status(get(&router, "/v1/status").header(header::HOST, name)).await?, StatusCode::OK, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_site_changes_nothing() -> Result<()> {
    let router = Router::start(DEMO_POLICY).await?;
    let before = flag(&router).await?;
    for (name, value) in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(status(get(&router, "/on").header(name, value)).await?, StatusCode::FORBIDDEN, "{name}: {value}");
        let write = request(&router, Method::PUT, "/v1/flags/featureFlags").json(&json!({ "value": true }));
        assert_eq!(status(write.header(name, value)).await?, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    assert_eq!(flag(&router).await?, before);

    let own = get(&router, "/on").header("origin", router.admin.as_str()).header("sec-fetch-site", "same-origin");
    assert_eq!(own.send().await?.text().await?, "true\n");
    assert_eq!(flag(&router).await?, true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_token_writes_the_readers_reads_and_probes_need_none() -> Result<()> {
    let router = guarded().await?;
    let write = || request(&router, Method::PUT, "/v1/flags/featureFlags").json(&json!({ "value": true }));

    let response = get(&router, "/v1/status").send().await?;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    for path in ["/metrics", "/on", "/v1/events", "/v1/no-such"] {
        assert_eq!(status(get(&router, path)).await?, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(status(get(&router, path).bearer_auth("wrong")).await?, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/healthz", "/readyz", "/"] {
        assert_eq!(status(get(&router, path)).await?, StatusCode::OK, "{path}");
    }

    assert_eq!(status(get(&router, "/v1/status").bearer_auth(READER)).await?, StatusCode::OK);
    assert_eq!(status(get(&router, "/on").bearer_auth(READER)).await?, StatusCode::FORBIDDEN);
    let (status_of_write, message) = refusal(write().bearer_auth(READER)).await?;
    assert_eq!((status_of_write, message.as_str()), (StatusCode::FORBIDDEN, "this token may only read"));

    assert_eq!(status(get(&router, "/v1/status").bearer_auth(OPERATOR)).await?, StatusCode::OK);
    assert_eq!(client::json(write().bearer_auth(OPERATOR)).await?["value"], true);
    // With a token the name does not matter: a port that others reach has names of its own.
    let named = get(&router, "/v1/status").header(header::HOST, "sluice.example").bearer_auth(READER);
    assert_eq!(status(named).await?, StatusCode::OK);
    let output = router.process.output();
    assert!(!output.contains(OPERATOR) && !output.contains(READER), "a token was logged:\n{output}");
    Ok(())
}

/// A router that refuses to start with `sluice.toml` as `edit` leaves it; what it says.
async fn refuses(setup: &Setup, edit: impl FnOnce(String) -> String) -> Result<String> {
    let file = setup.path("sluice.toml");
    std::fs::write(&file, edit(std::fs::read_to_string(&file)?))?;
    let mut process = setup.launch()?;
    let status = process.wait().await?;
    ensure!(status.code() == Some(1), "{status}:\n{}", process.output());
    Ok(process.output())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_would_protect_nothing_are_refused_at_start() -> Result<()> {
    let public = |text: String| text.replace("[admin]\naddress = \"127.0.0.1:0\"", "[admin]\naddress = \"0.0.0.0:0\"");
    let open = Setup::new(DEMO_POLICY, "embedded")?;
    let said = refuses(&open, public).await?;
    assert!(said.contains("an admin address that others can reach needs `token_env`"), "{said}");
    assert!(said.contains("sluice.toml:5:"), "{said}");

    let unset = Setup::new(DEMO_POLICY, "embedded")?;
    unset.write_process_config("embedded", "token_env = \"TEST_OPERATOR\"")?;
    let said = refuses(&unset, public).await?;
    assert!(said.contains("TEST_OPERATOR"), "{said}");

    let same = Setup::new(DEMO_POLICY, "embedded")?.env("TEST_OPERATOR", OPERATOR).env("TEST_READER", OPERATOR);
    same.write_process_config("embedded", TOKENS)?;
    let said = refuses(&same, |text| text).await?;
    assert!(said.contains("the one that may only read is the operator's") && !said.contains(OPERATOR), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_switch_exists_only_where_it_is_asked_for() -> Result<()> {
    let setup = Setup::new(DEMO_POLICY, "embedded")?;
    let file = setup.path("sluice.toml");
    std::fs::write(&file, std::fs::read_to_string(&file)?.replace("legacy_toggle = true", "legacy_toggle = false"))?;
    let router = setup.start().await?;
    let before = flag(&router).await?;
    for method in [Method::GET, Method::POST] {
        let (status, message) = refusal(request(&router, method, "/on")).await?;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(message.contains("legacy_toggle"), "{message}");
    }
    assert_eq!(flag(&router).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_are_told_what_is_wrong() -> Result<()> {
    let router = Router::start(DEMO_POLICY).await?;
    let before = flag(&router).await?;
    let put = |path: &str, body: String| request(&router, Method::PUT, path).body(body);
    for (path, body, expected, part) in [
        ("/v1/flags/featureFlags", r#"{"value": "yes"}"#, StatusCode::BAD_REQUEST, "is true or false"),
        ("/v1/flags/featureFlags", r#"{"valeu": true}"#, StatusCode::BAD_REQUEST, "unknown field `valeu`"),
        ("/v1/flags/featureFlags", "{", StatusCode::BAD_REQUEST, "line 1 column 1"),
        ("/v1/flags/featureFlags", "", StatusCode::BAD_REQUEST, "EOF"),
        ("/v1/flags/noSuchFlag", r#"{"value": true}"#, StatusCode::NOT_FOUND, "no flag is named `noSuchFlag`"),
        ("/v1/flags/featureFlag", r#"{"value": true}"#, StatusCode::NOT_FOUND, "did you mean `featureFlags`?"),
        ("/v1/rollouts/demo", r#"{"weight": 101}"#, StatusCode::BAD_REQUEST, "100"),
        ("/v1/rollouts/demo", r#"{"weight": 0.001}"#, StatusCode::BAD_REQUEST, "decimal"),
        ("/v1/rollouts/other", r#"{"weight": 10}"#, StatusCode::NOT_FOUND, "no policy declares `other`"),
        ("/v1/servers/a", r#"{"id":"b","addr":"h:1","app":"a","variant":"v"}"#, StatusCode::BAD_REQUEST, "differs"),
    ] {
        let (status, message) = refusal(put(path, body.to_owned())).await?;
        assert_eq!(status, expected, "{path} {body}: {message}");
        assert!(message.contains(part), "{path} {body}: {message}");
    }
    for (path, part) in [
        ("/v1/rollouts/other/abort", "declares `other`"),
        ("/v1/rollouts/demo/stop", "no verb `stop`"),
        ("/v1/nothing", "/v1/"),
    ] {
        let (status, message) = refusal(request(&router, Method::POST, path)).await?;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(message.contains(part), "{path}: {message}");
    }
    assert_eq!(status(get(&router, "/v1/rollouts/other")).await?, StatusCode::NOT_FOUND);
    assert_eq!(flag(&router).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_has_a_bound() -> Result<()> {
    let router = Router::start(DEMO_POLICY).await?;
    let put = |bytes: usize| {
        let value = r#"{"value": true}"#;
        let body = format!("{value}{}", " ".repeat(bytes - value.len()));
        request(&router, Method::PUT, "/v1/flags/featureFlags").body(body)
    };
    let (status, message) = refusal(put(BODY_BYTES_MAX + 1)).await?;
    assert!(status.is_client_error() && message.contains("65536"), "{status}: {message}");
    assert_ne!(flag(&router).await?, true);
    client::json(put(BODY_BYTES_MAX)).await?;
    assert_eq!(flag(&router).await?, true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_readable_as_json_and_as_metrics() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    for uid in 0..20 {
        client::as_user(client::http().get(stack.edge("/get")), uid).send().await?;
    }
    for name in ["status", "routes", "plugins", "flags", "rollouts", "servers", "alerts", "snapshot", "traffic"] {
        let response = get(&stack.router, &format!("/v1/{name}")).send().await?;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json", "{name}");
        let body: Value = response.json().await?;
        assert!(body.is_object() || body.is_array(), "{name}: {body}");
    }
    let response = get(&stack.router, "/metrics").send().await?;
    let content_type = response.headers()[header::CONTENT_TYPE].to_str()?.to_owned();
    assert!(content_type.starts_with("text/plain; version=0.0.4"), "{content_type}");
    let text = response.text().await?;
    let samples = metrics::parse(&text)?;
    let of = |name: &str, label: &str| -> f64 {
        samples.iter().filter(|sample| sample.name == name && sample.labels.contains(label)).map(|s| s.value).sum()
    };
    assert!((of("sluice_requests_total", r#"route="app""#) - 20.0).abs() < f64::EPSILON, "{text}");
    assert!((of("sluice_servers", "") - 3.0).abs() < f64::EPSILON, "{text}");
    assert!((of("sluice_plugin_calls_total", r#"plugin="canary""#)) >= 20.0, "{text}");
    Ok(())
}
