//! Live state: switches, rollouts, alerts, and instances that workers lost.

use std::sync::Arc;

use sluice_control::{CommandError, FaultSource};
use sluice_model::alert::{Alert, AlertId};
use sluice_model::rollout::{Begin, Command, RolloutState};
use sluice_snapshot::{Effect, LostBy};

use crate::site::{Site, WORKERS, eventually, hostile_policy, plugin_bytes};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_returns_after_this_router_acts_on_it() {
    let site = Site::demo();
    let running = site.start().await;
    let handle = &running.handle;
    for value in [true, false, true] {
        handle.set_switch("featureFlags", value, "test").await.unwrap();
        assert_eq!(handle.cells().switch("featureFlags"), Some(value));
    }
    assert!(!handle.flip_switch("featureFlags", "test").await.unwrap());
    assert_eq!(handle.cells().switch("featureFlags"), Some(false));
    assert_eq!(running.revision(), 1, "a toggle is no new revision");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_a_plugin_cannot_live_with_is_held_back_until_it_can() {
    for act in ["refuse-state", "trap-in-state", "spin-in-state"] {
        let site = Site::demo();
        site.write_plugin("hostile.wasm", &plugin_bytes("hostile"));
        site.write_policy("demo.toml", &hostile_policy(act));
        let running = site.start().await;
        assert_eq!(running.handle.status().faults, [], "{act}");
        running.handle.set_switch("hostile", true, "test").await.unwrap();
        assert_eq!(running.handle.cells().switch("hostile"), None, "{act}");
        let fault = running.fault(FaultSource::State, "plugin `hostile`").await;
        assert_eq!(fault.subject, "flag:hostile");
        running.handle.set_switch("featureFlags", true, "test").await.unwrap();
        assert_eq!(running.handle.cells().switch("featureFlags"), Some(true), "others are not held back");

        site.write_policy("demo.toml", &hostile_policy("nothing"));
        running.reaches(2).await;
        running.no_faults().await;
        assert_eq!(running.handle.cells().switch("hostile"), Some(true));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_plugin_that_cannot_live_with_the_present_state_is_refused_until_it_can() {
    let site = Site::demo();
    site.write_plugin("hostile.wasm", &plugin_bytes("hostile"));
    let running = site.start().await;
    running.handle.set_switch("hostile", true, "test").await.unwrap();
    site.write_policy("demo.toml", &hostile_policy("refuse-state"));
    running.fault(FaultSource::Plugin, "present value of `flag:hostile`").await;
    assert_eq!(running.revision(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_rollout_exists_before_the_first_request() {
    let site = Site::demo();
    let running = site.start().await;
    let view = running.handle.cells().find_rollout("demo").unwrap().view().unwrap();
    assert_eq!((view.state, view.weight_bps.get(), view.by.as_str()), (RolloutState::Running, 2_500, "policy"));
    let missing = running.handle.command("other", Command::Pause, "test").await;
    assert!(matches!(missing, Err(CommandError::NotFound(_))));
    let refused = running.handle.command("demo", Command::Start(Begin::default()), "test").await;
    assert!(refused.is_ok(), "it runs already");
    running.stop().await;

    site.write_policy("demo.toml", &crate::site::POLICY.replace("initial = 25.0", "initial = 50.0"));
    let running = site.start().await;
    let view = running.handle.cells().find_rollout("demo").unwrap().view().unwrap();
    assert_eq!(view.weight_bps.get(), 2_500, "the store owns the weight once it exists");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_on_a_worker_reaches_the_store_and_ends_with_a_resume() {
    let site = Site::demo();
    let running = site.start().await;
    let cell = running.handle.cells().find_rollout("demo").unwrap();
    for run in ["one", "two"] {
        cell.abort(&AlertId::derive(&[run]), "too large");
        assert!(cell.is_aborted());
        running.handle.effects().abort_pending();
        eventually("the store knows", || {
            let view = cell.view().unwrap();
            let known = view.state == RolloutState::Aborted && cell.pending().is_empty();
            if known { Ok(()) } else { Err(format!("{view:?}")) }
        })
        .await;
        let resumed = running.handle.command("demo", Command::Resume, "test").await.unwrap();
        assert_eq!((resumed.state, cell.is_aborted()), (RolloutState::Running, false));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_stored_once_even_if_control_stops_right_after() {
    let site = Site::demo();
    let running = site.start().await;
    let alert = Alert {
        id: AlertId::derive(&["one"]),
        rule: "upload-size".to_owned(),
        fingerprint: "demo".to_owned(),
        route: "app".to_owned(),
        plugin: "upload-alert".to_owned(),
        message: "too large".to_owned(),
        observed: 50_001,
        limit: 50_000,
        variant: None,
        rollout: Some("demo".to_owned()),
        request_id: "1".to_owned(),
        at_ms: 1,
        ..Alert::default()
    };
    for _ in 0..3 {
        running.handle.effects().send(Effect::Alert(Box::new(alert.clone())));
    }
    running.stop().await;
    let running = site.start().await;
    let stored = running.handle.alerts(10).await.unwrap();
    assert_eq!(stored.iter().map(|stored| &stored.id).collect::<Vec<_>>(), [&alert.id]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_instances_are_replaced_one_after_the_other() {
    let site = Site::demo();
    let running = site.start().await;
    let plugin = Arc::clone(running.snapshot().plugins().next().unwrap());
    while plugin.take(0).is_some() {}
    for _ in 0..=WORKERS {
        let by = LostBy::Fault("as told".to_owned());
        running.handle.effects().send(Effect::InstanceLost { plugin: Arc::clone(&plugin), by });
    }
    for _ in 0..=WORKERS {
        eventually("a spare", || plugin.take(0).ok_or_else(|| "none".to_owned())).await;
    }
    assert!(plugin.take(0).is_none(), "no more than were lost");
    running.stop().await;
}
