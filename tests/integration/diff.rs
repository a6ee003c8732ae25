//! `sluice diff`: two folders, and a folder against a running router.

use anyhow::{Context, Result};
use serde_json::Value;
use sluice_tests::process::sluice;
use sluice_tests::router::{POLICY_FILE, Router, Setup};
use sluice_tests::stack::DEMO_POLICY;

fn text(path: &std::path::Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_are_compared_by_what_they_mean() -> Result<()> {
    let (old, new) = (Setup::new(DEMO_POLICY, "embedded")?, Setup::new(DEMO_POLICY, "embedded")?);
    let (old_path, new_path) = (old.path(""), new.path(""));
    let (before, after) = (text(&old_path)?, text(&new_path)?);
    std::fs::write(new.path(POLICY_FILE), format!("# another comment\n{DEMO_POLICY}"))?;
    let (status, told, _) = sluice(&["diff", before, after]).await?;
    assert_eq!((status, told.trim()), (0, "no difference"));

    let policy = DEMO_POLICY
        .replace("first_byte = \"60s\"", "first_byte = \"5s\"")
        .replace("config = { limit = \"50000B\"", "config = { limit = \"1000B\"");
    std::fs::write(new.path(POLICY_FILE), format!("{policy}\n[upstreams.spare]\nservers = [\"127.0.0.1:1\"]\n"))?;
    let mut plugin = std::fs::read(new.path("plugins.d/canary.wasm"))?;
    plugin.extend([0, 2, 1, b'x']);
    std::fs::write(new.path("plugins.d/canary.wasm"), plugin)?;
    let (status, told, _) = sluice(&["diff", before, after]).await?;
    assert_eq!(status, 1);
    for part in [
        "timeouts.first_byte: 1m -> 5s",
        "config.limit: 50000B -> 1000B",
        "+ upstream spare",
        "~ plugin file canary.wasm",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (status, told, _) = sluice(&["diff", "--json", before, after]).await?;
    let diff: Value = serde_json::from_str(&told)?;
    assert_eq!((status, diff["items"].as_array().map(Vec::len)), (1, Some(4)), "{diff}");

    std::fs::write(new.path(POLICY_FILE), "[upstream]")?;
    let (status, _, complaint) = sluice(&["diff", before, after]).await?;
    assert!(status == 2 && complaint.contains("did you mean `upstreams`"), "{complaint}");
    let (status, _, complaint) = sluice(&["diff", before]).await?;
    assert!(status == 2 && complaint.contains("name two folders"), "{complaint}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_compared_with_what_a_router_serves() -> Result<()> {
    let router = Router::start(DEMO_POLICY).await?;
    let next = Setup::new(&DEMO_POLICY.replace("prefix = \"/\" }", "prefix = \"/v2\" }"), "embedded")?;
    let (folder_path, next_path) = (router.path(""), next.path(""));
    let (folder, next) = (text(&folder_path)?, text(&next_path)?);
    let (status, told, complaint) = sluice(&["diff", "--live", folder, "--admin", &router.admin]).await?;
    assert_eq!((status, told.trim()), (0, "no difference"), "{complaint}");
    let (status, told, _) = sluice(&["diff", "--live", next, "--admin", &router.admin]).await?;
    assert_eq!(status, 1);
    assert!(told.contains("~ route app") && told.contains("match: prefix / -> prefix /v2"), "{told}");

    // A file that the router refuses does not serve, so it differs.
    std::fs::write(router.path(POLICY_FILE), format!("{DEMO_POLICY}\n[upstreams.spare]\nservers = []\n"))?;
    router.fault("empty list").await;
    assert_eq!(router.get("/v1/policy").await?["sources"][0]["text"], DEMO_POLICY);
    let (status, ..) = sluice(&["diff", "--live", folder, "--admin", "127.0.0.1:1"]).await?;
    assert_eq!(status, 2);
    Ok(())
}
