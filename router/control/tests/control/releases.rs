//! Which digest of a plugin serves: back by hand, and back by itself.

use std::sync::Arc;

use sluice_control::{CommandError, DigestOutcome, FaultSource, PluginInfo};
use sluice_snapshot::Plugin;
use sluice_snapshot::plugin::Phase;

use crate::site::{Running, Site, build_bytes, canary_policy, eventually, other_bytes, plugin_bytes};

/// A site whose `canary.wasm` was replaced twice; the digests, oldest first.
async fn three_digests(site: &Site) -> (Running, [String; 3]) {
    let running = site.start().await;
    let first = running.digest("canary");
    let mut rest = [b'y', b'z'].into_iter().zip(2..);
    let mut next = async || {
        let (build, revision) = rest.next().unwrap();
        site.write_plugin("canary.wasm", &build_bytes("canary", build));
        running.reaches(revision).await;
        running.digest("canary")
    };
    let digests = [first, next().await, next().await];
    (running, digests)
}

fn serving(running: &Running) -> Arc<Plugin> {
    let snapshot = running.snapshot();
    Arc::clone(snapshot.plugins().find(|plugin| plugin.name() == "canary").unwrap())
}

/// Requests on which the plugin was called; of some its call failed, of some the response was a 5xx.
fn requests(plugin: &Plugin, requests: usize, failures: usize, errors: usize) {
    for number in 0..requests {
        plugin.stats.called(0, Phase::Request);
        if number < failures {
            plugin.stats.failed(0, "trap");
        }
        plugin.stats.request_ended(0, number < errors);
    }
}

fn is(digest: &str) -> impl Fn(&PluginInfo) -> bool {
    move |plugin| plugin.digest.as_deref() == Some(digest)
}

