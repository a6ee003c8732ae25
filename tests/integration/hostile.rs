//! A plugin that misbehaves without pause: each call costs its own request and nothing else. What there is to do
//! wrong: `hostile_plugins.rs`.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use sluice_tests::client;
use sluice_tests::hostile::{self, Scene, TRIGGER};
use sluice_tests::stack::{Stack, StoreKind};
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

/// A request that the plugin misbehaves on.
async fn provoke(stack: &Stack) -> Result<StatusCode> {
    let begun = Instant::now();
    let request = hostile::aside(client::http().get(stack.edge("/version")));
    let response = request.header(TRIGGER, "yes").send().await?;
    ensure!(begun.elapsed() < ANSWERED_WITHIN, "answered after {:?}", begun.elapsed());
    Ok(response.status())
}

/// A request that it behaves on.
async fn behave(stack: &Stack) -> Result<()> {
    let status = hostile::aside(client::http().get(stack.edge("/version"))).send().await?.status();
    ensure!(status.is_success(), "the next request: {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_traps_in_a_row_cost_two_hundred_requests() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    Scene::act("trap-in-request").play(&stack.router).await?;
    let process = stack.router.process.id()?;
    let resident = stack.router.process.resident_bytes()?;
    for number in 0..TRAPS {
        assert_eq!(provoke(&stack).await?, StatusCode::SERVICE_UNAVAILABLE, "trap {number}");
        behave(&stack).await?;
    }
    assert_eq!(hostile::failures(&stack.router).await?, u64::try_from(TRAPS)?);
    assert_eq!(stack.router.process.id()?, process);
    let grown = stack.router.process.resident_bytes()?.saturating_sub(resident);
    assert!(grown < GROWTH_BYTES_MAX, "memory grew by {grown} bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_spins_stops_no_request_of_another_route() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    Scene::act("spin-in-request").play(&stack.router).await?;
    let mut spinners = JoinSet::new();
    for _ in 0..SPINNERS {
        let request = hostile::aside(client::http().get(stack.edge("/version"))).header(TRIGGER, "yes");
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
    assert!(hostile::failures(&stack.router).await? > 0, "nothing was spinning");
    assert_eq!(spinners.len(), SPINNERS);
    spinners.shutdown().await;
    Ok(())
}
