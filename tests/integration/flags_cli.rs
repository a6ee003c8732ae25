//! `sluice flags`: what it prints and what it does, against a running router.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::eventually;
use sluice_tests::process::{Process, binary, sluice};
use sluice_tests::stack::StoreKind;
use tokio::process::Command;

use crate::flag_sets::{SHOP, Shop};

/// Runs `sluice flags` against the first router; the status is asserted.
async fn flags(shop: &Shop, arguments: &[&str], status: i32) -> Result<(String, String)> {
    let admin = ["--admin", &shop.router().admin];
    let all: Vec<&str> = ["flags"].into_iter().chain(arguments.iter().copied()).chain(admin).collect();
    let (ended, out, complained) = sluice(&all).await?;
    ensure!(ended == status, "{arguments:?} ended with {ended}: {out}{complained}");
    Ok((out, complained))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_compared_then_imported_explained_changed_and_exported() -> Result<()> {
    let shop = Shop::start(StoreKind::Embedded).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("shop.json");
    let path = file.to_str().context("a path that is text")?;
    std::fs::write(&file, SHOP)?;

    let (out, _) = flags(&shop, &["import", path, "--dry-run"], 0).await?;
    assert!(out.contains("+ new-checkout") && out.contains("dry run: 2 changes of set shop would change"), "{out}");
    assert_eq!(shop.router().get("/v1/flagsets").await?.as_array().map(Vec::len), Some(0), "a dry run writes nothing");
    let (out, _) = flags(&shop, &["import", path, "--reason", "the first"], 0).await?;
    assert!(out.contains("imported: set shop has version 1, 2 changes"), "{out}");
    let (out, _) = flags(&shop, &["import", path], 0).await?;
    assert_eq!(out.trim(), "nothing changes in set shop");

    std::fs::write(&file, SHOP.replace("\"ENABLED\",\n", "\"ENABELD\",\n"))?;
    let (_, complained) = flags(&shop, &["import", path], 1).await?;
    assert!(
        complained.contains("shop.json:4:") && complained.contains("    4 |       \"state\": \"ENABELD\""),
        "{complained}"
    );
    assert!(complained.contains("= at flags.new-checkout.state"), "{complained}");

    let (out, _) = flags(&shop, &["list"], 0).await?;
    assert!(out.contains("featureFlags") && out.contains("by rule") && out.contains("\"dark-1\""), "{out}");
    let explain = ["explain", "new-checkout", "-c", "email=ann@example.org"];
    let (out, _) = flags(&shop, &explain, 0).await?;
    assert!(out.starts_with("new-checkout = true, variant on  (TARGETING_MATCH, in the set shop)"), "{out}");
    assert!(out.contains("ends_with") && out.contains("flags.new-checkout.targeting"), "{out}");
    let (out, _) = flags(&shop, &["set", "theme", "light", "--reason", "a new look"], 0).await?;
    assert!(out.contains("value     \"light-1\""), "{out}");
    let (out, _) = flags(&shop, &["set", "new-checkout", "--state", "DISABLED"], 0).await?;
    assert!(out.contains("none: disabled"), "{out}");
    let (out, _) = flags(&shop, &["on", "beta", "--reason", "launch"], 0).await?;
    assert!(out.contains("value     on"), "{out}");
    let (_, complained) = flags(&shop, &["on", "btea"], 1).await?;
    assert!(complained.contains("did you mean `beta`?"), "{complained}");

    let (out, _) = flags(&shop, &["export"], 0).await?;
    assert_eq!(out, SHOP.replacen("\"ENABLED\"", "\"DISABLED\"", 1).replace("   \"dark\"", "   \"light\""));
    let (out, _) = flags(&shop, &["history", "theme"], 0).await?;
    assert!(out.contains("~ theme  defaultVariant: \"dark\" -> \"light\""), "{out}");
    assert!(out.contains("by admin at 127.0.0.1: a new look") && !out.contains("beta"), "{out}");
    let (out, _) = flags(&shop, &["history", "--json"], 0).await?;
    let entries: Value = serde_json::from_str(&out)?;
    let first = &entries[0];
    assert_eq!((first["key"].as_str(), first["reason"].as_str()), (Some("flag:beta"), Some("launch")), "{entries}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_who_did_it_also_if_it_was_a_client_of_the_store() -> Result<()> {
    let shop = Shop::start(StoreKind::Redis).await?;
    let redis = shop.redis.as_ref().context("the router is on Redis")?;
    let mut command = Command::new(binary("sluice")?);
    command.args(["flags", "watch", "--admin", &shop.router().admin]);
    let mut watch = Process::start("sluice flags watch", &mut command)?;
    watch.line("watching flags").await?;

    flags(&shop, &["on", "featureFlags", "--reason", "launch"], 0).await?;
    shows(&watch, &["featureFlags  false -> true", "featureFlags  none -> true"], "by admin at 127.0.0.1: launch")
        .await;
    redis.set("featureFlags", "off").await?;
    shows(&watch, &["featureFlags  true -> false"], "by a client of the store").await;
    shop.put(SHOP).await?.error_for_status()?;
    shows(&watch, &["set shop  defined"], "by admin at 127.0.0.1: a test").await;
    let told = watch.output();
    assert!(told.contains("+ new-checkout"), "{told}");
    assert_eq!(told.matches("featureFlags").count(), 2, "each change is told once: {told}");
    watch.terminate().await?;
    Ok(())
}

/// Waits for a line with one of `whats` and with `who`.
async fn shows(watch: &Process, whats: &[&str], who: &str) {
    eventually(&format!("the watch tells {whats:?} {who}"), async || {
        let told = watch.output();
        let is_told = |line: &str| whats.iter().any(|what| line.contains(what)) && line.contains(who);
        ensure!(told.lines().any(is_told), "{told}");
        Ok(())
    })
    .await;
}
