//! A plugin whose file is at fault: what its policy says happens to that plugin, and everything else goes on changing.

use sluice_control::{Explanation, FaultSource, Health, Outcome, PluginState, Question};
use sluice_policy::FailurePolicy;
use sluice_snapshot::Seat;

use crate::site::{
    POLICY, Running, Site, build_bytes, canary_policy, eventually, other_bytes, plain_policy, plugin_bytes,
};

/// A second route, in a file of its own.
fn more(site: &Site, route: &str) {
    let text =
        plain_policy(route).replace("upstreams.stable", "upstreams.more").replace("to = \"stable\"", "to = \"more\"");
    site.write_policy("more.toml", &text.replace("\"/\"", "\"/more\""));
}

/// What would become of a request.
async fn explained(running: &Running) -> Explanation {
    let (method, url) = ("GET".to_owned(), "http://a.example/get".to_owned());
    let question = Question { method, url, headers: Vec::new(), body_bytes: None, client: None };
    running.handle.explain(&question).await.unwrap()
}

fn refused(explanation: &Explanation) -> Option<u16> {
    match explanation.outcome {
        Outcome::Refused { status, .. } => Some(status),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_holds_back_its_own_plugin_alone() {
    let site = Site::demo();
    let running = site.start().await;
    let digest = running.digest("canary");
    std::fs::remove_file(site.plugin("canary.wasm")).unwrap();
    let fault = running.fault(FaultSource::Plugin, "there is no file `canary.wasm`").await;
    assert!(fault.hint.is_some_and(|hint| hint.contains(&digest[..12]) && hint.contains("serves meanwhile")));

    // Routes, and another plugin, go on changing.
    more(&site, "one");
    running.reaches(2).await;
    site.write_plugin("feature-flags.wasm", &other_bytes("feature-flags"));
    running.reaches(3).await;
    // So do the settings of the plugin itself.
    site.write_policy("demo.toml", &canary_policy("limits = { cpu = \"7ms\" }"));
    running.reaches(4).await;
    let plugin = running.plugin("canary").unwrap();
    assert_eq!((plugin.state, plugin.digest.as_ref()), (PluginState::Active, Some(&digest)));
    assert!(plugin.fault.is_some());
    assert_eq!(running.snapshot().seats[0].plugin().unwrap().limits.call_cpu_max.as_millis(), 7);
    assert_eq!(running.handle.status().state, Health::Degraded);

    site.write_plugin("canary.wasm", b"half");
    running.fault(FaultSource::Plugin, "not a WebAssembly component").await;
    more(&site, "two");
    running.reaches(5).await;
    site.write_plugin("canary.wasm", &build_bytes("canary", b'z'));
    running.reaches(6).await;
    running.no_faults().await;
    assert_ne!(running.digest("canary"), digest);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_good_and_one_bad_file_at_once_are_one_new_and_one_old_plugin() {
    let site = Site::demo();
    let running = site.start().await;
    let (canary, flags) = (running.digest("canary"), running.digest("feature-flags"));
    site.write_plugin("canary.wasm", b"half");
    site.write_plugin("feature-flags.wasm", &other_bytes("feature-flags"));
    running.fault(FaultSource::Plugin, "canary").await;
    running.shows("feature-flags", "the good one serves", |plugin| plugin.digest.as_ref() != Some(&flags)).await;
    assert_eq!(running.digest("canary"), canary);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_last_good_digest_serves_with_the_new_policy() {
    let site = Site::demo();
    let running = site.start().await;
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    let digest = running.digest("canary");
    running.stop().await;
    std::fs::remove_file(site.plugin("canary.wasm")).unwrap();
    more(&site, "late");
    let running = site.start().await;
    assert_eq!((running.snapshot().policy.routes.len(), running.digest("canary")), (2, digest));
    assert_eq!(running.faults(FaultSource::Plugin).len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_earlier_digest_the_policy_waits_and_says_how_to_go_on() {
    let site = Site::demo();
    site.write_plugin("canary.wasm", b"half");
    let running = site.start().await;
    assert_eq!(running.revision(), 0);
    let fault = running.fault(FaultSource::Plugin, "canary").await;
    let hint = fault.hint.unwrap_or_default();
    assert!(hint.contains("no digest of it served before") && hint.contains("load = \"open\""), "{hint}");
    site.write_policy("demo.toml", &canary_policy("on_failure = { load = \"open\" }"));
    running.reaches(1).await;
    assert_eq!(running.plugin("canary").unwrap().state, PluginState::Empty);
    site.write_plugin("canary.wasm", &plugin_bytes("canary"));
    running.reaches(2).await;
    assert_eq!(running.plugin("canary").unwrap().state, PluginState::Active);
    running.no_faults().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_go_on_without_a_plugin_that_cannot_be_loaded() {
    let site = Site::demo();
    let running = site.start().await;
    for (load, expected) in [("open", FailurePolicy::Open), ("closed", FailurePolicy::Closed { status: 503 })] {
        let before = running.revision();
        site.write_policy("demo.toml", &canary_policy(&format!("on_failure = {{ load = \"{load}\" }}")));
        running.reaches(before + 1).await;
        std::fs::remove_file(site.plugin("canary.wasm")).unwrap();
        running.reaches(before + 2).await;
        let snapshot = running.snapshot();
        let seat = snapshot.policy.plugins.iter().position(|spec| spec.name == "canary").map(|at| &snapshot.seats[at]);
        assert!(matches!(seat, Some(Seat::Empty(policy)) if *policy == expected), "{seat:?}");
        let plugin = running.plugin("canary").unwrap();
        assert!(plugin.state == PluginState::Empty && plugin.fault.is_some(), "{plugin:?}");
        let asked = explained(&running).await;
        let status = matches!(expected, FailurePolicy::Closed { .. }).then_some(503);
        assert_eq!((asked.plugins[0].phase.as_str(), refused(&asked)), ("load", status), "{asked:?}");
        eventually("it is kept in the history", || {
            let newest = running.handle.revisions().swap_remove(0);
            let is_kept = newest.summary == ["plugin canary could not be loaded"];
            if is_kept { Ok(()) } else { Err(format!("{newest:?}")) }
        })
        .await;
        site.write_plugin("canary.wasm", &plugin_bytes("canary"));
        running.reaches(before + 3).await;
        running.no_faults().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_digest_that_refuses_the_new_policy_refuses_it() {
    let site = Site::demo();
    let running = site.start().await;
    std::fs::remove_file(site.plugin("canary.wasm")).unwrap();
    running.fault(FaultSource::Plugin, "there is no file").await;
    let text = POLICY.replace("{ rollout = \"demo\" }", "{ rollout = \"other\" }");
    site.write_policy("demo.toml", &text);
    running.fault(FaultSource::Plugin, "other").await;
    assert_eq!(running.revision(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_plugins_over_one_file_may_serve_different_digests_of_it() {
    let site = Site::demo();
    let twin = "[plugins.twin]\nfile = \"canary.wasm\"\ngrants = { state = [\"rollout:demo\"] }\nconfig = { rollout = \"demo\" }\n";
    site.write_policy("twin.toml", twin);
    let running = site.start().await;
    let old = running.digest("twin");
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    let new = running.digest("twin");
    running.handle.rollback_plugin("twin", None, "test").await.unwrap();
    assert_eq!((running.digest("canary"), running.digest("twin")), (new.clone(), old.clone()));
    running.stop().await;
    // As the last good revision, too, when nothing of the folder can be read.
    std::fs::remove_dir_all(site.folders().plugins).unwrap();
    site.write_policy("demo.toml", "[routes");
    let running = site.start().await;
    assert_eq!((running.digest("canary"), running.digest("twin")), (new, old));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_ledger_is_told_and_begins_anew() {
    let site = Site::demo();
    site.start().await.stop().await;
    let ledger = site.folders().data.join("plugins/canary.json");
    assert!(ledger.exists());
    std::fs::write(&ledger, "{").unwrap();
    let running = site.start().await;
    running.fault(FaultSource::Store, "plugins/canary.json").await;
    let digest = running.digest("canary");
    assert_eq!(running.handle.plugin_history("canary").unwrap().serving, Some(digest));
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(3).await;
    running.no_faults().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_cannot_be_written_is_told_and_hinders_no_reload() {
    let site = Site::demo();
    let running = site.start().await;
    let ledgers = site.folders().data.join("plugins");
    std::fs::rename(&ledgers, ledgers.with_extension("away")).unwrap();
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    running.fault(FaultSource::Store, "cannot write the history").await;
    // What could not be kept for the next start is not done at an operator's word.
    let refused = running.handle.rollback_plugin("canary", None, "test").await.unwrap_err();
    assert!(refused.to_string().contains("was not done"), "{refused}");
    assert_eq!(running.revision(), 2);
    std::fs::rename(ledgers.with_extension("away"), &ledgers).unwrap();
    running.handle.rollback_plugin("canary", None, "test").await.unwrap();
    eventually("nothing is wrong any more", || {
        let faults = running.faults(FaultSource::Store);
        if faults.is_empty() { Ok(()) } else { Err(format!("{faults:?}")) }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_starts_over_its_soft_limit_is_refused() {
    let site = Site::demo();
    let running = site.start().await;
    site.write_policy("demo.toml", &canary_policy("limits = { memory_soft = \"64KiB\" }"));
    let fault = running.fault(FaultSource::Plugin, "more than its soft limit of 65536").await;
    assert!(fault.message.contains("raise `memory_soft`"), "{}", fault.message);
    assert_eq!(running.revision(), 1);
    site.write_policy("demo.toml", &canary_policy("limits = { memory_soft = \"8MiB\" }"));
    running.reaches(2).await;
    running.no_faults().await;
    running.stop().await;
}
