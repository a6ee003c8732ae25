//! A new digest beside the one that serves: how its trial begins, what it outlives, and how it ends.

use std::sync::Arc;

use sluice_control::{DigestOutcome, FaultSource, PluginInfo};
use sluice_policy::TrialMode;
use sluice_snapshot::plugin::{Phase, Trial};

use crate::site::{Running, Site, WORKERS, build_bytes, canary_policy, eventually, plain_policy, plugin_bytes};

/// Judged by five calls, for an hour.
const LONG: &str = "release = { trial = \"canary\", percent = 20.0, for = \"1h\", budget = { calls_min = 5 } }";
/// Judged by five calls, over at once.
const SHORT: &str = "release = { trial = \"canary\", for = \"100ms\", budget = { calls_min = 5 } }";

/// A site with this release of `canary`, on which a new file has come.
async fn on_trial(release: &str) -> (Site, Running, String) {
    let site = Site::demo();
    site.write_policy("demo.toml", &canary_policy(release));
    let running = site.start().await;
    let old = running.digest("canary");
    site.write_plugin("canary.wasm", &build_bytes("canary", b'y'));
    running.reaches(2).await;
    (site, running, old)
}

fn trial(running: &Running) -> Option<Arc<Trial>> {
    running.snapshot().seats.iter().find_map(|seat| seat.trial().cloned())
}

fn digest_on_trial(plugin: &PluginInfo) -> Option<&str> {
    plugin.trial.as_ref().map(|trial| trial.digest.as_str())
}

fn outcome(running: &Running, digest: &str) -> Option<DigestOutcome> {
    let history = running.handle.plugin_history("canary").unwrap();
    history.digests.iter().find(|kept| kept.digest == digest).map(|kept| kept.outcome)
}

