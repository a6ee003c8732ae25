//! Servers come and go: the list on the edge, a server that is killed, servers that take their leave.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::load::Load;
use sluice_tests::stack::{Stack, StoreKind};
use sluice_tests::{client, eventually_within};

/// A lease ends 15 s after its last heartbeat; the rest is for a busy machine.
const LEASE_OVER: Duration = Duration::from_secs(30);
/// Who says goodbye must not be listed until its lease ends.
const AT_ONCE: Duration = Duration::from_secs(3);
/// Requests on either side of an event.
const ANSWERS: u64 = 200;

/// The list as scripts read it.
async fn listed(stack: &Stack) -> Result<Vec<Value>> {
    let request = client::http().get(stack.edge("/listservers")).header("accept", "application/json");
    client::json(request).await?.as_array().cloned().context("servers are a list")
}

/// The list as people read it.
async fn listed_text(stack: &Stack) -> Result<String> {
    Ok(client::http().get(stack.edge("/listservers")).send().await?.error_for_status()?.text().await?)
}

async fn leaves_the_list(stack: &Stack, index: usize, within: Duration) {
    let (id, address) = (&stack.servers[index].id, stack.servers[index].url.trim_start_matches("http://"));
    eventually_within(within, &format!("{id} is not listed"), async || {
        let listed = listed(stack).await?;
        ensure!(listed.iter().all(|server| server["id"] != id.as_str()), "{listed:?}");
        let text = listed_text(stack).await?;
        ensure!(!text.contains(address), "{text}");
        Ok(())
    })
    .await;
}

async fn the_edge_lists_all_servers(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    let (listed, text) = (listed(&stack).await?, listed_text(&stack).await?);
    assert_eq!(listed.len(), stack.servers.len(), "{listed:?}");
    for (server, variant) in stack.servers.iter().zip(["stable", "stable", "canary"]) {
        let address = server.url.trim_start_matches("http://");
        let found = listed.iter().find(|found| found["id"] == server.id.as_str()).context("listed by id")?;
        assert_eq!((&found["address"], &found["variant"]), (&address.into(), &variant.into()), "{found}");
        assert_eq!((&found["app"], &found["health"]), (&"meow".into(), &"serving".into()), "{found}");
        let line = text.lines().find(|line| line.contains(address)).context("listed by address")?;
        assert!(line.contains(variant) && line.contains("serving"), "{text}");
    }
    Ok(())
}

async fn a_killed_server_costs_no_request(kind: StoreKind) -> Result<()> {
    let mut stack = Stack::start(kind).await?;
    let load = Load::start(&stack.edge("/version"));
    load.answers(ANSWERS).await;
    stack.servers[0].process.signal("KILL").await?;
    stack.servers[0].process.wait().await?;
    load.answers(ANSWERS).await;
    leaves_the_list(&stack, 0, LEASE_OVER).await;
    load.answers(ANSWERS).await;
    load.finish().await?;
    assert_eq!(listed(&stack).await?.len(), 2, "the others stay");
    Ok(())
}

async fn servers_that_take_their_leave_cost_no_request(kind: StoreKind) -> Result<()> {
    let mut stack = Stack::start(kind).await?;
    let load = Load::start(&stack.edge("/version"));
    // One of two stable servers, then the only canary, whose users go to stable.
    for index in [1, 2] {
        load.answers(ANSWERS).await;
        let status = stack.servers[index].process.terminate().await?;
        assert!(status.success(), "{status}");
        leaves_the_list(&stack, index, AT_ONCE).await;
    }
    load.answers(ANSWERS).await;
    load.finish().await?;
    assert_eq!(listed(&stack).await?.len(), 1, "the last one stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_edge_lists_all_servers_embedded() -> Result<()> {
    the_edge_lists_all_servers(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_edge_lists_all_servers_redis() -> Result<()> {
    the_edge_lists_all_servers(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_no_request_embedded() -> Result<()> {
    a_killed_server_costs_no_request(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_no_request_redis() -> Result<()> {
    a_killed_server_costs_no_request(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_take_their_leave_cost_no_request_embedded() -> Result<()> {
    servers_that_take_their_leave_cost_no_request(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_take_their_leave_cost_no_request_redis() -> Result<()> {
    servers_that_take_their_leave_cost_no_request(StoreKind::Redis).await
}
