//! What any client of Redis may do: garbage, keys of another type, far too much. Nothing of it may end a router's view of
//! the store.

use std::time::Duration;

use sluice_model::rollout::{Command, RolloutState};
use sluice_state::{
    AUDIT_ENTRIES_MAX, Backend, FLAG_DOCUMENT_BYTES_MAX, FLAG_SETS_MAX, Group, StoreError, SwitchValue,
};
use tempfile::TempDir;

use crate::server::{Client, RedisServer};
use crate::support::{Router, SWITCH, View, abort, alert, config, in_an_hour_ms, quarter};

const COOLDOWN: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(60);

async fn router(redis: &RedisServer) -> (Router, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(Backend::Redis { url: redis.url() }, folder.path());
    config.delivery_idle = Duration::ZERO;
    (Router::ready(config).await, folder)
}

/// A switch that any client sets is heard: the router follows the store.
async fn assert_follows(router: &Router, client: &mut Client) {
    let before = router.view().switch() == Some(&SwitchValue::On);
    let () = client.send(&format!("SET {SWITCH} {}", !before)).await;
    router.until("the switch", |view| view.switch() == Some(&SwitchValue::of(!before))).await;
    assert!(router.view().connected());
}

#[tokio::test]
async fn a_raw_set_of_flag_definitions_is_heard() {
    let redis = RedisServer::start().await;
    let ((one, _folder_one), (two, _folder_two)) = (router(&redis).await, router(&redis).await);
    let mut client = redis.client().await;
    let () = client.send("SET {main}:flags:shop {}").await;
    for router in [&one, &two] {
        router.until("the set", |view| view.flags.get("shop").is_some_and(|document| &*document.text == "{}")).await;
    }
    let raw = one.view().flags["shop"].version;
    assert!(raw > 0, "there is a set");
    assert!(matches!(one.put_flags("shop", "1", Some(0), "op".into()).await, Err(StoreError::Conflict { .. })));
    let written = two.put_flags("shop", "1", Some(raw), "op".into()).await.unwrap();
    assert!(written > raw);
    let () = client.send("SET {main}:flags:shop 2").await;
    one.until("set raw again", |view| &*view.flags["shop"].text == "2").await;
    assert_eq!(one.view().flags["shop"].version, written, "a raw SET raises no version");
    let _deleted: i64 = client.send("DEL {main}:flags:shop").await;
    for router in [&one, &two] {
        router.until("it is gone", |view| view.flags.is_empty()).await;
    }
}

#[tokio::test]
async fn what_is_no_document_keeps_the_one_before() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    router.put_flags("shop", "{}", None, "op".into()).await.unwrap();
    let long = "x".repeat(FLAG_DOCUMENT_BYTES_MAX + 1);
    for (what, line) in
        [("too long", format!("SET {{main}}:flags:shop {long}")), ("empty", "SET {main}:flags:shop ".to_owned())]
    {
        let () = client.send(&line).await;
        router.until(what, |view| view.refused.contains_key("shop")).await;
        assert_eq!(&*router.view().flags["shop"].text, "{}", "{what}");
        let () = client.send("SET {main}:flags:shop {}").await;
        router.until("fine again", |view| view.refused.is_empty()).await;
    }
    let () = client.send_bytes(&[b"SET", b"{main}:flags:shop", b"\xff"]).await;
    router.until("not UTF-8", |view| view.refused.contains_key("shop")).await;
    let _deleted: i64 = client.send("DEL {main}:flags:shop").await;
    let _pushed: i64 = client.send("LPUSH {main}:flags:shop a").await;
    router.until("another type", |view| view.refused.get("shop").is_some_and(|reason| reason.contains("type"))).await;
    assert!(matches!(router.flags("shop").await, Err(StoreError::Invalid(_))));
    router.put_flags("shop", "2", None, "op".into()).await.unwrap();
    let view = router.view();
    assert!(view.refused.is_empty() && &*view.flags["shop"].text == "2", "a write repairs it");
}