fn calls(trial: &Trial, calls: usize) {
    for _ in 0..calls {
        trial.plugin.stats.called(0, Phase::Request);
        trial.plugin.stats.request_ended(0, false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_digest_stands_beside_the_old_one_with_instances_of_its_own() {
    let (_site, running, old) = on_trial(LONG).await;
    let plugin = running.plugin("canary").unwrap();
    assert_eq!(plugin.digest.as_deref(), Some(&*old));
    let shown = plugin.trial.unwrap();
    assert_eq!((shown.mode, shown.percent.0, shown.ends_ms - shown.started_ms), ("canary", 20.0, 3_600_000));
    assert_eq!(shown.waits_for, "the end of its time");
    let trial = trial(&running).unwrap();
    assert_eq!((trial.mode, trial.plugin.key.digest.as_str()), (TrialMode::Canary, shown.digest.as_str()));
    let instances = (0..WORKERS).filter(|worker| trial.plugin.take(*worker).is_some()).count();
    assert!(instances == WORKERS && trial.plugin.take(0).is_some(), "one each, and a spare");
    assert_eq!(outcome(&running, &shown.digest), Some(DigestOutcome::Trial));
    eventually("it is kept in the history", || {
        let newest = running.handle.revisions().swap_remove(0);
        let is_kept = newest.revision == 2 && newest.summary == ["plugin canary: a new digest is on trial"];
        if is_kept { Ok(()) } else { Err(format!("{newest:?}")) }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_outlives_other_changes_and_ends_with_its_file() {
    let (site, running, old) = on_trial(LONG).await;
    let first = trial(&running).unwrap();
    let text = plain_policy("more").replace("upstreams.stable", "upstreams.more").replace("\"stable\"", "\"more\"");
    site.write_policy("more.toml", &text.replace("\"/\"", "\"/more\""));
    running.reaches(3).await;
    assert!(Arc::ptr_eq(&first, &trial(&running).unwrap()), "the very same");

    site.write_plugin("canary.wasm", &build_bytes("canary", b'z'));
    running.reaches(4).await;
    let second = trial(&running).unwrap();
    assert_ne!(first.plugin.key.digest, second.plugin.key.digest);
    assert_eq!(outcome(&running, &first.plugin.key.digest), Some(DigestOutcome::RolledBack));

    // A file at fault leaves the old one alone.
    site.write_plugin("canary.wasm", b"half");
    running.fault(FaultSource::Plugin, "canary").await;
    assert!(trial(&running).is_none());
    site.write_plugin("canary.wasm", &plugin_bytes("canary"));
    running.no_faults().await;
    assert_eq!((running.digest("canary"), trial(&running).is_none()), (old, true));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_begins_the_trial_anew_with_the_old_digest() {
    let (site, running, old) = on_trial(LONG).await;
    let tried = trial(&running).unwrap().plugin.key.digest.clone();
    running.stop().await;
    let running = site.start().await;
    let plugin = running.plugin("canary").unwrap();
    assert_eq!((plugin.digest.as_deref(), digest_on_trial(&plugin)), (Some(&*old), Some(&*tried)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_promotes_or_aborts() {
    let (site, running, old) = on_trial(LONG).await;
    let tried = trial(&running).unwrap();
    let new = tried.plugin.key.digest.clone();
    let plugin = running.handle.promote_plugin("canary", "ada").await.unwrap();
    assert_eq!((plugin.digest.as_deref(), plugin.trial), (Some(&*new), None));
    assert_eq!(plugin.watch.map(|watch| watch.digest_before), Some(old.clone()));
    let serving = running.snapshot().plugins().find(|plugin| plugin.name() == "canary").map(Arc::clone);
    assert!(serving.is_some_and(|serving| Arc::ptr_eq(&serving, &tried.plugin)), "with the instances of its trial");

    site.write_plugin("canary.wasm", &build_bytes("canary", b'z'));
    running.shows("canary", "the next is on trial", |plugin| plugin.trial.is_some()).await;
    let next = trial(&running).unwrap().plugin.key.digest.clone();
    let plugin = running.handle.abort_plugin("canary", "ada").await.unwrap();
    assert_eq!((plugin.digest.as_deref(), plugin.trial), (Some(&*new), None));
    assert_eq!(plugin.held.map(|held| held.digest), Some(next.clone()));
    site.write_policy("more.toml", "# moves the folder");
    let plugin = running.handle.release_plugin("canary", "ada").await.unwrap();
    assert_eq!(digest_on_trial(&plugin), Some(&*next), "it has to stand its trial again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_within_budget_is_promoted_by_itself_once_it_was_called_enough() {
    let (_site, running, old) = on_trial(SHORT).await;
    let tried = trial(&running).unwrap();
    let waits = |plugin: &PluginInfo| plugin.trial.as_ref().map(|trial| trial.waits_for.clone());
    running
        .shows("canary", "it waits for calls", |plugin| {
            waits(plugin).as_deref() == Some("calls to judge it by: 0 of 5")
        })
        .await;
    calls(&tried, 5);
    let new = tried.plugin.key.digest.clone();
    running.shows("canary", "it took over", |plugin| plugin.digest.as_deref() == Some(&*new)).await;
    let history = running.handle.plugin_history("canary").unwrap();
    assert_eq!((history.digests[0].by.as_str(), history.digests[1].digest.as_str()), ("router", old.as_str()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_an_operator_ends_waits_for_one() {
    let (_site, running, old) = on_trial(&SHORT.replace("for =", "promote = \"manual\", for =")).await;
    calls(&trial(&running).unwrap(), 5);
    running
        .shows("canary", "it waits for an operator", |plugin| {
            plugin.trial.as_ref().is_some_and(|trial| trial.waits_for == "an operator: promote or abort")
        })
        .await;
    assert_eq!(running.digest("canary"), old);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_over_budget_ends_and_its_digest_is_quarantined() {
    let release = LONG.replace("canary", "shadow").replace("calls_min", "differences = 0.0, calls_min");
    let (_site, running, old) = on_trial(&release).await;
    let tried = trial(&running).unwrap();
    calls(&tried, 10);
    for number in 0..10 {
        tried.comparisons.compared(0, number > 0);
    }
    running.shows("canary", "the trial is over", |plugin| plugin.trial.is_none()).await;
    assert_eq!(running.digest("canary"), old);
    let new = &tried.plugin.key.digest;
    assert_eq!(outcome(&running, new), Some(DigestOutcome::Quarantined));
    let fault = running.fault(FaultSource::Plugin, "its verdicts differ on 10 % of 10 requests").await;
    assert_eq!(fault.subject, "canary");
    eventually("the alert", || {
        let alerts = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(running.handle.alerts(10)).unwrap()
        });
        let found = alerts.iter().any(|alert| alert.rule == "plugin-rollback" && alert.observed == 1_000);
        if found { Ok(()) } else { Err(format!("{alerts:?}")) }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_take_over_at_once_and_a_policy_without_a_trial_ends_it() {
    let (site, running, old) = on_trial(LONG).await;
    let new = trial(&running).unwrap().plugin.key.digest.clone();
    site.write_policy("demo.toml", &canary_policy(&format!("limits = {{ cpu = \"7ms\" }}\n{LONG}")));
    running.reaches(3).await;
    let snapshot = running.snapshot();
    let seat = snapshot.seats.iter().find(|seat| seat.trial().is_some()).unwrap();
    for plugin in seat.occupants() {
        assert_eq!(plugin.limits.call_cpu_max.as_millis(), 7, "{}", plugin.key.digest);
    }
    assert_eq!(running.digest("canary"), old);
    site.write_policy("demo.toml", &canary_policy(""));
    running.shows("canary", "it took over", |plugin| plugin.digest.as_deref() == Some(&*new)).await;
    assert!(trial(&running).is_none());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_of_the_policy_takes_the_digests_of_its_revision_and_ends_a_trial() {
    let (site, running, old) = on_trial(LONG).await;
    let new = trial(&running).unwrap().plugin.key.digest.clone();
    running.handle.roll_back(1).await.unwrap();
    assert!(trial(&running).is_none());
    assert_eq!(running.digest("canary"), old);
    running.handle.unpin().await.unwrap();
    let plugin = running.plugin("canary").unwrap();
    assert_eq!((plugin.digest.as_deref(), digest_on_trial(&plugin)), (Some(&*old), Some(&*new)));
    drop(site);
    running.stop().await;
}
