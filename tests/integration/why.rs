//! `sluice why` and `sluice requests`: what became of a request that has been.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::process::sluice;
use sluice_tests::stack::{Stack, StoreKind};
use sluice_tests::{client, crowd, eventually};

/// The id that the router gave a request.
async fn request_id(stack: &Stack, path: &str, uid: u32) -> Result<String> {
    let response = client::as_user(client::http().get(stack.edge(path)), uid).send().await?;
    let id = client::header(&response, "x-sluice-request-id").context("a response names its request")?;
    response.bytes().await?;
    Ok(id)
}

/// A request is kept once its last byte is out, which its client may hear of before.
async fn why(stack: &Stack, id: &str) -> String {
    eventually("the request is kept", async || {
        let (status, told, complaint) = sluice(&["why", id, "--admin", &stack.router.admin]).await?;
        ensure!(status == 0, "{complaint}");
        Ok(told)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_of_a_request_is_told_by_its_id() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let uid = crowd::user_on(&stack, "canary").await?;
    let id = request_id(&stack, "/version?secret=1", uid).await?;
    let told = why(&stack, &id).await;
    for part in
        ["takes route `app`", "plugin `canary` (request): chooses variant canary", "answers 200", "over with 200"]
    {
        ensure!(told.contains(part), "{part}: {told}");
    }
    ensure!(!told.contains("secret"), "queries hold secrets: {told}");

    let gated = request_id(&stack, "/set", uid).await?;
    let told = why(&stack, &gated).await;
    ensure!(told.contains("plugin `feature-flags` (request): answers 404"), "{told}");

    let (_, told, _) = sluice(&["requests", "--newest", "2", "--json", "--admin", &stack.router.admin]).await?;
    let newest: Value = serde_json::from_str(&told)?;
    ensure!(newest.as_array().map(Vec::len) == Some(2), "{newest}");
    ensure!(newest[0]["request_id"] == gated.as_str() && newest[1]["request_id"] == id.as_str(), "{newest}");
    let (_, told, _) = sluice(&["requests", "--admin", &stack.router.admin]).await?;
    ensure!(told.lines().next().is_some_and(|line| line.contains(&gated) && line.contains("/set")), "{told}");

    let (status, _, complaint) = sluice(&["why", "no-such-id", "--admin", &stack.router.admin]).await?;
    ensure!(status == 1 && complaint.contains("no request `no-such-id` is kept"), "{complaint}");
    Ok(())
}