#[tokio::test]
async fn more_sets_than_are_held_are_refused_one_by_one() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    for n in 0..=FLAG_SETS_MAX {
        let () = client.send(&format!("SET {{main}}:flags:set{n} 1")).await;
    }
    router.until("all but one", |view| view.flags.len() == FLAG_SETS_MAX && view.refused.len() == 1).await;
    let full = router.put_flags("mine", "1", None, "op".into()).await;
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    let fresh = self::router(&redis).await;
    let held = |view: &View| (view.flags.len(), view.refused.len());
    assert_eq!(held(&fresh.0.view()), (FLAG_SETS_MAX, 1), "a router that comes later sees the same");
    assert_follows(&router, &mut client).await;
}

#[tokio::test]
async fn garbage_in_streams_and_hashes_is_skipped() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    let _group = router.take_deliveries(Group::Notify, "a", 1, Duration::ZERO).await.unwrap();
    let _id: String = client.send("XADD alerts:{main} * what ever").await;
    let _id: String = client.send_bytes(&[b"XADD", b"alerts:{main}", b"*", b"\xff", b"\xfe"]).await;
    let _id: String = client.send("XADD log:{main} * what ever").await;
    let _id: String = client.send("XADD dead:{main} * alert {} sink mail attempts 1 at_ms 1").await;
    let _added: i64 = client.send("HSET {main}:silences a { b {} c []").await;
    let _added: i64 = client.send("HSET firing:{main} a b c {}").await;
    let _added: i64 = client.send_bytes(&[b"HSET", b"{main}:rollout:bad", b"\xff", b"\xff"]).await;
    let () = client.send_bytes(&[b"SET", b"{main}:flags:\xff", b"1"]).await;
    let _added: i64 = client.send("HSET flags-ver:{main} shop x").await;

    assert!(router.append_alert(&alert("1", "f"), COOLDOWN).await.unwrap());
    router.put_flags("shop", "{}", None, "op".into()).await.unwrap();
    assert_eq!(router.view().alerts, [alert("1", "f")]);
    assert_eq!(router.view().audit.len(), 1);
    assert_eq!(router.audit(None, 9).await.unwrap().len(), 1);
    assert_eq!(router.alerts(9).await.unwrap(), [alert("1", "f")]);
    assert!(router.dead_letters(9).await.unwrap().is_empty());
    assert!(router.firing().await.unwrap().is_empty());
    assert!(router.resolve_alerts(1).await.unwrap().is_empty());
    let left: u64 = client.send("HLEN firing:{main}").await;
    assert_eq!(left, 0, "garbage takes no place");
    let taken = router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap();
    assert_eq!(taken.iter().map(|delivery| &delivery.alert).collect::<Vec<_>>(), [&alert("1", "f")]);
    let again = router.take_deliveries(Group::Notify, "b", 9, Duration::ZERO).await.unwrap();
    assert_eq!(again.len(), 1, "what cannot be read does not come back");
    let silence = sluice_model::silence::Silence { id: "s".into(), until_ms: in_an_hour_ms(), ..Default::default() };
    router.put_silence(&silence).await.unwrap();
    assert_eq!(router.view().silences, Some(vec![silence]));
    assert_follows(&router, &mut client).await;
    let fresh = self::router(&redis).await;
    assert!(fresh.0.view().connected(), "{:?}", fresh.0.view().health);
}

