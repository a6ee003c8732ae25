//! `sluice explain`: what it says of the demo's policy is what the router then does.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::process::sluice;
use sluice_tests::router::{POLICY_FILE, Setup};
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};
use sluice_tests::{client, crowd, upload};

/// What the command prints as JSON.
async fn explain(arguments: &[&str]) -> Result<Value> {
    let arguments: Vec<&str> = ["explain"].iter().chain(arguments).chain(&["--json"]).copied().collect();
    let (status, told, complaint) = sluice(&arguments).await?;
    anyhow::ensure!(status == 0, "{complaint}");
    serde_json::from_str(&told).context("explain --json prints JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_explained_without_a_router() -> Result<()> {
    let setup = Setup::new(DEMO_POLICY, "embedded")?;
    let folder = setup.path("");
    let folder = folder.to_str().context("a path that is text")?;
    let gated = explain(&["GET", "http://a.example/x/../%73et", folder]).await?;
    assert_eq!(gated["request"]["path"], "/set");
    assert_eq!(
        gated["outcome"],
        json!({"kind": "answered", "by": "plugin `feature-flags`", "status": 404, "location": null})
    );

    let open = ["GET", "http://a.example/set", folder, "--flag", "featureFlags=on", "--rollout", "demo=100"];
    let open = explain(&open).await?;
    assert_eq!((&open["outcome"]["kind"], &open["outcome"]["variant"]), (&json!("sent"), &json!("canary")));
    assert_eq!(open["rollout"]["canary_slots"], 10_000);

    let tripped = ["POST", "http://a.example/upload", folder, "--body-bytes", "50001", "--rollout", "demo=100"];
    let (status, told, _) = sluice(&[&["explain"], &tripped[..]].concat()).await?;
    assert_eq!(status, 0);
    assert!(told.contains("would raise the alert `upload-size` and abort the rollout"), "{told}");
    assert!(told.contains("sent to `stable`, variant stable"), "{told}");
    let within = ["POST", "http://a.example/upload", folder, "--body-bytes", "50000", "--rollout", "demo=100"];
    assert_eq!(explain(&within).await?["outcome"]["variant"], "canary");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_makes_no_sense_is_told_how_to_ask() -> Result<()> {
    let setup = Setup::new(DEMO_POLICY, "embedded")?;
    let folder = setup.path("");
    let folder = folder.to_str().context("a path that is text")?;
    for (arguments, part) in [
        (vec!["GET", "/set", folder], "-H 'host: HOST'"),
        (vec!["GET", "http://a/", folder, "--rollout", "dmeo=5"], "declared: demo"),
        (vec!["GET", "http://a/", "--admin", "127.0.0.1:1"], "sluice run"),
    ] {
        let (status, _, complaint) = sluice(&[&["explain"], &arguments[..]].concat()).await?;
        assert_eq!(status, 1, "{complaint}");
        assert!(complaint.contains(part), "{part}: {complaint}");
    }
    let (status, ..) = sluice(&["explain", "GET", "http://a/", folder, "--flag", "x"]).await?;
    assert_eq!(status, 2, "a command line without sense");
    std::fs::write(setup.path(POLICY_FILE), "[upstream]")?;
    let (status, _, complaint) = sluice(&["explain", "GET", "http://a/", folder]).await?;
    assert!(status == 1 && complaint.contains("did you mean `upstreams`"), "{complaint}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_router_does_what_it_explains_and_nothing_by_explaining() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let url = stack.edge("/version");
    for variant in ["stable", "canary"] {
        let uid = crowd::user_on(&stack, variant).await?;
        let cookie = format!("cookie: uid={uid}");
        let told = explain(&["GET", &url, "-H", &cookie, "--admin", &stack.router.admin]).await?;
        assert_eq!(told["outcome"]["variant"], variant, "{told}");
        assert_eq!(
            told["outcome"]["upstreams"][0]["servers"].as_array().map(Vec::len),
            Some(if variant == "stable" { 2 } else { 1 })
        );
    }
    let uid = crowd::user_on(&stack, "canary").await?;
    let cookie = format!("cookie: uid={uid}");
    let large = (upload::LIMIT_BYTES + 1).to_string();
    let question =
        ["POST", &stack.edge("/upload"), "-H", &cookie, "--body-bytes", &large, "--admin", &stack.router.admin];
    let told = explain(&question).await?;
    assert_eq!(told["outcome"]["variant"], "stable", "{told}");
    assert!(told["plugins"].to_string().contains("abort the rollout"), "{told}");
    assert_eq!(stack.rollout().await?["state"], "running", "an explanation aborts nothing");
    assert!(stack.alerts().await?.is_empty());

    let query = format!("/v1/explain?url={}&header=cookie:uid%3D{uid}", "http://a.example/version");
    assert_eq!(stack.router.get(&query).await?["outcome"]["variant"], "canary");
    let refused = client::http().get(format!("{}/v1/explain?uri=/", stack.router.admin)).send().await?;
    assert_eq!(refused.status(), 400);
    Ok(())
}
