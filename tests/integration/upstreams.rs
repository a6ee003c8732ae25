//! Upstreams end to end: checks, names and failures, as clients and operators see them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::router::Router;
use sluice_tests::{client, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Requests that are enough to meet every server.
const REQUESTS: usize = 40;

/// A server that says its name, and answers checks as long as it is well.
struct Origin {
    address: SocketAddr,
    is_well: Arc<AtomicBool>,
    /// Ends with its drop.
    _serving: JoinSet<()>,
}

impl Origin {
    async fn start(name: &'static str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let is_well = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&is_well);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, name, Arc::clone(&seen)));
            }
        });
        Ok(Self { address, is_well, _serving: serving })
    }
}

async fn serve(mut stream: TcpStream, name: &str, is_well: Arc<AtomicBool>) {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|bytes| bytes > 0) {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let is_refused = head.starts_with(b"GET /healthz ") && !is_well.load(Ordering::SeqCst);
        let status = if is_refused { 500 } else { 200 };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{name}", name.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        head.clear();
    }
}

fn policy(servers: &str) -> String {
    format!("[upstreams.app]\n{servers}\n[[routes]]\nname = \"app\"\nto = \"app\"\n")
}

/// Who answers; every request must succeed.
async fn answering(router: &Router) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for _ in 0..REQUESTS {
        let response = client::http().get(format!("{}/", router.edge)).send().await?;
        names.insert(response.error_for_status()?.text().await?);
    }
    Ok(names)
}

async fn shown(router: &Router) -> Result<Value> {
    let all = client::json(client::http().get(format!("{}/v1/upstreams", router.admin))).await?;
    all.get(0).cloned().context("one upstream")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_its_checks_or_dies_costs_no_request() -> Result<()> {
    let (one, two) = (Origin::start("one").await?, Origin::start("two").await?);
    let servers = format!("servers = [\"{}\", \"{}\"]", one.address, two.address);
    let check = "health = { path = \"/healthz\", interval = \"50ms\", timeout = \"5s\" }";
    let router = Router::start(&policy(&format!("{servers}\n{check}"))).await?;
    assert_eq!(answering(&router).await?.len(), 2);

    one.is_well.store(false, Ordering::SeqCst);
    eventually("the check fails", async || {
        let shown = shown(&router).await?;
        let server = &shown["servers"][0];
        ensure!(server["address"] == one.address.to_string() && server["healthy"] == false, "{shown}");
        Ok(())
    })
    .await;
    eventually("only the other one answers", async || {
        let names = answering(&router).await?;
        ensure!(names.iter().eq(["two"]), "{names:?}");
        Ok(())
    })
    .await;
    one.is_well.store(true, Ordering::SeqCst);
    eventually("it is back", async || {
        let names = answering(&router).await?;
        ensure!(names.len() == 2, "{names:?}");
        Ok(())
    })
    .await;

    drop(two);
    // No request fails, not even one that meets it just then.
    let mut names = answering(&router).await?;
    while names.contains("two") {
        names = answering(&router).await?;
    }
    assert!(names.iter().eq(["one"]), "{names:?}");
    let shown = shown(&router).await?;
    assert!(shown["requests"].as_u64().context("counted")? >= REQUESTS as u64, "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_resolved_and_one_that_does_not_exist_is_a_fault() -> Result<()> {
    let origin = Origin::start("here").await?;
    let port = origin.address.port();
    // From the hosts file of the machine, as everywhere.
    let router = Router::start(&policy(&format!("dns = {{ name = \"localhost:{port}\" }}"))).await?;
    assert!(answering(&router).await?.iter().eq(["here"]));
    let shown = shown(&router).await?;
    let servers = shown["servers"].as_array().context("a list")?;
    assert!(servers.iter().any(|server| server["address"] == origin.address.to_string()), "{shown}");

    let router = Router::start(&policy("dns = { name = \"no.such.name.invalid:80\" }")).await?;
    eventually("the fault stands", async || {
        let status = client::json(client::http().get(format!("{}/v1/status", router.admin))).await?;
        let fault = &status["faults"][0];
        ensure!(fault["source"] == "upstream" && fault["subject"] == "app", "{status}");
        Ok(())
    })
    .await;
    let response = client::http().get(format!("{}/", router.edge)).send().await?;
    assert_eq!(response.status(), 503);
    Ok(())
}
