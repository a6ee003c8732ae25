//! The last good revision outlives the process.

use sluice_control::FaultSource;

use crate::site::{Site, eventually, other_bytes, plain_policy};

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_bad_input_serves_what_served_before() {
    let site = Site::demo();
    let running = site.start().await;
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    let digest = running.plugin("canary").unwrap().digest;
    // It is kept right after it is published; a router that is stopped in between serves the one before.
    let manifest = site.folders().data.join("last-good/manifest.json");
    eventually("the revision is kept", || {
        let kept = std::fs::read_to_string(&manifest).unwrap_or_default();
        if digest.as_ref().is_some_and(|digest| kept.contains(digest)) { Ok(()) } else { Err(kept) }
    })
    .await;
    running.stop().await;

    site.write_policy("demo.toml", "[routes");
    site.write_plugin("canary.wasm", b"half written");
    let running = site.start().await;
    assert_eq!(running.revision(), 2, "the revision that served before");
    assert_eq!(running.snapshot().policy.routes[0].name, "app");
    assert_eq!(running.plugin("canary").unwrap().digest, digest);
    assert_eq!(running.faults(FaultSource::Policy).len(), 1);

    site.write_policy("demo.toml", &plain_policy("repaired"));
    running.reaches(3).await;
    assert_eq!(running.snapshot().policy.routes[0].name, "repaired");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_grow_over_restarts() {
    let site = Site::demo();
    for revision in 1..=3 {
        let running = site.start().await;
        assert_eq!(running.revision(), revision);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_last_good_revision_bad_input_serves_nothing_and_is_shown() {
    let site = Site::new();
    site.write_policy("demo.toml", "[routes");
    let running = site.start().await;
    assert_eq!(running.revision(), 0);
    assert_eq!(running.faults(FaultSource::Policy).len(), 1);
    site.write_policy("demo.toml", &plain_policy("app"));
    running.reaches(1).await;
    running.no_faults().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_last_good_revision_is_told_and_hinders_nobody() {
    let site = Site::demo();
    site.start().await.stop().await;
    std::fs::write(site.folders().data.join("last-good/manifest.json"), "{").unwrap();
    let running = site.start().await;
    assert_eq!(running.revision(), 2, "the history knows which numbers were given");
    running.no_faults().await;
    running.stop().await;
}
