//! Plugins that misbehave under traffic: each call costs its own request and nothing else.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::{Response, StatusCode};
use sluice_tests::hostile::{self, TRIGGER};
use sluice_tests::load::Load;
use sluice_tests::stack::{Stack, StoreKind};
use sluice_tests::{client, upload};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A plugin has 5 ms of CPU; the rest is for a machine that compiles something else.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Traps one after the other.
const TRAPS: usize = 200;
/// An instance that stayed behind after each of them would hold 200 MiB.
const GROWTH_BYTES_MAX: u64 = 32 << 20;
/// Clients that keep a plugin spinning, on two workers.
const SPINNERS: usize = 4;

/// Acts of the request phase, of which each is a fault.
const REQUEST_ACTS: [&str; 8] = [
    "spin-in-request",
    "trap-in-request",
    "hoard-memory",
    "nonsense-verdict",
    "bad-variant-index",
    "bad-status",
    "header-injection",
    "huge-outcome",
];
/// Acts of the later phases.
const LATER_ACTS: [&str; 5] =
    ["spin-in-body-size", "trap-in-body-size", "spin-in-response", "trap-in-response", "variant-in-response"];

/// A request that the plugin misbehaves on.
async fn provoke(stack: &Stack, act: &str) -> Result<Response> {
    let begun = Instant::now();
    let request = if act.ends_with("body-size") {
        client::http().post(stack.edge("/upload")).header("content-type", "image/gif").body(upload::gif(100))
    } else {
        client::http().get(stack.edge("/version"))
    };
    let response = request.header(TRIGGER, "yes").send().await?;
    ensure!(begun.elapsed() < ANSWERED_WITHIN, "answered after {:?}", begun.elapsed());
    Ok(response)
}

/// A request that it behaves on.
async fn behave(stack: &Stack) -> Result<()> {
    let status = client::http().get(stack.edge("/version")).send().await?.status();
    ensure!(status.is_success(), "the next request: {status}");
    Ok(())
}

async fn failures(stack: &Stack) -> Result<u64> {
    let plugin = stack.router.plugin("hostile").await?;
    let failures = plugin["failures"].as_object().map(|causes| causes.values().filter_map(serde_json::Value::as_u64));
    Ok(failures.map_or(0, Iterator::sum))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_plugin_that_misbehaves_costs_that_request_only() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let load = Load::start(&stack.edge("/version"));
    for act in REQUEST_ACTS.into_iter().chain(LATER_ACTS) {
        hostile::play(&stack.router, act, "closed").await?;
        let response = provoke(&stack, act).await?;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{act}");
        assert!(client::header(&response, "set-cookie").is_none(), "{act}");
        behave(&stack).await?;
        assert_eq!(failures(&stack).await?, 1, "{act}");
    }
    load.finish().await?;
    assert!(stack.alerts().await?.is_empty());
    assert_eq!(stack.rollout().await?["state"], "running");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_plugin_that_misbehaves_costs_no_request() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let load = Load::start(&stack.edge("/version"));
    for act in REQUEST_ACTS.into_iter().chain(LATER_ACTS) {
        hostile::play(&stack.router, act, "open").await?;
        let response = provoke(&stack, act).await?;
        assert!(response.status().is_success(), "{act}: {}", response.status());
        behave(&stack).await?;
        assert_eq!(failures(&stack).await?, 1, "{act}");
    }
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_cannot_break_the_framing_of_a_response() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    hostile::play(&stack.router, "framing-headers", "closed").await?;
    let response = provoke(&stack, "framing-headers").await?;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    behave(&stack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_traps_in_a_row_cost_two_hundred_requests() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    hostile::play(&stack.router, "trap-in-request", "closed").await?;
    let process = stack.router.process.id()?;
    let resident = stack.router.process.resident_bytes()?;
    for number in 0..TRAPS {
        assert_eq!(
            provoke(&stack, "trap-in-request").await?.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "trap {number}"
        );
        behave(&stack).await?;
    }
    assert_eq!(failures(&stack).await?, u64::try_from(TRAPS)?);
    assert_eq!(stack.router.process.id()?, process);
    let grown = stack.router.process.resident_bytes()?.saturating_sub(resident);
    assert!(grown < GROWTH_BYTES_MAX, "memory grew by {grown} bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_spins_stops_no_request_of_another_route() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    hostile::play(&stack.router, "spin-in-request", "closed").await?;
    let mut spinners = JoinSet::new();
    for _ in 0..SPINNERS {
        let request = client::http().get(stack.edge("/version")).header(TRIGGER, "yes");
        spinners.spawn(async move {
            while let Some(again) = request.try_clone() {
                if again.send().await.is_err() {
                    return;
                }
            }
        });
    }
    for number in 0..TRAPS {
        let begun = Instant::now();
        let status = client::http().get(stack.edge("/listservers")).send().await?.status();
        assert_eq!(status, StatusCode::OK, "request {number}");
        assert!(begun.elapsed() < ANSWERED_WITHIN, "request {number} took {:?}", begun.elapsed());
    }
    assert!(failures(&stack).await? > 0, "nothing was spinning");
    assert_eq!(spinners.len(), SPINNERS);
    spinners.shutdown().await;
    Ok(())
}
