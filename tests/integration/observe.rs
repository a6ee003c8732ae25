//! What an operator sees of the traffic: metrics that Prometheus takes, and an access log of whole lines.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::router::{ACCESS_LOG, Router, Setup};
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};
use sluice_tests::{client, eventually, metrics};

const DOCUMENTED: &str = include_str!("../../docs/metrics.md");
/// Requests of one test.
const REQUESTS: usize = 40;

async fn scrape(router: &Router) -> Result<String> {
    Ok(client::http().get(format!("{}/metrics", router.admin)).send().await?.error_for_status()?.text().await?)
}

/// The demo with traffic of every kind on it.
async fn busy() -> Result<Stack> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    for uid in 0..20 {
        for path in ["/get", "/set", "/meow", "/nowhere"] {
            client::as_user(client::http().get(stack.edge(path)), uid).send().await?;
        }
    }
    Ok(stack)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing_to_complain_of() -> Result<()> {
    let stack = busy().await?;
    metrics::promtool(&scrape(&stack.router).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_family_is_documented_and_counts() -> Result<()> {
    let stack = busy().await?;
    let text = scrape(&stack.router).await?;
    let samples = metrics::parse(&text)?;
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: BTreeSet<&str> = families.filter(|name| !DOCUMENTED.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/metrics.md does not say what these are: {missing:?}");
    let of = |name: &str, label: &str| -> f64 {
        samples.iter().filter(|sample| sample.name == name && sample.labels.contains(label)).map(|s| s.value).sum()
    };
    for (name, label, least) in [
        ("sluice_requests_total", r#"variant="canary""#, 1.0),
        ("sluice_request_duration_seconds_count", r#"route="app""#, 40.0),
        ("sluice_response_body_bytes_total", r#"route="app""#, 40.0),
        ("sluice_request_reasons_total", r#"reason="plugin_response""#, 20.0),
        ("sluice_upstream_requests_total", r#"upstream="stable""#, 1.0),
        ("sluice_upstream_duration_seconds_count", r#"upstream="stable""#, 1.0),
        ("sluice_plugin_calls_total", r#"plugin="canary""#, 20.0),
        ("sluice_snapshot_published_timestamp_seconds", "", 1.6e9),
        ("process_resident_memory_bytes", "", 1e6),
        ("process_start_time_seconds", "", 1.6e9),
        ("sluice_build_info", "version=", 1.0),
    ] {
        assert!(of(name, label) >= least, "{name}{{{label}}} is {} in {text}", of(name, label));
    }
    assert!((of("sluice_rollout_weight_ratio", "") - 0.25).abs() < 1e-9, "{text}");
    assert!(of("sluice_store_state_age_seconds", "").abs() < f64::EPSILON, "{text}");
    Ok(())
}

/// A router with this access log before nobody.
async fn logging(to: &str) -> Result<Router> {
    let setup = Setup::new(DEMO_POLICY, "embedded")?;
    let file = setup.path("sluice.toml");
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains(ACCESS_LOG), "{text}");
    std::fs::write(&file, text.replace(ACCESS_LOG, &format!("[access_log]\nto = {to}")))?;
    setup.start().await
}

async fn ask(router: &Router) -> Result<()> {
    for index in 0..REQUESTS {
        client::http().get(format!("{}/get?secret={index}", router.edge)).send().await?;
    }
    Ok(())
}

fn paths(text: &str) -> Result<Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let read = lines.map(|line| {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        Ok(line["path"].as_str().context("a path")?.to_owned())
    });
    read.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_file_lies_beside_the_configuration_and_is_whole_after_a_shutdown() -> Result<()> {
    let mut router = logging(r#"{ file = "access.log" }"#).await?;
    ask(&router).await?;
    router.process.terminate().await?;
    let text = std::fs::read_to_string(router.path("access.log"))?;
    assert_eq!(paths(&text)?, vec!["/get"; REQUESTS]);
    assert!(!text.contains("secret"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_go_to_either_output_without_breaking_others() -> Result<()> {
    for to in ["stdout", "stderr"] {
        let router = logging(&format!("\"{to}\"")).await?;
        ask(&router).await?;
        eventually("all lines are out", async || {
            let count = paths(&router.process.output())?.len();
            ensure!(count == REQUESTS, "{count} lines");
            Ok(())
        })
        .await;
    }
    Ok(())
}
