//! In a Cluster a script must not span slots: each call once, on a node that refuses it if it does.

use std::time::Duration;

use sluice_model::alert::DeadLetter;
use sluice_model::rollout::Command;
use sluice_model::silence::Silence;
use sluice_model::stats::VariantStats;
use sluice_state::{Backend, Group, StoreError, SwitchValue};

use crate::server::RedisServer;
use crate::support::{Router, SWITCH, View, abort, alert, config, in_an_hour_ms, quarter, server};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn no_call_spans_slots() {
    let redis = RedisServer::start_cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let url = redis.url().replace("redis://", "redis-cluster://");
    let router = Router::ready(config(Backend::Redis { url }, folder.path())).await;
    router.until("the Cluster is taken over", View::connected).await;

    router.set_switch(SWITCH, true, "op".into()).await.unwrap();
    assert!(!router.flip_switch(SWITCH, "op".into()).await.unwrap());
    router.watch_switches(&[SWITCH.to_owned(), "beta".to_owned()]).await.unwrap();
    assert_eq!(router.view().switches["beta"], SwitchValue::Missing);
    router.put_server(&server("a")).await.unwrap();
    router.delete_server("a").await.unwrap();

    let version = router.put_flags("shop", "{}", Some(0), "op".into()).await.unwrap();
    assert_eq!(router.flags("shop").await.unwrap().unwrap().version, version);
    let conflict = router.put_flags("shop", "1", Some(0), "op".into()).await;
    assert!(matches!(conflict, Err(StoreError::Conflict { .. })), "{conflict:?}");
    assert!(router.delete_flags("shop", "op".into()).await.unwrap());

    router.ensure_rollout("demo", &quarter()).await.unwrap();
    router.apply_rollout("demo", &abort("one"), "rule".into(), 1, None).await.unwrap();
    let leader = router.lead("rollouts", "one", MINUTE).await.unwrap().expect("nobody leads");
    router.apply_rollout("demo", &Command::Resume, "plan".into(), 2, Some(&leader)).await.unwrap();
    router.resign("rollouts", "one").await.unwrap();
    let stats = VariantStats { requests: 3, ..VariantStats::default() };
    router.add_stats("demo", 0, &[("canary".to_owned(), stats.clone())].into()).await.unwrap();
    assert_eq!(router.stats("demo", 0, 1).await.unwrap()["canary"], stats);

    assert!(router.append_alert(&alert("1", "f"), MINUTE).await.unwrap());
    assert!(router.keep_firing(&alert("2", "g"), MINUTE, MINUTE).await.unwrap());
    assert_eq!(router.firing().await.unwrap().len(), 1);
    assert_eq!(router.resolve_alerts(u64::MAX).await.unwrap().len(), 1);
    let taken = router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap();
    assert_eq!((taken.len(), router.alerts(9).await.unwrap().len()), (3, 3));
    router.hold_delivery(Group::Notify, "a", &taken[0].entry).await.unwrap();
    router.finish_delivery(Group::Notify, &taken[0].entry).await.unwrap();
    router.mark_sent(&alert("1", "f").id, "mail").await.unwrap();
    assert!(router.was_sent(&alert("1", "f").id, "mail").await.unwrap());
    let (sink, error, entry) = ("mail".to_owned(), String::new(), String::new());
    router.bury(&DeadLetter { entry, alert: alert("1", "f"), sink, error, attempts: 1, at_ms: 1 }).await.unwrap();
    let letters = router.dead_letters(9).await.unwrap();
    assert!(router.replay(&letters[0].entry, "op".into()).await.unwrap());

    router.put_silence(&Silence { id: "s".into(), until_ms: in_an_hour_ms(), ..Silence::default() }).await.unwrap();
    assert!(router.delete_silence("s", "op".into()).await.unwrap());
    let keys: Vec<String> = router.audit(None, 99).await.unwrap().into_iter().map(|entry| entry.key).collect();
    let flag = format!("flag:{SWITCH}");
    let expected = [
        "silence:s",
        "silence:s",
        "alert:1",
        "rollout:demo",
        "rollout:demo",
        "rollout:demo",
        "flags:shop",
        "flags:shop",
        &flag,
        &flag,
    ];
    assert_eq!(keys, expected);
    assert!(router.view().connected());
}
