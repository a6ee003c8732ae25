//! What every store must do. Each test runs on the embedded store and on Redis.

use std::time::Duration;

use futures_util::future::join_all;
use sluice_model::rollout::{Command, RolloutState};
use sluice_model::weight::BasisPoints;
use sluice_state::{SWITCHES_MAX, StoreError, SwitchValue};

use crate::fixture::{Fixture, contract};
use crate::support::{SWITCH, abort, alert, eventually, quarter, server};

const COOLDOWN: Duration = Duration::from_secs(60);
/// Writers that race in one test.
const RACERS: usize = 8;

contract! {
    first_content_of_an_empty_store
    a_write_returns_after_its_events
    flips_are_atomic
    only_known_switches
    switches_are_watched_while_it_runs
    a_rollout_is_created_once
    a_rollout_goes_through_its_life
    racing_commands_all_count
    a_server_joins_drains_and_leaves
    a_silent_server_leaves
    bad_names_are_refused
    an_alert_is_raised_once_per_cooldown
    alerts_are_listed_newest_first
    everything_ends_by_return
}

async fn first_content_of_an_empty_store(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let view = router.view();
    assert_eq!(view.switch(), Some(&SwitchValue::Missing));
    assert!(view.rollouts.is_empty() && view.leases.is_empty() && view.alerts.is_empty());
    assert!(view.flags.is_empty() && view.audit.is_empty());
    assert_eq!(view.silences.as_deref(), Some(&[][..]), "told, and none");
    assert!(view.connected() && view.health.len() == 1);
}

async fn a_write_returns_after_its_events(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    for round in 0..50 {
        let on = round % 2 == 0;
        router.set_switch(SWITCH, on, "test".into()).await.unwrap();
        assert_eq!(router.view().switch(), Some(&SwitchValue::of(on)), "round {round}");
    }
    let rollout = router.ensure_rollout("demo", &quarter()).await.unwrap();
    assert_eq!(router.view().rollouts["demo"], rollout);
    router.put_server(&server("a")).await.unwrap();
    assert_eq!(router.view().servers(), ["a"]);
    router.append_alert(&alert("1", "f"), COOLDOWN).await.unwrap();
    assert_eq!(router.view().alerts, [alert("1", "f")]);
}

async fn flips_are_atomic(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    assert!(router.flip_switch(SWITCH, "test".into()).await.unwrap(), "missing counts as off");
    assert!(!router.flip_switch(SWITCH, "test".into()).await.unwrap());
    let flips: [_; RACERS] = std::array::from_fn(|_racer| router.flip_switch(SWITCH, "test".into()));
    let mut on = 0;
    for flip in join_all(flips).await {
        on += usize::from(flip.unwrap());
    }
    assert_eq!(on, RACERS / 2, "each flip saw the one before");
    assert_eq!(router.view().switch(), Some(&SwitchValue::Off));
}

async fn only_known_switches(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    assert!(matches!(router.set_switch("other", true, "test".into()).await, Err(StoreError::Invalid(_))));
    assert!(matches!(router.flip_switch("other", "test".into()).await, Err(StoreError::Invalid(_))));
}

async fn switches_are_watched_while_it_runs(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    router.watch_switches(&names(&[SWITCH, "beta"])).await.unwrap();
    assert_eq!(router.view().switches["beta"], SwitchValue::Missing, "told before it returns");
    router.set_switch("beta", true, "test".into()).await.unwrap();
    router.watch_switches(&names(&[SWITCH])).await.unwrap();
    assert!(matches!(router.set_switch("beta", false, "test".into()).await, Err(StoreError::Invalid(_))));
    router.watch_switches(&names(&["beta"])).await.unwrap();
    router.until("it is on as before", |view| view.switches["beta"] == SwitchValue::On).await;
    assert!(matches!(router.watch_switches(&names(&["a b"])).await, Err(StoreError::Invalid(_))));
    let many = (0..=SWITCHES_MAX).map(|n| n.to_string()).collect::<Vec<_>>();
    assert!(matches!(router.watch_switches(&many).await, Err(StoreError::Full { .. })));
}

async fn a_rollout_is_created_once(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let missing = router.apply_rollout("demo", &Command::Pause, "test".into(), 1, None).await;
    assert!(matches!(missing, Err(StoreError::NotFound(name)) if name == "demo"));
    let first = router.ensure_rollout("demo", &quarter()).await.unwrap();
    assert_eq!(first, quarter());
    let mut other = quarter();
    other.salt = "other".to_owned();
    assert_eq!(router.ensure_rollout("demo", &other).await.unwrap(), first);
}

async fn a_rollout_goes_through_its_life(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    let half = BasisPoints::new(5_000).unwrap();
    let rollout = router.apply_rollout("demo", &Command::set_weight(half), "op".into(), 5, None).await.unwrap();
    assert_eq!((rollout.weight_bps, rollout.epoch, &*rollout.by, rollout.changed_ms), (half, 2, "op", 5));

    let aborted = router.apply_rollout("demo", &abort("one"), "rule".into(), 6, None).await.unwrap();
    assert_eq!((aborted.state, &*aborted.reason), (RolloutState::Aborted, "upload too large"));
    assert_eq!(
        router.apply_rollout("demo", &abort("one"), "rule".into(), 7, None).await.unwrap(),
        aborted,
        "a replay is nothing"
    );
    let refused = router.apply_rollout("demo", &Command::set_weight(half), "op".into(), 8, None).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));

    let resumed = router.apply_rollout("demo", &Command::Resume, "op".into(), 9, None).await.unwrap();
    assert_eq!((resumed.state, resumed.weight_bps, resumed.run), (RolloutState::Running, half, 4));
    assert_eq!(
        router.apply_rollout("demo", &abort("one"), "rule".into(), 10, None).await.unwrap(),
        resumed,
        "a late replay, too"
    );
    let again = router.apply_rollout("demo", &abort("two"), "rule".into(), 11, None).await.unwrap();
    assert_eq!(again.state, RolloutState::Aborted);
    let view = router.view();
    assert_eq!(view.rollouts["demo"], again);
    assert_eq!(view.epochs, [1, 2, 3, 4, 5]);
}

