//! The real program at the edge of what the machine gives it.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use sluice_tests::flood::Flood;
use sluice_tests::herd::{self, Protocol};
use sluice_tests::router::Router;
use sluice_tests::{client, eventually};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Descriptors that a router may open beyond those it has.
const SPARE: usize = 6;
/// Connections that want one: far more.
const CONNECTIONS: usize = 60;
/// How the operating system says it (`EMFILE`).
const OUT_OF_DESCRIPTORS: &str = "Too many open files";
/// Requests of one kind.
const REQUESTS: usize = 20;

/// Answers `/` without a connection to any server.
const LIST: &str =
    "[[routes]]\nname = \"list\"\nmatch = { path = { exact = \"/\" } }\nto = { builtin = \"servers\" }\n";

/// Lets the router have this many descriptors, and no more.
fn limit_descriptors(router: &Router, descriptors: usize) -> Result<()> {
    let id = Pid::from_raw(i32::try_from(router.process.id()?)?).context("a process id is not 0")?;
    let limit = Rlimit { current: Some(u64::try_from(descriptors)?), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Some(id), Resource::Nofile, limit)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b23_a_router_out_of_descriptors_serves_whom_it_let_in_and_recovers() -> Result<()> {
    let flood = Flood::start().await?;
    let router = Router::start(&(flood.policy() + LIST)).await?;
    let address = router.edge.strip_prefix("http://").context("a plain http URL")?;
    let mut kept = herd::idle(address, Protocol::Http1, 1).await?.pop().context("one connection")?;
    limit_descriptors(&router, router.process.descriptors()? + SPARE)?;

    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS {
        crowd.push(TcpStream::connect(address).await?);
    }
    eventually("no descriptor is left", async || {
        let output = router.process.output();
        ensure!(output.contains(OUT_OF_DESCRIPTORS), "{output}");
        Ok(())
    })
    .await;
    for _ in 0..REQUESTS {
        kept = timeout(sluice_tests::PATIENCE, herd::ask_http1(kept)).await??;
    }

    drop(crowd);
    eventually("strangers are served again, and no server is blamed", async || {
        for _ in 0..REQUESTS {
            let response = client::http().get(format!("{}/100", router.edge)).send().await?.error_for_status()?;
            ensure!(response.bytes().await?.len() == 100, "a whole body");
        }
        Ok(())
    })
    .await;
    // Whatever it could not read meanwhile, it reads by itself.
    router.healthy().await;
    Ok(())
}
