//! Files replaced while traffic flows: live at once, no request fails, and what is replaced leaves nothing behind.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use sluice_tests::component::another_build;
use sluice_tests::load::Load;
use sluice_tests::router::{POLICY_FILE, Router};
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};
use sluice_tests::{client, eventually, hostile};

const CANARY_FILE: &str = "plugins.d/canary.wasm";
/// Replacements of the plugin file, and as many of the policy file.
const REPLACEMENTS: u32 = 100;
/// Until here caches, pools and the allocator find their size.
const WARM_AFTER: u32 = 60;
/// Memory is compared as the median of so many looks, for each look sees another moment of the traffic.
const LOOKS: usize = 10;
/// A plugin that stayed behind holds more than 1 MiB for each of its instances: 80 of those are far above this.
const GROWTH_BYTES_MAX: u64 = 8 << 20;
/// Connections come and go; one descriptor left behind by each replacement would be 200.
const DESCRIPTORS_GROWTH_MAX: usize = 40;
/// Fresh connections that reach each of two workers: all go to one of them once in 10^6 runs.
const CONNECTIONS: usize = 20;

/// Another policy: a route comes and goes, and the configuration of a plugin changes each time.
pub(crate) fn another_policy(number: u32) -> Result<String> {
    let limit = r#"limit = "50000B""#;
    ensure!(DEMO_POLICY.contains(limit), "the configuration of the demo has changed");
    let policy = DEMO_POLICY.replace(limit, &format!("limit = \"{}B\"", 50_000 + number));
    Ok(if number.is_multiple_of(2) { policy } else { policy + EXTRA_ROUTE })
}

const EXTRA_ROUTE: &str =
    "\n[[routes]]\nname = \"extra\"\nmatch = { path = { exact = \"/extra\" } }\nto = { builtin = \"servers\" }\n";

async fn replace_plugin(router: &Router, component: &[u8], number: u32) -> Result<()> {
    let before = router.plugin("canary").await?["digest"].clone();
    let build = another_build(component, number);
    router.publish(|router| router.replace(CANARY_FILE, &build)).await?;
    let plugin = router.plugin("canary").await?;
    ensure!(plugin["state"] == "active" && plugin["digest"] != before, "build {number}: {plugin}");
    Ok(())
}

fn median(looks: &mut [u64]) -> u64 {
    looks.sort_unstable();
    looks[looks.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_replacements_of_plugin_and_policy_fail_no_request_and_leave_nothing_behind() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let component = std::fs::read(router.path(CANARY_FILE))?;
    let load = Load::start(&stack.edge("/version"));
    load.answers(500).await;
    let descriptors = router.process.descriptors()?;

    let mut resident = Vec::new();
    for number in 1..=REPLACEMENTS {
        replace_plugin(router, &component, number).await?;
        let policy = another_policy(number)?;
        router.publish(|router| router.replace(POLICY_FILE, policy.as_bytes())).await?;
        if number > WARM_AFTER {
            resident.push(router.process.resident_bytes()?);
        }
    }
    let after = router.process.descriptors()?;
    let answered = load.finish().await?;
    assert!(answered > u64::from(REPLACEMENTS) * 20, "only {answered} requests were answered: no constant load");

    let last = resident.len() - LOOKS;
    let (early, late) = (median(&mut resident[..LOOKS]), median(&mut resident[last..]));
    assert!(late < early + GROWTH_BYTES_MAX, "memory grew from {early} to {late} bytes in {resident:?}");
    assert!(after < descriptors + DESCRIPTORS_GROWTH_MAX, "from {descriptors} to {after} descriptors");
    let status = router.get("/v1/status").await?;
    assert!(status["reloads"]["refused"] == 0 && status["faults"].as_array().is_some_and(Vec::is_empty), "{status}");
    Ok(())
}

/// Each of these requests, on connections to every worker, is answered with `wanted`.
async fn all_answer(stack: &Stack, path: &str, wanted: StatusCode) -> Result<()> {
    for _ in 0..CONNECTIONS {
        let found = client::http().get(stack.edge(path)).header(hostile::TRIGGER, "yes").send().await?.status();
        ensure!(found == wanted, "{path}: {found}, not {wanted}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_added_configured_and_removed_is_live_on_every_worker_at_once() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));

    hostile::install(router)?;
    eventually("a file that no policy names is shown as unused", async || {
        let plugin = router.plugin("hostile").await?;
        ensure!(plugin["state"] == "unused", "{plugin}");
        Ok(())
    })
    .await;
    all_answer(&stack, "/version", StatusCode::OK).await?;

    hostile::play(router, "respond", "closed").await?;
    all_answer(&stack, "/version", StatusCode::IM_A_TEAPOT).await?;
    hostile::play(router, "nothing", "closed").await?;
    all_answer(&stack, "/version", StatusCode::OK).await?;

    hostile::play(router, "respond", "closed").await?;
    all_answer(&stack, "/version", StatusCode::IM_A_TEAPOT).await?;
    router.publish(|router| router.replace(POLICY_FILE, DEMO_POLICY.as_bytes())).await?;
    all_answer(&stack, "/version", StatusCode::OK).await?;
    std::fs::remove_file(router.path(hostile::FILE))?;
    eventually("a file that is gone is not shown", async || {
        ensure!(router.plugin("hostile").await.is_err(), "it is shown");
        Ok(())
    })
    .await;
    router.healthy().await;
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_added_edited_and_removed_is_live_on_every_worker_at_once() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    all_answer(&stack, "/extra", StatusCode::NOT_FOUND).await?;

    let file = "routes.d/extra.toml";
    router.publish(|router| router.replace(file, EXTRA_ROUTE.as_bytes())).await?;
    all_answer(&stack, "/extra", StatusCode::OK).await?;

    let edited = EXTRA_ROUTE.replace("/extra", "/other");
    router.publish(|router| router.replace(file, edited.as_bytes())).await?;
    all_answer(&stack, "/extra", StatusCode::NOT_FOUND).await?;
    all_answer(&stack, "/other", StatusCode::OK).await?;

    router.publish(|router| std::fs::remove_file(router.path(file)).context("remove the file")).await?;
    all_answer(&stack, "/other", StatusCode::NOT_FOUND).await?;
    load.finish().await?;
    Ok(())
}
