//! Alerts that add droplets, on both stores: a group of its own beside the sinks', and one operation per alert.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_model::alert::AlertId;
use sluice_state::{Backend, Group, Leadership, StoreError};

use crate::fixture::{Fixture, contract};
use crate::server::RedisServer;
use crate::support::{Router, View, alert, config, eventually, server};

const COOLDOWN: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(60);

contract! {
    each_group_is_handed_every_alert
    whoever_scales_begins_when_it_first_asks
    what_one_group_works_on_is_not_the_others
    an_alert_has_one_operation
    only_the_leader_of_now_claims
}

async fn raise(router: &Router, id: &str) {
    assert!(router.append_alert(&alert(id, id), COOLDOWN).await.unwrap());
}

async fn take(router: &Router, group: Group) -> Vec<String> {
    let taken = router.take_deliveries(group, "a", 9, Duration::ZERO).await.unwrap();
    taken.into_iter().map(|delivery| delivery.alert.id.to_string()).collect()
}

async fn each_group_is_handed_every_alert(redis: bool) {
    let Fixture { router, .. } = &Fixture::with(redis, |config| config.delivery_idle = TTL).await;
    assert!(take(router, Group::Scale).await.is_empty());
    raise(router, "1").await;
    raise(router, "2").await;
    assert_eq!(take(router, Group::Notify).await, ["1", "2"]);
    assert_eq!(take(router, Group::Scale).await, ["1", "2"]);
    assert!(take(router, Group::Scale).await.is_empty(), "once");
}

async fn whoever_scales_begins_when_it_first_asks(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    raise(router, "1").await;
    assert!(take(router, Group::Scale).await.is_empty(), "an alert of before buys nothing");
    raise(router, "2").await;
    assert_eq!(take(router, Group::Scale).await, ["2"]);
    assert_eq!(take(router, Group::Notify).await, ["1", "2"]);
}

async fn what_one_group_works_on_is_not_the_others(redis: bool) {
    let Fixture { router, .. } = &Fixture::with(redis, |config| config.delivery_idle = Duration::ZERO).await;
    assert!(take(router, Group::Scale).await.is_empty() && take(router, Group::Notify).await.is_empty());
    raise(router, "1").await;
    let taken = router.take_deliveries(Group::Scale, "a", 9, Duration::ZERO).await.unwrap();
    let entry = &*taken[0].entry;
    let held = router.hold_delivery(Group::Notify, "a", entry).await;
    assert!(matches!(held, Err(StoreError::Fenced(_))), "nobody of that group has it: {held:?}");
    router.finish_delivery(Group::Notify, entry).await.unwrap();
    router.hold_delivery(Group::Scale, "a", entry).await.unwrap();
    assert_eq!(take(router, Group::Scale).await, ["1"], "left, so it comes again");
    router.finish_delivery(Group::Scale, entry).await.unwrap();
    assert!(take(router, Group::Scale).await.is_empty());
}

async fn an_alert_has_one_operation(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let first = router.lead("scale", "one", TTL).await.unwrap().expect("nobody leads");
    let id = AlertId::from_text("1");
    assert_eq!(router.claim_scale_operation(&id, "op-1", &first).await.unwrap(), "op-1");
    assert_eq!(router.claim_scale_operation(&id, "op-2", &first).await.unwrap(), "op-1", "it goes on");
    let other = AlertId::from_text("2");
    assert_eq!(router.claim_scale_operation(&other, "op-2", &first).await.unwrap(), "op-2");
    for operation in ["", "a b", &"x".repeat(129)] {
        let refused = router.claim_scale_operation(&other, operation, &first).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{operation}");
    }
    assert_eq!(router.claim_scale_operation(&id, &"x".repeat(128), &first).await.unwrap(), "op-1");
}

