//! Uploads above the limit: one alert, no more canary on any worker from the first byte too many until the resume.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sluice_tests::crowd;
use sluice_tests::stack::{Stack, StoreKind};
use sluice_tests::upload::{LIMIT_BYTES, Wrapping, upload};
use sluice_tests::{client, eventually};

/// Users of which a quarter would be on canary.
const USERS: u32 = 1_000;
/// Offending uploads of one run of the rollout.
const OFFENCES: usize = 3;

/// Uploads through the edge as `uid`; the image must be taken.
async fn upload_to_edge(stack: &Stack, wrapping: Wrapping, image_bytes: usize, uid: u32) -> Result<String> {
    let response = upload(&stack.router.edge, wrapping, image_bytes, uid).await?;
    ensure!(response.status() == StatusCode::OK, "{wrapping:?}, {image_bytes}: {response:?}");
    client::variant(&response).context("the router names the variant")
}

async fn state(stack: &Stack) -> Result<Value> {
    Ok(stack.rollout().await?["state"].clone())
}

/// Users on canary, each on a connection of its own, so that every worker is asked.
async fn on_canary(stack: &Stack) -> Result<usize> {
    Ok(crowd::on_canary(&crowd::ask(&client::http(), stack, 0..USERS).await?))
}

async fn alert_count_comes_to(stack: &Stack, wanted: usize) -> Vec<Value> {
    eventually(&format!("{wanted} alerts"), async || {
        let alerts = stack.alerts().await?;
        ensure!(alerts.len() >= wanted, "{alerts:?}");
        Ok(alerts)
    })
    .await
}

async fn an_image_at_the_limit_changes_nothing(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    for wrapping in Wrapping::ALL {
        for variant in ["stable", "canary"] {
            let uid = crowd::user_on(&stack, variant).await?;
            assert_eq!(upload_to_edge(&stack, wrapping, LIMIT_BYTES, uid).await?, variant, "{wrapping:?}");
        }
        assert_eq!(state(&stack).await?, "running", "{wrapping:?}");
    }
    // Alerts arrive in order: had there been one before this, it would be below it.
    upload_to_edge(&stack, Wrapping::Declared, LIMIT_BYTES + 1, 0).await?;
    let alerts = alert_count_comes_to(&stack, 1).await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["observed"], json!(LIMIT_BYTES + 1), "{alerts:?}");
    Ok(())
}

/// Offends, sees canary gone, resumes; `before` alerts are there already.
async fn offend_and_resume(stack: &Stack, wrapping: Wrapping, before: usize) -> Result<()> {
    for _ in 0..OFFENCES {
        upload_to_edge(stack, wrapping, LIMIT_BYTES + 1, 0).await?;
        // The very next request: the abort does not wait for the store.
        assert_eq!(state(stack).await?, "aborted", "{wrapping:?}");
    }
    assert_eq!(on_canary(stack).await?, 0, "{wrapping:?}");

    let alerts = alert_count_comes_to(stack, before + 1).await;
    assert_eq!(alerts.len(), before + 1, "one alert a run: {alerts:?}");
    let newest = &alerts[0];
    assert_eq!(newest["observed"], json!(LIMIT_BYTES + 1), "{newest}");
    assert_eq!((&newest["limit"], &newest["rollout"]), (&json!(LIMIT_BYTES), &json!("demo")), "{newest}");

    let url = format!("{}/v1/rollouts/demo", stack.router.admin);
    let refused = client::http().put(url).json(&json!({ "weight": 50.0 })).send().await?;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert_eq!(on_canary(stack).await?, 0, "a refused weight changes nothing");

    stack.router.post("/v1/rollouts/demo/resume").await?;
    assert_eq!(state(stack).await?, "running");
    let back = on_canary(stack).await?;
    assert!(back > 0, "nobody is on canary after the resume");
    Ok(())
}

async fn an_image_above_the_limit_ends_the_canary_each_time(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    for (before, wrapping) in Wrapping::ALL.into_iter().enumerate() {
        offend_and_resume(&stack, wrapping, before).await?;
    }
    // An alert too many would have arrived before the last one.
    let alerts = stack.alerts().await?;
    assert_eq!(alerts.len(), Wrapping::ALL.len(), "{alerts:?}");
    Ok(())
}

async fn a_declared_offence_does_not_reach_the_canary_itself(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    let uid = crowd::user_on(&stack, "canary").await?;
    let response = upload(&stack.router.edge, Wrapping::Declared, LIMIT_BYTES + 1, uid).await?;
    assert_eq!(response.status(), StatusCode::OK);
    let went_to = (client::variant(&response), client::header(&response, "x-meow-release"));
    assert_eq!(went_to, (Some("stable".to_owned()), Some("stable".to_owned())));
    Ok(())
}

/// `/meow` through the edge: the release that rendered it, and the page.
async fn gallery(stack: &Stack, uid: u32) -> Result<(Option<String>, String)> {
    let response = client::as_user(client::http().get(stack.edge("/meow")), uid).send().await?.error_for_status()?;
    Ok((client::header(&response, "x-meow-release"), response.text().await?))
}

async fn the_canary_leaves_out_large_images(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    let (stable, canary) = (crowd::user_on(&stack, "stable").await?, crowd::user_on(&stack, "canary").await?);
    let mut images = Vec::new();
    for image_bytes in [LIMIT_BYTES, LIMIT_BYTES + 1] {
        // Past the router, so that nothing is aborted.
        let response = upload(&stack.servers[0].url, Wrapping::Form, image_bytes, stable).await?;
        let id = response.error_for_status()?.json::<Value>().await?["id"].as_str().map(ToOwned::to_owned);
        images.push(format!("/image/{}", id.context("an upload is answered with its id")?));
    }
    let (release, page) = gallery(&stack, stable).await?;
    assert_eq!(release.as_deref(), Some("stable"));
    assert!(images.iter().all(|image| page.contains(image)), "{page}");

    let (release, page) = gallery(&stack, canary).await?;
    assert_eq!(release.as_deref(), Some("canary"));
    assert!(page.contains(&images[0]) && !page.contains(&images[1]), "{page}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_at_the_limit_changes_nothing_embedded() -> Result<()> {
    an_image_at_the_limit_changes_nothing(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_at_the_limit_changes_nothing_redis() -> Result<()> {
    an_image_at_the_limit_changes_nothing(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_above_the_limit_ends_the_canary_each_time_embedded() -> Result<()> {
    an_image_above_the_limit_ends_the_canary_each_time(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_above_the_limit_ends_the_canary_each_time_redis() -> Result<()> {
    an_image_above_the_limit_ends_the_canary_each_time(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_offence_does_not_reach_the_canary_itself_embedded() -> Result<()> {
    a_declared_offence_does_not_reach_the_canary_itself(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_offence_does_not_reach_the_canary_itself_redis() -> Result<()> {
    a_declared_offence_does_not_reach_the_canary_itself(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_canary_leaves_out_large_images_embedded() -> Result<()> {
    the_canary_leaves_out_large_images(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_canary_leaves_out_large_images_redis() -> Result<()> {
    the_canary_leaves_out_large_images(StoreKind::Redis).await
}
