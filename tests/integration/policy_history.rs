//! `sluice policy`: an operator sees what changed, goes back, and lets the files count again.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use sluice_tests::process::sluice;
use sluice_tests::router::{POLICY_FILE, Router};
use sluice_tests::{client, eventually};

/// A policy whose one route answers with a redirect to `to`.
fn policy(to: &str) -> String {
    format!(
        "[[routes]]\nname = \"moved\"\nmatch = {{ path = {{ prefix = \"/\" }} }}\nredirect = {{ host = \"{to}.example\" }}\n"
    )
}

/// Where the edge sends a client.
async fn location(router: &Router) -> Result<String> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let response = client.get(&router.edge).send().await?;
    client::header(&response, "location").with_context(|| format!("{response:?}"))
}

async fn sends_to(router: &Router, to: &str) -> Result<()> {
    let location = location(router).await?;
    ensure!(location.contains(&format!("//{to}.example")), "{location}");
    Ok(())
}

async fn command(router: &Router, arguments: &[&str]) -> Result<(i32, String, String)> {
    sluice(&[&["policy"], arguments, &["--admin", &router.admin]].concat()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_goes_back_and_the_files_wait() -> Result<()> {
    let mut router = Router::start(&policy("one")).await?;
    router.publish(|router| router.replace(POLICY_FILE, policy("two").as_bytes())).await?;
    router.replace(POLICY_FILE, b"[routes")?;
    router.fault("test.toml").await;

    let (status, told, complaint) = command(&router, &["history"]).await?;
    ensure!(status == 0, "{complaint}");
    ensure!(
        told.contains("* 2 ") && told.contains("route moved: redirect.host") && told.contains("the first revision"),
        "{told}"
    );
    let (_, told, _) = command(&router, &["show", "1"]).await?;
    ensure!(told.contains("host = \"one.example\""), "{told}");

    let (status, told, complaint) = command(&router, &["rollback", "1"]).await?;
    ensure!(status == 0, "{complaint}");
    ensure!(told.contains("as revision 3") && told.contains("sluice policy unpin"), "{told}");
    sends_to(&router, "one").await?;
    ensure!(std::fs::read(router.path(POLICY_FILE))? == b"[routes", "the files are not touched");
    let (_, told, _) = sluice(&["status", "--admin", &router.admin]).await?;
    ensure!(told.contains("pinned    to revision 1"), "{told}");

    router.process.terminate().await?;
    router.restart().await?;
    sends_to(&router, "one").await?;
    ensure!(router.get("/v1/status").await?["pinned"]["to"] == 1, "the pin outlives the restart");

    router.publish(|router| router.replace(POLICY_FILE, policy("three").as_bytes())).await?;
    sends_to(&router, "three").await?;
    eventually("an edit takes over", async || {
        let status = router.get("/v1/status").await?;
        ensure!(status["pinned"].is_null(), "{status}");
        Ok(())
    })
    .await;

    command(&router, &["rollback", "2"]).await?;
    sends_to(&router, "two").await?;
    let (status, told, _) = command(&router, &["unpin"]).await?;
    ensure!(status == 0 && told.contains("the files serve"), "{told}");
    sends_to(&router, "three").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_gone_back_to_is_refused_and_changes_nothing() -> Result<()> {
    let router = Router::start(&policy("one")).await?;
    router.publish(|router| router.replace(POLICY_FILE, policy("two").as_bytes())).await?;
    for (arguments, part) in [
        (vec!["rollback", "9"], "kept are 2, 1"),
        (vec!["rollback", "2"], "is what serves now"),
        (vec!["unpin"], "nothing is pinned"),
        (vec!["show", "9"], "no revision 9"),
    ] {
        let (status, _, complaint) = command(&router, &arguments).await?;
        ensure!(status == 1 && complaint.contains(part), "{arguments:?}: {complaint}");
    }
    ensure!(router.revision().await? == 2);
    sends_to(&router, "two").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_may_only_read_explains_but_does_not_go_back() -> Result<()> {
    let setup = sluice_tests::router::Setup::new(&policy("one"), "embedded")?;
    setup.write_process_config("embedded", "token_env = \"OPERATOR\"\nread_token_env = \"READER\"")?;
    let router = setup.env("OPERATOR", "op-token").env("READER", "ro-token").start().await?;
    let ask = |method, path: &str, token: &str, body| {
        let request = client::http().request(method, format!("{}{path}", router.admin)).bearer_auth(token).json(&body);
        async move { anyhow::Ok(request.send().await?.status()) }
    };
    let (get, post) = (reqwest::Method::GET, reqwest::Method::POST);
    let question = json!({ "url": "http://a.example/" });
    assert_eq!(ask(post.clone(), "/v1/explain", "ro-token", question.clone()).await?, StatusCode::OK);
    assert_eq!(ask(post.clone(), "/v1/explain", "no-token", question).await?, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(get, "/v1/policy", "ro-token", json!(null)).await?, StatusCode::OK);
    let back = json!({ "revision": 1 });
    assert_eq!(ask(post.clone(), "/v1/policy/rollback", "ro-token", back.clone()).await?, StatusCode::FORBIDDEN);
    assert_eq!(ask(post.clone(), "/v1/policy/rollback", "op-token", back).await?, StatusCode::CONFLICT);
    let broken = json!({ "revision": "one" });
    assert_eq!(ask(post, "/v1/policy/rollback", "op-token", broken).await?, StatusCode::BAD_REQUEST);
    eventually("the router serves on", async || sends_to(&router, "one").await).await;
    Ok(())
}