async fn only_the_leader_of_now_claims(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let leader = router.lead("scale", "one", TTL).await.unwrap().expect("nobody leads");
    let former = Leadership { token: leader.token + 1, ..leader.clone() };
    let id = AlertId::from_text("1");
    let refused = router.claim_scale_operation(&id, "late", &former).await;
    assert!(matches!(refused, Err(StoreError::Fenced(job)) if job == "scale"));
    assert_eq!(router.claim_scale_operation(&id, "mine", &leader).await.unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_scales_needs_what_the_page_says_and_no_more() {
    let redis = RedisServer::start().await;
    let page = include_str!("../../../../docs/store.md");
    let (_, rest) = page.split_once("ACL SETUSER controller ").unwrap();
    let rule = rest.split_once("```").unwrap().0.replace('\\', "").replace("PASSWORD", "geheim");
    let rule: Vec<&str> = rule.split_whitespace().collect();
    let mut client = redis.client().await;
    let () = client.send(&format!("ACL SETUSER controller {}", rule.join(" "))).await;
    let () = client.send("SET {main}:flags:shop {}").await;
    let () = client.send("CONFIG RESETSTAT").await;

    let folder = tempfile::tempdir().unwrap();
    let url = redis.url().replace("redis://", "redis://controller:geheim@");
    let mut mine = config(Backend::Redis { url }, folder.path());
    mine.switches.clear();
    let scaler = Router::ready(mine).await;
    everything_that_scaling_does(&scaler).await;
    // A server joins by another hand, and its lease is over.
    let (other_folder, ttl) = (tempfile::tempdir().unwrap(), Duration::from_millis(200));
    let mut other = config(Backend::Redis { url: redis.url() }, other_folder.path());
    let sent = commands(&client.send::<String>("INFO commandstats").await);
    other.lease_ttl = ttl;
    Router::ready(other).await.put_server(&server("a")).await.unwrap();
    scaler.until("the lease is over", |view| view.servers().is_empty()).await;
    assert!(scaler.put_server(&server("b")).await.is_err(), "it takes no lease");

    // What only happens when someone left something: ended leases, their members, what another consumer held.
    let seldom = ["srem", "zrem", "zrangebyscore", "xpending", "xclaim", "get", "set", "incr", "hget", "exists"];
    let allowed: BTreeSet<String> = rule.iter().filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect();
    let sent: BTreeSet<String> = sent.into_iter().chain(seldom.map(str::to_owned)).collect();
    assert_eq!(sent, allowed, "left: what is sent, right: what docs/store.md allows");
}

async fn everything_that_scaling_does(scaler: &Router) {
    let (keep, none) = (Duration::from_millis(1), Duration::ZERO);
    let leader = scaler.lead("scale", "one", TTL).await.unwrap().expect("nobody leads");
    assert!(take(scaler, Group::Scale).await.is_empty());
    assert!(scaler.keep_firing(&alert("1", "f"), keep, none).await.unwrap());
    scaler.append_alert(&alert("2", "g"), COOLDOWN).await.unwrap();
    assert_eq!(scaler.firing().await.unwrap().len(), 1);
    assert_eq!(scaler.alerts(9).await.unwrap().len(), 2);
    let taken = scaler.take_deliveries(Group::Scale, "a", 9, none).await.unwrap();
    scaler.claim_scale_operation(&taken[0].alert.id, "op", &leader).await.unwrap();
    scaler.hold_delivery(Group::Scale, "a", &taken[0].entry).await.unwrap();
    scaler.finish_delivery(Group::Scale, &taken[0].entry).await.unwrap();
    eventually("it is over", async || !scaler.resolve_alerts(u64::MAX).await.unwrap().is_empty()).await;
    scaler.until("told", View::connected).await;
    scaler.resign("scale", "one").await.unwrap();
}

/// Commands that were sent, but for the test's own.
fn commands(statistics: &str) -> BTreeSet<String> {
    let names = statistics.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    let of_the_test = ["config|resetstat", "info", "acl|setuser", "client|setinfo"];
    names.filter(|name| !of_the_test.contains(name)).map(str::to_owned).collect()
}