async fn alert(running: &Running, rule: &str) -> String {
    eventually(&format!("an alert {rule}"), || {
        let handle = running.handle.clone();
        let alerts = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(handle.alerts(10)));
        let alerts = alerts.unwrap();
        let found = alerts.iter().find(|alert| alert.rule == rule && alert.plugin == "canary");
        found.map(|alert| alert.message.clone()).ok_or_else(|| format!("{alerts:?}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_back_at_once_and_the_file_is_held_back_over_restarts() {
    let site = Site::demo();
    let (running, [first, second, third]) = three_digests(&site).await;
    let plugin = running.handle.rollback_plugin("canary", None, "ada").await.unwrap();
    assert_eq!((plugin.digest.as_deref(), running.revision()), (Some(&*second), 4));
    let held = plugin.held.unwrap();
    assert_eq!((held.digest.as_str(), held.by.as_str(), held.is_quarantined), (third.as_str(), "ada", false));
    // Back once more goes further back, and an edit of the policy does not let the file in.
    running.handle.rollback_plugin("canary", None, "ada").await.unwrap();
    site.write_policy("demo.toml", &canary_policy("limits = { cpu = \"7ms\" }"));
    running.reaches(6).await;
    assert_eq!(running.digest("canary"), first);
    running.no_faults().await;
    running.stop().await;

    let running = site.start().await;
    assert_eq!(running.digest("canary"), first);
    assert_eq!(running.plugin("canary").unwrap().held.map(|held| held.digest), Some(third.clone()));
    let released = running.handle.release_plugin("canary", "ada").await.unwrap();
    assert_eq!((released.digest.as_deref(), released.held), (Some(&*third), None));
    let history = running.handle.plugin_history("canary").unwrap();
    let told: Vec<_> = history.digests.iter().map(|kept| (kept.digest.as_str(), kept.outcome)).collect();
    let expected = [
        (third.as_str(), DigestOutcome::Serving),
        (first.as_str(), DigestOutcome::Served),
        (second.as_str(), DigestOutcome::RolledBack),
    ];
    assert_eq!(told, expected);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_ends_a_hold() {
    let site = Site::demo();
    let (running, [first, _, third]) = three_digests(&site).await;
    running.handle.rollback_plugin("canary", Some(&first[..12]), "ada").await.unwrap();
    assert_eq!(running.digest("canary"), first);
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    let plugin = running.shows("canary", "the newer file serves", |plugin| !is(&first)(plugin)).await;
    assert_eq!(plugin.held, None);
    site.write_plugin("canary.wasm", &build_bytes("canary", b'z'));
    running.shows("canary", "the digest that was held serves, for another came between", is(&third)).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_makes_no_sense_is_refused_with_its_reason() {
    let site = Site::demo();
    let (running, [first, _, third]) = three_digests(&site).await;
    let handle = &running.handle;
    let refused = |error: CommandError, text: &str| assert!(error.to_string().contains(text), "{error}");
    refused(handle.rollback_plugin("nobody", None, "ada").await.unwrap_err(), "no policy declares `nobody`");
    refused(handle.rollback_plugin("feature-flags", None, "ada").await.unwrap_err(), "no digest before");
    refused(handle.rollback_plugin("canary", Some("zz"), "ada").await.unwrap_err(), "kept are");
    refused(handle.rollback_plugin("canary", Some(&third), "ada").await.unwrap_err(), "serves now");
    refused(handle.release_plugin("canary", "ada").await.unwrap_err(), "nothing of plugin `canary`");
    refused(handle.promote_plugin("canary", "ada").await.unwrap_err(), "on trial");
    refused(handle.abort_plugin("canary", "ada").await.unwrap_err(), "on trial");
    refused(handle.plugin_history("nobody").unwrap_err(), "no policy declares `nobody`");
    std::fs::remove_file(site.folders().data.join(format!("last-good/plugins/{first}.wasm"))).unwrap();
    refused(handle.rollback_plugin("canary", Some(&first), "ada").await.unwrap_err(), "can no longer serve");
    assert_eq!((running.revision(), running.digest("canary")), (3, third));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_goes_back_while_a_revision_is_pinned_and_after_a_restart() {
    let site = Site::demo();
    let (running, [first, second, third]) = three_digests(&site).await;
    running.handle.roll_back(2).await.unwrap();
    assert_eq!(running.digest("canary"), second);
    running.handle.rollback_plugin("canary", Some(&first), "ada").await.unwrap();
    assert!(running.handle.status().pinned.is_some());
    running.stop().await;

    let running = site.start().await;
    assert_eq!((running.digest("canary"), running.handle.status().pinned.is_some()), (first.clone(), true));
    running.handle.unpin().await.unwrap();
    assert_eq!(running.digest("canary"), first, "what is held back stays out when the files count again");
    running.handle.release_plugin("canary", "ada").await.unwrap();
    assert_eq!(running.digest("canary"), third);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_digest_over_its_budget_is_taken_back_and_quarantined() {
    let site = Site::demo();
    let running = site.start().await;
    let old = running.digest("canary");
    requests(&serving(&running), 100, 0, 0);
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    let plugin = running.shows("canary", "the new one is watched", |plugin| plugin.watch.is_some()).await;
    let new = plugin.digest.clone().unwrap();
    assert_eq!(plugin.watch.unwrap().digest_before, old);
    requests(&serving(&running), 40, 4, 0);
    running.shows("canary", "the old one is back", is(&old)).await;
    let message = alert(&running, "plugin-rollback").await;
    assert!(message.contains("10 % of its 40 calls failed, the budget is 5 %"), "{message}");
    let fault = running.fault(FaultSource::Plugin, "is quarantined").await;
    assert_eq!(fault.subject, "canary");
    let plugin = running.plugin("canary").unwrap();
    assert!(plugin.held.is_some_and(|held| held.digest == new && held.is_quarantined));
    assert_eq!(plugin.watch, None, "the one that came back is not watched");
    // By hand it does not come back either, until it is released.
    let refused = running.handle.rollback_plugin("canary", Some(&new), "ada").await.unwrap_err();
    assert!(refused.to_string().contains("quarantined"), "{refused}");
    running.stop().await;

    let running = site.start().await;
    assert_eq!(running.digest("canary"), old);
    running.handle.release_plugin("canary", "ada").await.unwrap();
    assert_eq!(running.digest("canary"), new);
    assert_eq!(running.plugin("canary").unwrap().watch, None, "an operator decided: it is not taken back again");
    running.no_faults().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_count_against_the_digest_before() {
    let site = Site::demo();
    let running = site.start().await;
    let old = running.digest("canary");
    requests(&serving(&running), 100, 0, 50);
    site.write_plugin("canary.wasm", &build_bytes("canary", b'y'));
    running.shows("canary", "the next is watched", |plugin| plugin.watch.is_some()).await;
    let second = running.digest("canary");
    requests(&serving(&running), 100, 0, 50);
    site.write_plugin("canary.wasm", &build_bytes("canary", b'z'));
    running
        .shows("canary", "one as bad as the one before stays", |plugin| {
            plugin.watch.as_ref().is_some_and(|watch| watch.digest_before == second)
        })
        .await;
    requests(&serving(&running), 100, 0, 60);
    running.shows("canary", "a worse one goes", is(&second)).await;
    assert_ne!(second, old);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_that_opens_takes_a_new_digest_back_before_there_are_calls_enough() {
    let site = Site::demo();
    let running = site.start().await;
    let old = running.digest("canary");
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.shows("canary", "the new one is watched", |plugin| plugin.watch.is_some()).await;
    let plugin = serving(&running);
    while let Some(pass) = plugin.breaker.admit(|| 0) {
        plugin.stats.called(0, Phase::Request);
        plugin.stats.failed(0, "trap");
        pass.failed(Phase::Request, 0);
    }
    running.shows("canary", "the old one is back", is(&old)).await;
    let message = alert(&running, "plugin-rollback").await;
    assert!(message.contains("its breaker opened after 5 failed calls"), "{message}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_may_be_switched_off_and_an_edit_counts_at_once() {
    let site = Site::demo();
    let running = site.start().await;
    site.write_plugin("canary.wasm", &build_bytes("canary", b'y'));
    running.shows("canary", "the new one is watched", |plugin| plugin.watch.is_some()).await;
    site.write_policy("demo.toml", &canary_policy("release = { watch = false }"));
    running.shows("canary", "the watch is over", |plugin| plugin.watch.is_none()).await;
    let digest = running.digest("canary");
    site.write_plugin("canary.wasm", &plugin_bytes("canary"));
    running.shows("canary", "the next serves", |plugin| !is(&digest)(plugin)).await;
    assert_eq!(running.plugin("canary").unwrap().watch, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_of_the_breaker_is_shown_and_told_while_it_lasts() {
    let site = Site::demo();
    let running = site.start().await;
    let plugin = serving(&running);
    let now_ms = sluice_snapshot::time::unix_ms();
    while let Some(pass) = plugin.breaker.admit(|| now_ms) {
        pass.failed(Phase::Request, now_ms);
    }
    let reason = "trapped as told".to_owned();
    running.handle.effects().send(sluice_snapshot::Effect::Quarantined { plugin: Arc::clone(&plugin), reason });
    let fault = running.fault(FaultSource::Quarantine, "trapped as told").await;
    assert_eq!(fault.subject, "canary");
    assert!(running.plugin("canary").unwrap().quarantine.is_some_and(|quarantine| quarantine.openings == 1));
    assert!(alert(&running, "plugin-quarantine").await.contains("trapped as told"));
    eventually("a probe is let through", || {
        let now_ms = sluice_snapshot::time::unix_ms();
        let pass = plugin.breaker.admit(|| now_ms).ok_or_else(|| "quarantined".to_owned())?;
        pass.succeeded(Phase::Request);
        Ok(())
    })
    .await;
    running.no_faults().await;
    assert_eq!(running.plugin("canary").unwrap().quarantine, None);
    running.stop().await;
}
