//! Going back to an earlier revision: the files are not touched, and count again once they change.

use sluice_control::{CommandError, FaultSource, Revision};

use crate::site::{Running, Site, eventually, other_bytes, plain_policy};

/// A site whose first three revisions have the routes `one`, `two` and `three`.
async fn three_revisions(site: &Site) -> Running {
    site.write_policy("demo.toml", &plain_policy("one"));
    let running = site.start().await;
    for (revision, route) in [(2, "two"), (3, "three")] {
        site.write_policy("demo.toml", &plain_policy(route));
        running.reaches(revision).await;
    }
    running
}

fn route(running: &Running) -> String {
    running.snapshot().policy.routes[0].name.clone()
}

fn numbers(running: &Running) -> Vec<(u64, u64)> {
    running.handle.revisions().iter().map(|known| (known.first_revision, known.revision)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_serves_under_a_new_number_until_the_files_change() {
    let site = Site::new();
    let running = three_revisions(&site).await;
    let pinned = running.handle.roll_back(1).await.unwrap();
    assert_eq!((pinned.to, pinned.published_as), (1, 4));
    assert_eq!(pinned.differing, ["routes.d/demo.toml"]);
    assert_eq!((running.revision(), route(&running).as_str()), (4, "one"));
    assert_eq!(running.handle.status().pinned, Some(pinned));
    let newest: Revision = running.handle.revisions().swap_remove(0);
    assert_eq!((newest.revision, newest.rollback_of), (4, Some(1)));
    assert_eq!(newest.summary, ["route one added", "route three removed"]);

    // The same content again is no change, even if the file moved.
    site.write_policy("demo.toml", &plain_policy("three"));
    site.write_policy("beside.txt", "not a policy");
    site.write_policy("demo.toml", &plain_policy("four"));
    running.reaches(5).await;
    assert_eq!(route(&running), "four");
    eventually("the pin is gone", || {
        running.handle.status().pinned.map_or(Ok(()), |pinned| Err(format!("{pinned:?}")))
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_outlives_a_restart_and_broken_files() {
    let site = Site::new();
    let running = three_revisions(&site).await;
    site.write_policy("demo.toml", "[routes");
    let _fault = running.fault(FaultSource::Policy, "demo.toml").await;
    running.handle.roll_back(2).await.unwrap();
    assert_eq!(running.faults(FaultSource::Policy).len(), 1, "what is wrong with the files is still shown");
    running.stop().await;

    let running = site.start().await;
    assert_eq!(route(&running), "two");
    assert_eq!(running.handle.status().pinned.map(|pinned| pinned.to), Some(2));
    assert_eq!(running.faults(FaultSource::Policy).len(), 1);
    let revision = running.revision();
    assert!(revision > 4, "numbers grow over restarts: {revision}");

    // An edit that is wrong changes nothing, one that is right takes over.
    site.write_policy("demo.toml", "[upstream]");
    let _fault = running.fault(FaultSource::Policy, "upstream").await;
    assert_eq!((running.revision(), running.handle.status().pinned.is_some()), (revision, true));
    site.write_policy("demo.toml", &plain_policy("repaired"));
    running.reaches(revision + 1).await;
    running.no_faults().await;
    assert_eq!(route(&running), "repaired");
    running.stop().await;

    let running = site.start().await;
    assert_eq!((route(&running).as_str(), running.handle.status().pinned), ("repaired", None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_changed_while_the_router_was_down_take_over_from_a_pin() {
    let site = Site::new();
    let running = three_revisions(&site).await;
    running.handle.roll_back(1).await.unwrap();
    running.stop().await;
    site.write_policy("demo.toml", &plain_policy("edited"));
    let running = site.start().await;
    assert_eq!((route(&running).as_str(), running.handle.status().pinned), ("edited", None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpin_lets_the_files_count_again() {
    let site = Site::new();
    let running = three_revisions(&site).await;
    assert!(matches!(running.handle.unpin().await, Err(CommandError::Refused(_))));
    running.handle.roll_back(1).await.unwrap();
    let unpinned = running.handle.unpin().await.unwrap();
    assert_eq!((unpinned.revision, unpinned.files_serve), (5, true));
    assert_eq!((route(&running).as_str(), running.handle.status().pinned), ("three", None));

    running.handle.roll_back(1).await.unwrap();
    site.write_policy("demo.toml", "[routes");
    let _fault = running.fault(FaultSource::Policy, "demo.toml").await;
    let unpinned = running.handle.unpin().await.unwrap();
    assert_eq!((unpinned.revision, unpinned.files_serve), (6, false), "broken files serve nothing");
    assert_eq!((route(&running).as_str(), running.handle.status().pinned), ("one", None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_cannot_be_is_refused_with_its_reason() {
    let site = Site::demo();
    let running = site.start().await;
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    eventually("the revision is kept", || {
        let kept = numbers(&running);
        if kept.len() == 2 { Ok(()) } else { Err(format!("{kept:?}")) }
    })
    .await;
    assert_eq!(running.handle.revisions()[0].summary, ["plugin file canary.wasm"]);

    let unknown = running.handle.roll_back(7).await.unwrap_err();
    assert!(matches!(&unknown, CommandError::NoRevision(text) if text.contains("kept are 2, 1")), "{unknown}");
    let serves = running.handle.roll_back(2).await.unwrap_err();
    assert!(matches!(&serves, CommandError::Refused(text) if text.contains("serves now")), "{serves}");

    let digest = running.handle.revisions()[1].plugins["canary.wasm"].clone();
    std::fs::remove_file(site.folders().data.join(format!("last-good/plugins/{digest}.wasm"))).unwrap();
    let gone = running.handle.roll_back(1).await.unwrap_err();
    assert!(matches!(&gone, CommandError::Refused(text) if text.contains("no longer builds")), "{gone}");
    assert_eq!((running.revision(), running.handle.status().pinned), (2, None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugin_files_of_kept_revisions_are_kept() {
    let site = Site::demo();
    let running = site.start().await;
    let digest = running.plugin("canary").unwrap().digest;
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    site.write_policy("demo.toml", &plain_policy("plain"));
    running.reaches(3).await;
    running.stop().await;

    let running = site.start().await;
    running.handle.roll_back(1).await.unwrap();
    assert_eq!(running.plugin("canary").unwrap().digest, digest);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_do_not_fill_the_history() {
    let site = Site::demo();
    for _ in 0..3 {
        site.start().await.stop().await;
    }
    let running = site.start().await;
    assert_eq!(numbers(&running), [(1, 4)]);
    assert!(running.handle.revision(2).is_some());
    running.stop().await;
}
