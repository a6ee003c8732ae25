//! `cargo xtask demo` as a user runs it: up to `ready`, and back to nothing on ctrl-c.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use sluice_tests::client;
use sluice_tests::process::{Process, binary};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// The demo looks whether plugins and programs are built, which has to wait for any other cargo at work.
const BUILD_PATIENCE: Duration = Duration::from_secs(180);
/// Router, two stable servers, one canary.
const PROGRAMS: usize = 4;

/// Every process that `parent` started and that still runs.
fn children(parent: u32) -> Result<Vec<procfs::process::Process>> {
    let parent = i32::try_from(parent)?;
    let of_parent = |process: &procfs::process::Process| process.stat().is_ok_and(|stat| stat.ppid == parent);
    Ok(procfs::process::all_processes()?.flatten().filter(of_parent).collect())
}

/// Runs the demo with these arguments until it serves, looks at it and leaves as a user does.
async fn comes_up_and_leaves(arguments: &[&str], programs: usize) -> Result<()> {
    let mut command = Command::new(binary("xtask")?);
    command.env("SLUICE_PROGRAMS_BUILT", "1");
    command.args(["demo", "--port", "0", "--admin-port", "0"]).args(arguments);
    let mut demo = Process::start("xtask demo", &mut command)?;
    let ready = demo.line_within(BUILD_PATIENCE, "ready edge=").await?;
    let (edge, admin) = ready.split_once(" admin=").context("the ready line names edge and admin")?;
    let children = children(demo.id()?)?;
    assert_eq!(children.len(), programs, "{}", demo.output());

    let set = client::http().get(format!("{edge}/set")).send().await?;
    assert_eq!(set.status(), StatusCode::NOT_FOUND);
    let servers = client::http().get(format!("{edge}/listservers")).send().await?;
    assert_eq!(servers.status(), StatusCode::OK);
    let shown = servers.text().await?;
    let known = client::json(client::http().get(format!("{admin}/v1/servers"))).await?;
    let known = known.as_array().context("servers are a list")?;
    assert_eq!(known.len(), 3, "{known:?}");
    for server in known {
        let address = server["addr"].as_str().context("a server has an address")?;
        assert!(shown.contains(address), "{address} is not in {shown}");
    }

    demo.signal("INT").await?;
    let status = demo.wait().await?;
    ensure!(status.success(), "the demo ended with {status}:\n{}", demo.output());
    for child in children {
        assert!(!child.is_alive(), "process {} outlived the demo:\n{}", child.pid, demo.output());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_comes_up_alone_and_leaves_nothing() -> Result<()> {
    comes_up_and_leaves(&[], PROGRAMS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_starts_a_redis_where_none_answers_and_ends_it() -> Result<()> {
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    comes_up_and_leaves(&["--state", &format!("redis://{address}")], PROGRAMS + 1).await?;
    assert!(TcpStream::connect(address).await.is_err(), "a Redis still listens at {address}");
    Ok(())
}