#[tokio::test]
async fn keys_of_another_type_end_nothing() {
    let redis = RedisServer::start().await;
    let mut client = redis.client().await;
    let (router, _folder) = router(&redis).await;
    for key in ["alerts:{main}", "log:{main}", "dead:{main}", "firing:{main}", "{main}:silences", "fence:{main}:job"] {
        let () = client.send(&format!("SET {key} x")).await;
    }
    for key in ["stat:{main}:demo:0", "flags-ver:{main}", "leader:{main}:other"] {
        let _pushed: i64 = client.send(&format!("LPUSH {key} x")).await;
    }
    router.set_switch(SWITCH, true, "op".into()).await.unwrap();
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    let aborted = router.apply_rollout("demo", &abort("one"), "op".into(), 1, None).await.unwrap();
    assert_eq!((aborted.state, router.view().rollouts["demo"].state), (RolloutState::Aborted, RolloutState::Aborted));
    for error in [
        router.append_alert(&alert("1", "f"), COOLDOWN).await.err(),
        router.alerts(1).await.err(),
        router.audit(None, 1).await.err(),
        router.take_deliveries(Group::Notify, "a", 1, Duration::ZERO).await.err(),
        router.keep_firing(&alert("1", "g"), TTL, COOLDOWN).await.err(),
        router.firing().await.err(),
        router.put_flags("shop", "1", None, "op".into()).await.err(),
        router.lead("other", "one", TTL).await.err(),
    ] {
        assert!(matches!(error, Some(StoreError::Redis(_))), "{error:?}");
    }
    router
        .add_stats(
            "demo",
            0,
            &[("canary".to_owned(), sluice_model::stats::VariantStats { requests: 1, ..Default::default() })].into(),
        )
        .await
        .unwrap();
    assert!(router.stats("demo", 0, 1).await.unwrap().is_empty());
    assert!(router.lead("job", "one", TTL).await.unwrap().is_some(), "a fence that is no number is made anew");
    assert_follows(&router, &mut client).await;
    let fresh = self::router(&redis).await;
    assert!(fresh.0.view().connected(), "{:?}", fresh.0.view().health);

    let _deleted: i64 = client.send("DEL alerts:{main}").await;
    assert!(router.append_alert(&alert("1", "f"), COOLDOWN).await.unwrap(), "the failed one did not make it quiet");
    router.until("alerts are told again", |view| view.alerts == [alert("1", "f")]).await;
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_followed_again() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    let _id: String = client.send("XADD alerts:{main} 9999999999999-0 what ever").await;
    router.set_switch(SWITCH, true, "op".into()).await.unwrap();
    let _deleted: i64 = client.send("DEL alerts:{main}").await;
    let mut told = 0;
    crate::support::eventually("alerts are told again", async || {
        told += 1;
        router.append_alert(&alert(&told.to_string(), &told.to_string()), COOLDOWN).await.unwrap();
        !router.view().alerts.is_empty()
    })
    .await;
    assert!(
        !router.take_deliveries(Group::Notify, "a", 1, Duration::ZERO).await.unwrap().is_empty(),
        "the group is made anew, too"
    );
}

#[tokio::test]
async fn a_stream_that_is_trimmed_takes_its_deliveries_along() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    router.append_alert(&alert("1", "f"), COOLDOWN).await.unwrap();
    let taken = router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap();
    let _trimmed: i64 = client.send("XTRIM alerts:{main} MAXLEN 0").await;
    router.append_alert(&alert("2", "g"), COOLDOWN).await.unwrap();
    let next = router.take_deliveries(Group::Notify, "b", 9, Duration::ZERO).await.unwrap();
    assert_eq!(next.iter().map(|delivery| delivery.alert.id.as_str()).collect::<Vec<_>>(), ["2"]);
    assert!(matches!(router.hold_delivery(Group::Notify, "a", &taken[0].entry).await, Err(StoreError::Fenced(_))));
    router.finish_delivery(Group::Notify, &taken[0].entry).await.unwrap();
}

