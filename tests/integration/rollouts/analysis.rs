//! A plan that walks, and canaries that are judged, under real traffic and with real time. The shortest interval that a
//! policy may have is ten seconds, so all of it goes on at once, as rollouts of one router.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::eventually_within;
use sluice_tests::origin::{Audience, Origin};
use sluice_tests::router::Router;

use super::{cli, history, nothing, order, rollout, shown, upstreams};

/// Two intervals of ten seconds, each after the rest of a window, with what a busy machine adds.
const WALK: Duration = Duration::from_secs(120);

/// What a canary is held to; each test says from how many requests on, and what no data means.
fn analysis(more: &str) -> String {
    format!("[rollouts.NAME.analysis]\ninterval = \"10s\"\nfailures_max = 1\nsuccess_rate = {{ min = 90.0 }}\n{more}")
}

fn planned(name: &str, steps: &str, more: &str) -> String {
    let about = format!("{steps}\n{}", analysis(more)).replace("NAME", name);
    rollout(name, &format!("/{name}"), &about)
}

async fn ends(router: &Router, name: &str, state: &str) -> Value {
    eventually_within(WALK, &format!("{name} is {state}"), async || {
        let rollout = shown(router, name).await?;
        ensure!(rollout["state"] == state, "{rollout:#}");
        Ok(rollout)
    })
    .await
}

async fn waits(router: &Router, name: &str, what: &str) -> Value {
    eventually_within(WALK, &format!("{name} waits for {what}"), async || {
        let rollout = shown(router, name).await?;
        ensure!(rollout["waits_for"].as_str().is_some_and(|text| text.contains(what)), "{rollout:#}");
        Ok(rollout)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canaries_are_judged_by_what_the_router_counted() -> Result<()> {
    let (good, bad) = (Origin::start(200).await?, Origin::start(200).await?);
    let (half, quarter) = ("steps = [{ weight = 50, pause = \"1s\" }]", "steps = [{ weight = 25, pause = \"1s\" }]");
    let walk = "steps = [{ weight = 50, pause = \"1s\" }, { weight = 100, pause = \"1s\" }]";
    let policy = upstreams(&good.address.to_string(), &bad.address.to_string())
        + &planned("walk", walk, "min_samples = 20\n")
            .replace("canary = \"canary\", beta = \"canary\"", "canary = \"stable\", beta = \"stable\"")
        + &planned("broken", half, "min_samples = 20\n")
        + &planned("paused", half, "min_samples = 20\n")
        + &planned("kept", half, "min_samples = 20\non_failure = \"pause\"\n")
        + &planned("hold", quarter, "min_samples = 1000000\n")
        + &planned(
            "pass",
            "steps = [{ weight = 25, pause = \"1s\" }, { weight = 50, gate = \"manual\" }]",
            "min_samples = 1000000\nno_data = \"pass\"\n",
        )
        + &planned("fail", quarter, "min_samples = 1000000\nno_data = \"fail\"\n");
    bad.answer(500);
    let router = Router::start(&policy).await?;
    let names = ["walk", "broken", "paused", "kept", "hold", "pass", "fail"];
    for name in names {
        order(&router, name, "start", json!({"release": "v42"})).await?;
    }
    order(&router, "paused", "pause", nothing()).await?;
    let busy = ["walk", "broken", "paused", "kept"];
    let _audience = Audience::start(busy.iter().map(|name| format!("{}/{name}", router.edge)).collect());

    let broken = ends(&router, "broken", "aborted").await;
    assert_eq!(broken["by"], "analysis");
    let reason = broken["reason"].as_str().context("a reason")?;
    assert!(reason.contains("success rate is 0 %, must be at least 90 %"), "{reason}");
    let (_, page) = cli(&router, &["status", "broken"]).await?;
    assert!(page.contains("aborted") && page.contains("success rate is 0 %"), "{page}");

    ends(&router, "paused", "aborted").await;
    let kept = ends(&router, "kept", "paused").await;
    assert_eq!((&kept["by"], &kept["effective_weight"]), (&json!("analysis"), &json!(50.0)), "an operator decides");
    ends(&router, "fail", "aborted").await;
    let held = waits(&router, "hold", "too few requests").await;
    assert_eq!((&held["state"], &held["step"]["number"]), (&json!("running"), &json!(1)));
    waits(&router, "pass", "step 2 of 2 waits for an operator").await;

    let walked = ends(&router, "walk", "promoted").await;
    assert_eq!((&walked["by"], &walked["effective_weight"]), (&json!("analysis"), &json!(100.0)));
    let lines = history(&router, "walk").await?;
    let by_analysis: Vec<&String> = lines.iter().filter(|line| line.starts_with("analysis: ")).collect();
    assert_eq!(by_analysis.len(), 2, "{lines:#?}");
    assert!(by_analysis[0].contains("running step 2") && by_analysis[0].contains("passed its check"), "{lines:#?}");
    assert!(by_analysis[1].contains("promoted") && by_analysis[1].contains("step 2 of 2 is over"), "{lines:#?}");
    Ok(())
}
