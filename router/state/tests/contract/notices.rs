//! From an alert to the sinks, on both stores: up and resolved, delivered at least once, buried and replayed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use sluice_model::alert::{Alert, AlertId, AlertStatus, DeadLetter};
use sluice_state::{DEAD_LETTERS_MAX, Delivery, Group, StoreError};

use crate::fixture::{Fixture, contract};
use crate::support::{Router, alert};

const COOLDOWN: Duration = Duration::from_secs(60);
const KEEP: Duration = Duration::from_secs(10);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(60 * 60);
/// Routers that race in one test.
const RACERS: usize = 4;

contract! {
    every_part_of_an_alert_comes_back
    an_alert_is_up_until_it_is_not_seen_any_more
    an_alert_is_resolved_once
    what_is_quiet_is_not_up
    each_alert_goes_to_one_consumer
    whoever_waits_is_woken
    a_delivery_that_was_left_goes_to_another
    a_resolved_notice_is_delivered_too
    what_a_sink_took_is_known
    a_dead_letter_is_replayed_once
    dead_letters_end_at_their_bound
}

fn seen(id: &str, fingerprint: &str, at_ms: u64) -> Alert {
    Alert { at_ms, ..alert(id, fingerprint) }
}

async fn raise(router: &Router, id: &str) {
    assert!(router.append_alert(&alert(id, id), COOLDOWN).await.unwrap());
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.alert.id.as_str()).collect()
}

async fn every_part_of_an_alert_comes_back(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let labels: BTreeMap<_, _> = [("team".to_owned(), "edge \u{e4}".to_owned())].into();
    let full = Alert { labels, router: "edge-1".into(), rollout: Some("demo".into()), ..alert("1", "f") };
    router.append_alert(&full, COOLDOWN).await.unwrap();
    assert_eq!(router.alerts(9).await.unwrap(), std::slice::from_ref(&full));
    assert_eq!(router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap()[0].alert, full);
    let labels = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
    let most = Alert { labels: labels(32), ..alert("2", "g") };
    assert!(router.append_alert(&most, COOLDOWN).await.is_ok());
    let more = Alert { labels: labels(33), ..alert("3", "h") };
    assert!(matches!(router.append_alert(&more, COOLDOWN).await, Err(StoreError::Invalid(_))));
}

async fn an_alert_is_up_until_it_is_not_seen_any_more(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    assert!(router.keep_firing(&seen("1", "f", 1_000), KEEP, COOLDOWN).await.unwrap());
    assert!(!router.keep_firing(&seen("2", "f", 5_000), KEEP, COOLDOWN).await.unwrap(), "it is up");
    assert!(!router.keep_firing(&seen("3", "f", 2_000), KEEP, COOLDOWN).await.unwrap(), "told late");
    assert!(router.keep_firing(&seen("4", "g", 500), KEEP, COOLDOWN).await.unwrap());
    let firing = router.firing().await.unwrap();
    assert_eq!((firing.len(), &*firing[0].alert.fingerprint), (2, "g"), "oldest first");
    assert_eq!((firing[1].alert.clone(), firing[1].seen_ms, firing[1].keep_ms), (seen("1", "f", 1_000), 5_000, 10_000));

    let resolved = router.resolve_alerts(14_999).await.unwrap();
    assert_eq!(resolved.len(), 1);
    let expected =
        Alert { id: AlertId::from_text("4-resolved"), status: AlertStatus::Resolved, ..seen("4", "g", 14_999) };
    assert_eq!(resolved[0], expected);
    assert!(router.view().alerts.contains(&expected), "told like any alert");
    assert_eq!(router.resolve_alerts(15_000).await.unwrap().len(), 1);
    assert!(router.firing().await.unwrap().is_empty());
    assert_eq!(router.alerts(9).await.unwrap().len(), 4);
}

async fn an_alert_is_resolved_once(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    for n in 0..8 {
        router.keep_firing(&seen(&n.to_string(), &n.to_string(), 1), KEEP, COOLDOWN).await.unwrap();
    }
    let racing: [_; RACERS] = std::array::from_fn(|_racer| router.resolve_alerts(20_000));
    let resolved: Vec<Alert> = join_all(racing).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(resolved.len(), 8, "{resolved:?}");
}

async fn what_is_quiet_is_not_up(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    assert!(router.keep_firing(&seen("1", "f", 1), KEEP, COOLDOWN).await.unwrap());
    router.resolve_alerts(20_000).await.unwrap();
    assert!(!router.keep_firing(&seen("2", "f", 21_000), KEEP, COOLDOWN).await.unwrap(), "nobody is told twice");
    assert!(router.firing().await.unwrap().is_empty(), "so nobody will be told that it is over");
}