#[tokio::test]
async fn a_consumer_that_says_it_works_is_left_alone() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(Backend::Redis { url: redis.url() }, folder.path());
    config.delivery_idle = Duration::from_secs(60 * 60);
    let router = Router::ready(config).await;
    let mut client = redis.client().await;
    router.append_alert(&alert("1", "f"), COOLDOWN).await.unwrap();
    let taken = router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap();
    let entry = &taken[0].entry;
    let two_hours_idle = format!("XCLAIM alerts:{{main}} notify a 0 {entry} IDLE 7200000 JUSTID");
    let _claimed: Vec<String> = client.send(&two_hours_idle).await;
    router.hold_delivery(Group::Notify, "a", entry).await.unwrap();
    assert!(router.take_deliveries(Group::Notify, "b", 9, Duration::ZERO).await.unwrap().is_empty());
    let _claimed: Vec<String> = client.send(&two_hours_idle).await;
    assert_eq!(router.take_deliveries(Group::Notify, "b", 9, Duration::ZERO).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_leader_that_was_replaced_writes_nothing_more() {
    let redis = RedisServer::start().await;
    let ((one, _folder_one), (two, _folder_two)) = (router(&redis).await, router(&redis).await);
    let mut client = redis.client().await;
    one.ensure_rollout("demo", &quarter()).await.unwrap();
    let first = one.lead("rollouts", "one", TTL).await.unwrap().expect("nobody leads");
    assert!(two.lead("rollouts", "two", TTL).await.unwrap().is_none());
    two.resign("rollouts", "two").await.unwrap();
    assert!(two.lead("rollouts", "two", TTL).await.unwrap().is_none(), "who does not lead cannot resign");
    let left_ms: u64 = client.send("PTTL leader:{main}:rollouts").await;
    assert!((1..=60_000).contains(&left_ms));

    // Its lease ends while it does something long.
    let _over: i64 = client.send("DEL leader:{main}:rollouts").await;
    let unopposed = one.apply_rollout("demo", &Command::Pause, "plan".into(), 1, Some(&first)).await.unwrap();
    assert_eq!(unopposed.state, RolloutState::Paused, "nobody has taken over yet");
    let second = two.lead("rollouts", "two", TTL).await.unwrap().expect("nobody leads");
    assert!(second.token > first.token);
    let late = one.apply_rollout("demo", &Command::Promote, "plan".into(), 2, Some(&first)).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
    let moved = two.apply_rollout("demo", &Command::Resume, "plan".into(), 3, Some(&second)).await.unwrap();
    one.until("what the new leader did", |view| view.rollouts["demo"] == moved).await;

    // All is lost, the fence too.
    let _gone: i64 = client.send("DEL leader:{main}:rollouts fence:{main}:rollouts").await;
    let third = one.lead("rollouts", "one", TTL).await.unwrap().expect("nobody leads");
    assert!(third.token > second.token, "tokens rise over a loss of data");
}

#[tokio::test]
async fn two_routers_race_and_one_write_of_flags_wins() {
    let redis = RedisServer::start().await;
    let ((one, _folder_one), (two, _folder_two)) = (router(&redis).await, router(&redis).await);
    let mut version = one.put_flags("shop", "0", None, "op".into()).await.unwrap();
    for round in 0..20 {
        let (first, second) = tokio::join!(
            one.put_flags("shop", "one", Some(version), "one".into()),
            two.put_flags("shop", "two", Some(version), "two".into()),
        );
        let (winner, text) = match (first, second) {
            (Ok(winner), Err(StoreError::Conflict { found, .. })) if found == winner => (winner, "one"),
            (Err(StoreError::Conflict { found, .. }), Ok(winner)) if found == winner => (winner, "two"),
            both => panic!("round {round}: {both:?}"),
        };
        for router in [&one, &two] {
            router.until("the winner", |view| view.flags["shop"].version == winner).await;
            assert_eq!(&*router.view().flags["shop"].text, text);
        }
        version = winner;
    }
    let entries = one.audit(Some("flags:shop"), 99).await.unwrap();
    assert_eq!(entries.len(), 21);
    assert!(entries.windows(2).all(|pair| pair[0].old == pair[1].new), "each says what it replaced");
    two.until("both heard of all", |view| view.audit.len() == 21).await;
}

#[tokio::test]
async fn the_log_ends_at_about_its_bound() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let fill = format!(
        "for i = 1, {} do redis.call('XADD', 'log:{{main}}', '*', 'by', 'x', 'key', 'k') end",
        2 * AUDIT_ENTRIES_MAX
    );
    let () = redis.client().await.send_bytes(&[b"EVAL", fill.as_bytes(), b"0"]).await;
    router.put_flags("shop", "{}", None, "op".into()).await.unwrap();
    let entries: usize = redis.client().await.send("XLEN log:{main}").await;
    // Redis drops whole nodes of 100 entries (stream-node-max-entries).
    assert!((AUDIT_ENTRIES_MAX..AUDIT_ENTRIES_MAX + 100).contains(&entries), "{entries}");
    let read = router.audit(None, usize::MAX).await.unwrap();
    assert_eq!((read.len(), &*read[0].key), (AUDIT_ENTRIES_MAX, "flags:shop"));
    router
        .until("the newest was told, some looks later", |view| {
            view.audit.last().is_some_and(|entry| entry.key == "flags:shop")
        })
        .await;
}
