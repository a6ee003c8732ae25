//! The switch `featureFlags`: `/set` exists while it is on, on every worker, at once, and by no other spelling.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use sluice_tests::stack::{Stack, StoreKind};
use sluice_tests::{client, eventually};
use tokio::time::Instant;

/// Fresh connections that reach each of two workers: all go to one of them once in 10^6 runs.
const CONNECTIONS: usize = 20;
/// A message must not be gone before; half a second is for clocks that do not agree.
const MESSAGE_LIVES_MIN: Duration = Duration::from_millis(9_500);
const MESSAGE: &str = "this message will self-destruct in 10 seconds";

async fn status(url: &str) -> Result<StatusCode> {
    Ok(client::http().get(url).send().await?.status())
}

/// The very next requests, on connections to every worker.
async fn set_answers(stack: &Stack, wanted: StatusCode) -> Result<()> {
    for index in 0..CONNECTIONS {
        let found = status(&stack.edge("/set")).await?;
        ensure!(found == wanted, "request {index} to /set: {found}, not {wanted}");
    }
    Ok(())
}

/// Flips the flag the way of the original system.
async fn flip(stack: &Stack) -> Result<String> {
    Ok(client::http().get(format!("{}/on", stack.router.admin)).send().await?.error_for_status()?.text().await?)
}

/// What `/get` answers at each server and the edge; `None` where there is no message.
async fn messages(stack: &Stack) -> Result<Vec<Option<String>>> {
    let bases = stack.servers.iter().map(|server| &server.url).chain([&stack.router.edge]);
    let mut messages = Vec::new();
    for base in bases {
        let response = client::http().get(format!("{base}/get")).send().await?;
        messages.push(match response.status() {
            StatusCode::OK => Some(response.text().await?),
            _ => None,
        });
    }
    Ok(messages)
}

async fn a_flip_opens_and_shuts_set_at_once(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    set_answers(&stack, StatusCode::NOT_FOUND).await?;
    assert_eq!(messages(&stack).await?, vec![None; 4]);

    assert_eq!(flip(&stack).await?.trim(), "true");
    set_answers(&stack, StatusCode::OK).await?;
    assert_eq!(messages(&stack).await?, vec![Some(MESSAGE.to_owned()); 4]);

    let begun = Instant::now();
    assert_eq!(status(&stack.edge("/set")).await?, StatusCode::OK);
    eventually("the message is gone from every server", async || {
        let messages = messages(&stack).await?;
        ensure!(messages.iter().all(Option::is_none), "{messages:?}");
        Ok(())
    })
    .await;
    assert!(begun.elapsed() >= MESSAGE_LIVES_MIN, "gone after {:?}", begun.elapsed());

    assert_eq!(flip(&stack).await?.trim(), "false");
    set_answers(&stack, StatusCode::NOT_FOUND).await
}

/// Other spellings of `/set`: a server may take them for it, so the gate must.
const SPELLINGS: [&str; 9] =
    ["/%73et", "//set", "/x/../set", "/./set", "/x/%2e%2E/set", "/set/", "/set?x", "/set/../set", "/s%65%74/"];

async fn no_other_spelling_passes_the_gate(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    for spelling in SPELLINGS {
        let answer = client::get_raw(&stack.router.edge, spelling).await?;
        assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains("x-meow-server"), "{spelling}: {answer}");
    }
    let posted = client::http().post(stack.edge("/set")).send().await?;
    assert_eq!(posted.status(), StatusCode::NOT_FOUND, "no other method either");
    assert_eq!(status(&stack.edge("/get")).await?, StatusCode::NOT_FOUND, "nothing was stored");

    stack.set_flag(true).await?;
    for spelling in ["/%73et", "//set", "/x/../set"] {
        let answer = client::get_raw(&stack.router.edge, spelling).await?;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(MESSAGE), "{spelling}: {answer}");
    }
    Ok(())
}

/// Waits until every worker answers `/set` with this.
async fn set_comes_to(stack: &Stack, wanted: StatusCode) {
    eventually(&format!("/set is {wanted}"), async || set_answers(stack, wanted).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flip_opens_and_shuts_set_at_once_embedded() -> Result<()> {
    a_flip_opens_and_shuts_set_at_once(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flip_opens_and_shuts_set_at_once_redis() -> Result<()> {
    a_flip_opens_and_shuts_set_at_once(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_spelling_passes_the_gate_embedded() -> Result<()> {
    no_other_spelling_passes_the_gate(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_spelling_passes_the_gate_redis() -> Result<()> {
    no_other_spelling_passes_the_gate(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_redis_client_can_throw_the_switch() -> Result<()> {
    let stack = Stack::start(StoreKind::Redis).await?;
    let redis = stack.redis.as_ref().context("the stack runs on Redis")?;
    set_answers(&stack, StatusCode::NOT_FOUND).await?;

    redis.set("featureFlags", "true").await?;
    set_comes_to(&stack, StatusCode::OK).await;

    redis.set("featureFlags", "nonsense").await?;
    stack.router.fault("featureFlags").await;
    set_answers(&stack, StatusCode::OK).await.context("nonsense keeps the last value")?;

    let _deleted: u64 = redis::cmd("DEL").arg("featureFlags").query_async(&mut redis.connect().await?).await?;
    set_comes_to(&stack, StatusCode::NOT_FOUND).await;
    stack.router.healthy().await;
    Ok(())
}