async fn each_alert_goes_to_one_consumer(redis: bool) {
    let fixture = Fixture::with(redis, |config| config.delivery_idle = LONG).await;
    let router = &fixture.router;
    for n in 0..5 {
        raise(router, &n.to_string()).await;
    }
    let first = router.take_deliveries(Group::Notify, "a", 3, Duration::ZERO).await.unwrap();
    assert_eq!(ids(&first), ["0", "1", "2"], "oldest first, and those from before anyone asked");
    let second = router.take_deliveries(Group::Notify, "b", 9, Duration::ZERO).await.unwrap();
    assert_eq!(ids(&second), ["3", "4"]);
    assert!(first.iter().chain(&second).all(|delivery| delivery.times == 1));
    assert!(router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap().is_empty());
    assert!(router.take_deliveries(Group::Notify, "a", 0, Duration::ZERO).await.unwrap().is_empty());
    let strange = router.take_deliveries(Group::Notify, "a b", 9, Duration::ZERO).await;
    assert!(matches!(strange, Err(StoreError::Invalid(_))));
}

async fn whoever_waits_is_woken(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let (taken, ()) = tokio::join!(router.take_deliveries(Group::Notify, "a", 9, LONG), raise(router, "1"));
    assert_eq!(ids(&taken.unwrap()), ["1"]);
}

async fn a_delivery_that_was_left_goes_to_another(redis: bool) {
    let fixture = Fixture::with(redis, |config| config.delivery_idle = Duration::ZERO).await;
    let router = &fixture.router;
    raise(router, "1").await;
    let first = router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap();
    let entry = &*first[0].entry;
    router.hold_delivery(Group::Notify, "a", entry).await.unwrap();
    let second = router.take_deliveries(Group::Notify, "b", 9, Duration::ZERO).await.unwrap();
    assert_eq!((&*second[0].entry, second[0].times, &second[0].alert), (entry, 2, &first[0].alert));
    let late = router.hold_delivery(Group::Notify, "a", entry).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "it is another one's by now: {late:?}");
    router.hold_delivery(Group::Notify, "b", entry).await.unwrap();
    router.finish_delivery(Group::Notify, entry).await.unwrap();
    router.finish_delivery(Group::Notify, entry).await.unwrap();
    assert!(router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap().is_empty());
    assert!(
        matches!(router.hold_delivery(Group::Notify, "b", entry).await, Err(StoreError::Fenced(_))),
        "it is finished"
    );
    assert!(matches!(router.finish_delivery(Group::Notify, "x").await, Err(StoreError::Invalid(_))));
}

async fn a_resolved_notice_is_delivered_too(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    router.keep_firing(&seen("1", "f", 1), KEEP, COOLDOWN).await.unwrap();
    router.resolve_alerts(20_000).await.unwrap();
    let taken = router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap();
    assert_eq!(ids(&taken), ["1", "1-resolved"]);
}

async fn what_a_sink_took_is_known(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let (one, two) = (AlertId::from_text("1"), AlertId::from_text("2"));
    router.mark_sent(&one, "mail").await.unwrap();
    assert!(router.was_sent(&one, "mail").await.unwrap());
    assert!(!router.was_sent(&one, "hook").await.unwrap() && !router.was_sent(&two, "mail").await.unwrap());
    assert!(matches!(router.mark_sent(&one, "a:b").await, Err(StoreError::Invalid(_))));
    let long = AlertId::from_text("x".repeat(129));
    assert!(matches!(router.was_sent(&long, "mail").await, Err(StoreError::Invalid(_))));
}

fn letter(id: &str) -> DeadLetter {
    let error = "connection refused".to_owned();
    DeadLetter { entry: String::new(), alert: alert(id, id), sink: "mail".to_owned(), error, attempts: 3, at_ms: 9 }
}

async fn a_dead_letter_is_replayed_once(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    router.bury(&letter("1")).await.unwrap();
    router.bury(&letter("2")).await.unwrap();
    let letters = router.dead_letters(9).await.unwrap();
    assert_eq!(DeadLetter { entry: String::new(), ..letters[0].clone() }, letter("2"), "newest first");
    assert_eq!(router.dead_letters(1).await.unwrap(), letters[..1]);
    assert!(router.replay(&letters[1].entry, "op".into()).await.unwrap());
    assert!(!router.replay(&letters[1].entry, "op".into()).await.unwrap());
    assert_eq!(router.dead_letters(9).await.unwrap(), letters[..1]);
    let taken = router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap();
    assert_eq!(ids(&taken), ["1"]);
    assert!(router.alerts(9).await.unwrap().is_empty() && router.view().alerts.is_empty(), "it is no new alert");
    let logged = router.audit(Some("alert:1"), 9).await.unwrap();
    assert_eq!((logged.len(), &*logged[0].by), (1, "op"));
    assert!(matches!(router.replay("x", "op".into()).await, Err(StoreError::Invalid(_))));
}

async fn dead_letters_end_at_their_bound(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    for n in 0..=DEAD_LETTERS_MAX {
        router.bury(&letter(&n.to_string())).await.unwrap();
    }
    let letters = router.dead_letters(usize::MAX).await.unwrap();
    assert_eq!((letters.len(), letters.last().unwrap().alert.id.as_str()), (DEAD_LETTERS_MAX, "1"));
}
