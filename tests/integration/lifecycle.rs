//! Starts, ends and what lies between: drains, second routers, crashes, and a store that goes away.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::Value;
use sluice_tests::load::Load;
use sluice_tests::router::{POLICY_FILE, Router, Setup};
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};
use sluice_tests::{client, eventually, upload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of an upload that the router must wait for.
const UPLOAD_BYTES: usize = 1_000;
const CONTINUE: [u8; 25] = *b"HTTP/1.1 100 Continue\r\n\r\n";

async fn probe(router: &Router, path: &str) -> Result<StatusCode> {
    Ok(client::http().get(format!("{}{path}", router.admin)).send().await?.status())
}

/// Connects to the edge and sends an upload, but for the second half of its body; it is in flight then, for the body was
/// asked for (RFC 9110 section 10.1.1).
async fn begin_upload(stack: &Stack) -> Result<TcpStream> {
    let address = stack.router.edge.strip_prefix("http://").context("a plain http URL")?;
    let mut connection = TcpStream::connect(address).await?;
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: {address}\r\ncontent-type: image/gif\r\ncontent-length: {UPLOAD_BYTES}\r\n\
         expect: 100-continue\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await?;
    let mut interim = [0; CONTINUE.len()];
    connection.read_exact(&mut interim).await?;
    ensure!(interim == CONTINUE, "{}", String::from_utf8_lossy(&interim));
    connection.write_all(&upload::gif(UPLOAD_BYTES)[..UPLOAD_BYTES / 2]).await?;
    Ok(connection)
}

/// Sends the rest and returns the whole answer.
async fn end_upload(mut connection: TcpStream) -> Result<String> {
    connection.write_all(&upload::gif(UPLOAD_BYTES)[UPLOAD_BYTES / 2..]).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_fails_no_request_that_was_let_in() -> Result<()> {
    let mut stack = Stack::start(StoreKind::Embedded).await?;
    let load = Load::start(&stack.edge("/version"));
    load.answers(200).await;
    let slow = begin_upload(&stack).await?;
    stack.router.process.signal("TERM").await?;
    let answered = load.finish_refused().await?;
    assert!(answered >= 200);
    assert_eq!(probe(&stack.router, "/readyz").await?, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(probe(&stack.router, "/healthz").await?, StatusCode::OK);
    let answer = end_upload(slow).await?;
    assert!(answer.starts_with("HTTP/1.1 20") && answer.contains("connection: close"), "{answer}");
    let status = stack.router.process.wait().await?;
    assert_eq!(status.code(), Some(0), "{}", stack.router.process.output());
    for server in &mut stack.servers {
        let status = server.process.terminate().await?;
        assert_eq!(status.code(), Some(0), "{}: {}", server.id, server.process.output());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_router_on_the_same_folders_is_refused() -> Result<()> {
    let router = Router::start(DEMO_POLICY).await?;
    let mut second = router.launch_again()?;
    assert_eq!(second.wait().await?.code(), Some(1));
    let data = router.path("data").display().to_string();
    let told = eventually("the second one says why", async || {
        let output = second.output();
        ensure!(output.contains("another `sluice run`"), "{output}");
        Ok(output)
    });
    let told = told.await;
    assert!(told.contains(&data), "{told}");
    assert_eq!(probe(&router, "/readyz").await?, StatusCode::OK);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_router_on_the_same_port_is_refused() -> Result<()> {
    let router = Router::start(DEMO_POLICY).await?;
    let address = router.edge.strip_prefix("http://").context("a plain http URL")?;
    let setup = Setup::new(DEMO_POLICY, "embedded")?;
    let file = setup.path("sluice.toml");
    let text = std::fs::read_to_string(&file)?.replacen("127.0.0.1:0", address, 1);
    std::fs::write(file, text)?;
    let mut second = setup.launch()?;
    assert_eq!(second.wait().await?.code(), Some(1));
    eventually("the second one says which address", async || {
        let output = second.output();
        ensure!(output.contains(&format!("listen on {address}")), "{output}");
        Ok(())
    })
    .await;
    assert_eq!(probe(&router, "/readyz").await?, StatusCode::OK);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_survives_kill_9() -> Result<()> {
    let mut stack = Stack::start(StoreKind::Embedded).await?;
    stack.set_flag(true).await?;
    stack.set_weight(40.0).await?;
    stack.router.post("/v1/rollouts/demo/abort").await?;
    stack.router.keep_ports()?;
    stack.router.process.signal("KILL").await?;
    stack.router.process.wait().await?;

    stack.router.restart().await?;
    assert_eq!(probe(&stack.router, "/readyz").await?, StatusCode::OK);
    assert_eq!(flag(&stack.router).await?, true);
    assert_eq!(stack.rollout().await?["state"], "aborted");
    eventually("the servers are back, and none of them canary's", async || {
        for uid in 0..40 {
            let response = client::as_user(client::http().get(stack.edge("/set")), uid).send().await?;
            ensure!(response.status() == StatusCode::OK, "{response:?}");
            ensure!(client::variant(&response).as_deref() == Some("stable"), "{response:?}");
        }
        Ok(())
    })
    .await;
    stack.router.post("/v1/rollouts/demo/resume").await?;
    let rollout = stack.rollout().await?;
    assert!(rollout["state"] == "running" && rollout["weight"] == 40.0, "{rollout}");
    stack.router.healthy().await;
    Ok(())
}

async fn flag(router: &Router) -> Result<Value> {
    Ok(router.get("/v1/flags/featureFlags").await?["value"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_starts_on_broken_input_serves_what_it_served_before() -> Result<()> {
    let mut stack = Stack::start(StoreKind::Embedded).await?;
    let revision = stack.router.revision().await?;
    stack.router.keep_ports()?;
    assert_eq!(stack.router.process.terminate().await?.code(), Some(0));
    stack.router.replace(POLICY_FILE, DEMO_POLICY.replace("initial = 25.0", "initial = = 25.0").as_bytes())?;
    stack.router.replace("plugins.d/canary.wasm", b"\0asm")?;

    stack.router.restart().await?;
    assert_eq!(probe(&stack.router, "/readyz").await?, StatusCode::OK);
    let fault = stack.router.fault("extra `=`").await;
    assert!(fault["file"] == POLICY_FILE && fault["line"].is_u64(), "{fault}");
    assert_eq!(stack.router.revision().await?, revision);
    eventually("the servers are back", async || {
        let response = client::http().get(stack.edge("/version")).send().await?;
        ensure!(response.status() == StatusCode::OK && client::variant(&response).is_some(), "{response:?}");
        Ok(())
    })
    .await;

    stack.router.replace(POLICY_FILE, DEMO_POLICY.as_bytes())?;
    stack.router.fault("plugins.d/canary.wasm").await;
    std::fs::copy(sluice_tests::process::plugins()?.join("canary.wasm"), stack.router.path("plugins.d/canary.wasm"))?;
    stack.router.healthy().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_without_any_good_policy_is_not_ready_until_there_is_one() -> Result<()> {
    let router = Router::start("[[routes]]\nnam = \"app\"\n").await?;
    assert_eq!(probe(&router, "/readyz").await?, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(probe(&router, "/healthz").await?, StatusCode::OK);
    router.fault("unknown key `nam`").await;
    router.publish(|router| router.replace(POLICY_FILE, DEMO_POLICY.as_bytes())).await?;
    assert_eq!(probe(&router, "/readyz").await?, StatusCode::OK);
    Ok(())
}

async fn store_comes_to(stack: &Stack, connected: bool) {
    eventually(&format!("the store is shown with connected = {connected}"), async || {
        let status = stack.router.get("/v1/status").await?;
        ensure!(status["store"]["connected"] == connected, "{status}");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_goes_on_while_redis_is_away_and_all_heals_by_itself() -> Result<()> {
    // The gate stands before a page that needs no Redis itself, so that every answer of the load shows the flag.
    let (gate, other) = (r#"paths = ["/set"]"#, r#"paths = ["/version"]"#);
    ensure!(DEMO_POLICY.contains(gate), "the gate of the demo has changed");
    let mut stack = Stack::start_with(StoreKind::Redis, &DEMO_POLICY.replace(gate, other)).await?;
    stack.set_flag(true).await?;
    stack.set_weight(40.0).await?;
    let load = Load::start(&stack.edge("/version"));
    load.answers(100).await;

    let redis = stack.redis.as_mut().context("the stack runs on Redis")?;
    redis.process.signal("KILL").await?;
    redis.process.wait().await?;
    store_comes_to(&stack, false).await;
    let fault = stack.router.fault("the store is away").await;
    assert_eq!(fault["source"], "store");
    load.answers(500).await;
    assert_eq!(flag(&stack.router).await?, true);
    assert_eq!(stack.rollout().await?["weight"], 40.0);
    assert_eq!(probe(&stack.router, "/readyz").await?, StatusCode::OK);

    // It comes back without its data.
    stack.redis.as_mut().context("the stack runs on Redis")?.restart().await?;
    store_comes_to(&stack, true).await;
    stack.router.healthy().await;
    load.answers(500).await;
    assert_eq!(flag(&stack.router).await?, true);
    assert_eq!(stack.rollout().await?["weight"], 40.0);
    load.finish().await?;
    stack.set_flag(false).await?;
    let status = client::http().get(stack.edge("/version")).send().await?.status();
    assert_eq!(status, StatusCode::NOT_FOUND, "a write after the outage counts at once");
    Ok(())
}