async fn racing_commands_all_count(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    let commands: [_; RACERS] = std::array::from_fn(|racer| abort(&racer.to_string()));
    let racing = commands.each_ref().map(|command| router.apply_rollout("demo", command, "test".into(), 1, None));
    for aborted in join_all(racing).await {
        assert_eq!(aborted.unwrap().state, RolloutState::Aborted);
    }
    let view = router.view();
    assert_eq!(view.rollouts["demo"].epoch, 1 + RACERS as u64);
    assert_eq!(view.rollouts["demo"].seen_aborts.len(), RACERS, "no abort is lost");
    assert!(view.epochs.is_sorted(), "events never go back: {:?}", view.epochs);
}

async fn a_server_joins_drains_and_leaves(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    router.put_server(&server("b")).await.unwrap();
    router.put_server(&server("a")).await.unwrap();
    assert_eq!(router.view().servers(), ["a", "b"]);
    assert_eq!(router.view().leases[0].server, server("a"), "every part of it comes back");

    let mut draining = server("a");
    draining.draining = true;
    router.put_server(&draining).await.unwrap();
    assert!(router.view().leases[0].server.draining);

    let mut busy = draining.clone();
    busy.cpu = Some(99.0);
    // Repeated, as heartbeats are: Redis tells two renewals apart by their millisecond.
    eventually("a heartbeat is told of", async || {
        router.put_server(&busy).await.unwrap();
        router.view().leases[0].server.cpu == Some(99.0)
    })
    .await;

    router.delete_server("a").await.unwrap();
    assert_eq!(router.view().servers(), ["b"]);
    router.delete_server("a").await.unwrap();
}

async fn a_silent_server_leaves(redis: bool) {
    let ttl = Duration::from_millis(1_500);
    let Fixture { router, .. } = &Fixture::with(redis, |config| config.lease_ttl = ttl).await;
    router.put_server(&server("silent")).await.unwrap();
    router.put_server(&server("alive")).await.unwrap();
    let gone = router.until("only the silent one left", |view| view.servers() == ["alive"]);
    let beat = async {
        loop {
            router.put_server(&server("alive")).await.unwrap();
            tokio::time::sleep(ttl / 5).await;
        }
    };
    tokio::select! {
        () = gone => {}
        () = beat => {}
    }
    assert!(router.view().leases[0].ends_ms > 0);
}

async fn bad_names_are_refused(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let name = router.ensure_rollout("a{b}", &quarter()).await;
    assert!(matches!(name, Err(StoreError::Invalid(_))));
    assert!(matches!(router.put_server(&server("a b")).await, Err(StoreError::Invalid(_))));
    let mut no_port = server("a");
    no_port.addr = "localhost".to_owned();
    assert!(matches!(router.put_server(&no_port).await, Err(StoreError::Invalid(_))));
    let mut long = alert("1", "f");
    long.message = "x".repeat(8 * 1_024 + 1);
    assert!(matches!(router.append_alert(&long, COOLDOWN).await, Err(StoreError::Invalid(_))));
    long.message = "x".repeat(8 * 1_024);
    assert!(router.append_alert(&long, COOLDOWN).await.unwrap());
}

async fn an_alert_is_raised_once_per_cooldown(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let short = Duration::from_millis(300);
    assert!(router.append_alert(&alert("1", "run-1"), COOLDOWN).await.unwrap());
    assert!(!router.append_alert(&alert("2", "run-1"), COOLDOWN).await.unwrap(), "the same within the cooldown");
    assert!(router.append_alert(&alert("3", "run-2"), short).await.unwrap(), "another fingerprint");
    eventually("the cooldown ends", async || router.append_alert(&alert("4", "run-2"), short).await.unwrap()).await;
    assert!(router.append_alert(&alert("5", "run-3"), Duration::ZERO).await.unwrap());
    assert!(router.append_alert(&alert("6", "run-3"), Duration::ZERO).await.unwrap(), "no cooldown, no quiet");
    let ids: Vec<String> = router.view().alerts.iter().map(|alert| alert.id.to_string()).collect();
    assert_eq!(ids, ["1", "3", "4", "5", "6"]);
}

async fn alerts_are_listed_newest_first(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    assert!(router.alerts(10).await.unwrap().is_empty());
    for n in 0..5 {
        router.append_alert(&alert(&n.to_string(), &n.to_string()), COOLDOWN).await.unwrap();
    }
    assert_eq!(router.alerts(2).await.unwrap(), [alert("4", "4"), alert("3", "3")]);
    assert_eq!(router.alerts(usize::MAX).await.unwrap().len(), 5);
}

async fn everything_ends_by_return(redis: bool) {
    let fixture = Fixture::open(redis).await;
    fixture.router.set_switch(SWITCH, true, "test".into()).await.unwrap();
    fixture.router.close().await;
}
