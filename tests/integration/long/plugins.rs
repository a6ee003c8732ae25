//! Plugins over many thousands of faults and reloads: what each costs ends with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use reqwest::{Client, StatusCode};
use sluice_tests::component::Build;
use sluice_tests::guest::PROVOKING_PATH;
use sluice_tests::hostile::{self, Scene, TRIGGER};
use sluice_tests::load::Load;
use sluice_tests::process::Process;
use sluice_tests::stack::{Stack, StoreKind};
use sluice_tests::{client, eventually};
use tokio::task::JoinSet;
use tokio::time::Instant;

const TRAPS: u64 = 100_000;
/// Clients that provoke at the same time, on two workers.
const PROVOKERS: usize = 4;
/// Among so many requests of a client is one that the plugin behaves on.
const BEHAVES_EVERY: u64 = 20;
const RELOADS: u32 = 2_000;
/// Until here caches, pools and the allocator find their size.
const WARM_PERCENT: u64 = 10;
/// One instance that stayed behind of each hundred would be 1 GB.
const GROWTH_BYTES_MAX: u64 = 48 << 20;
/// Connections come and go.
const DESCRIPTORS_GROWTH_MAX: usize = 40;

/// Memory and descriptors of a process, seen now and then.
struct Watched {
    resident: u64,
    descriptors: usize,
}

impl Watched {
    fn of(process: &Process) -> Result<Self> {
        Ok(Self { resident: process.resident_bytes()?, descriptors: process.descriptors()? })
    }

    /// Sees that nothing has stayed behind since.
    fn is_flat(&self, process: &Process) -> Result<String> {
        let now = Self::of(process)?;
        let told = format!(
            "memory from {} to {} KiB, descriptors from {} to {}",
            self.resident >> 10,
            now.resident >> 10,
            self.descriptors,
            now.descriptors
        );
        ensure!(now.resident < self.resident + GROWTH_BYTES_MAX, "{told}");
        ensure!(now.descriptors < self.descriptors + DESCRIPTORS_GROWTH_MAX, "{told}");
        Ok(told)
    }
}

#[expect(clippy::print_stderr, reason = "the figures of a long run are wanted even if it passes")]
fn tell(figures: &str) {
    eprintln!("{figures}");
}

/// Provokes until `left` is used up; each answer must be that of a trap, and each of the others must be good.
async fn provoke(client: Client, url: String, left: Arc<AtomicU64>, behaves: bool) -> Result<()> {
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok();
    while let Some(left) = take() {
        let request = hostile::aside(client.get(&url));
        let status = request.header(TRIGGER, "yes").send().await?.status();
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} with {left} left");
        if behaves && left.is_multiple_of(BEHAVES_EVERY) {
            let status = hostile::aside(client.get(&url)).send().await?.status();
            ensure!(status == StatusCode::OK, "{status} with {left} left, where it behaves");
        }
    }
    Ok(())
}

/// So many provocations on all workers at once, while the other route is served.
async fn storm(stack: &Stack, count: u64, behaves: bool) -> Result<()> {
    let left = Arc::new(AtomicU64::new(count));
    let mut provokers = JoinSet::new();
    for _ in 0..PROVOKERS {
        let url = stack.edge(PROVOKING_PATH);
        provokers.spawn(provoke(client::keep_alive(), url, Arc::clone(&left), behaves));
    }
    while let Some(ended) = provokers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn a_hundred_thousand_traps(breaker: &str, behaves: bool) -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let process = &stack.router.process;
    Scene { breaker: breaker.to_owned(), ..Scene::act("trap-in-request") }.play(&stack.router).await?;
    let load = Load::start(&stack.edge("/version"));
    let warm = TRAPS * WARM_PERCENT / 100;
    let begun = Instant::now();
    storm(&stack, warm, behaves).await?;
    let before = Watched::of(process)?;
    storm(&stack, TRAPS - warm, behaves).await?;
    let took = begun.elapsed();
    let told = before.is_flat(process)?;
    let others = load.finish().await?;
    let failures = stack.router.plugin("hostile").await?["stats"]["failures"].clone();
    tell(&format!(
        "{TRAPS} provocations in {took:.1?}, breaker {breaker}: {failures}; {told}; {others} other requests"
    ));
    eventually("the plugin is well again", async || {
        let request = hostile::aside(client::http().get(stack.edge("/recent")));
        let status = request.send().await?.status();
        ensure!(status == StatusCode::OK, "{status}");
        Ok(())
    })
    .await;
    ensure!(!behaves || failures["trap"] == TRAPS, "{failures}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_traps_cost_a_hundred_thousand_requests() -> Result<()> {
    a_hundred_thousand_traps("false", true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_provocations_behind_a_breaker_cost_no_other_request() -> Result<()> {
    a_hundred_thousand_traps("{ failures = 5 }", false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_reloads_of_a_plugin_leave_nothing_behind() -> Result<()> {
    const FILE: &str = "plugins.d/canary.wasm";
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let begun = Instant::now();
    let mut before = None;
    for number in 1..=RELOADS {
        let build = Build::of("canary", number)?;
        router.replace(FILE, &build.bytes)?;
        eventually(&format!("build {number} serves"), async || {
            let plugin = router.plugin("canary").await?;
            ensure!(plugin["state"] == "active" && plugin["digest"] == *build.digest, "{plugin}");
            Ok(())
        })
        .await;
        if u64::from(number) == u64::from(RELOADS) * WARM_PERCENT / 100 {
            before = Some(Watched::of(&router.process)?);
        }
    }
    let took = begun.elapsed();
    let others = load.finish().await?;
    let told = before.map(|before| before.is_flat(&router.process)).transpose()?;
    tell(&format!("{RELOADS} reloads in {took:.1?}; {}; {others} requests", told.unwrap_or_default()));
    let status = router.get("/v1/status").await?;
    ensure!(status["faults"].as_array().is_some_and(Vec::is_empty), "{status}");
    Ok(())
}
