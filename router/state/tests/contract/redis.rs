//! What only the store on Redis must do: hear what any client writes, and agree among routers.

use std::time::Duration;

use sluice_model::rollout::{Command, RolloutState};
use sluice_state::{Backend, Leases, OpenError, SwitchValue};
use tempfile::TempDir;

use crate::server::RedisServer;
use crate::support::{Router, SWITCH, abort, alert, config, quarter, server};

const COOLDOWN: Duration = Duration::from_secs(60);

async fn router(redis: &RedisServer) -> (Router, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Router::ready(config(Backend::Redis { url: redis.url() }, folder.path())).await, folder)
}

#[tokio::test]
async fn a_raw_set_by_any_client_is_heard() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    for (text, value) in [("true", SwitchValue::On), ("0", SwitchValue::Off), ("ON", SwitchValue::On)] {
        let () = client.send(&format!("SET featureFlags {text}")).await;
        router.until(text, |view| view.switch() == Some(&value)).await;
    }
    let _deleted: i64 = client.send("DEL featureFlags").await;
    router.until("it is gone", |view| view.switch() == Some(&SwitchValue::Missing)).await;
}

#[tokio::test]
async fn nonsense_is_told_as_such_and_a_flip_repairs_it() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    let () = client.send("SET featureFlags true").await;
    router.until("on", |view| view.switch() == Some(&SwitchValue::On)).await;
    let () = client.send("SET featureFlags maybe").await;
    router.until("nonsense", |view| view.switch() == Some(&SwitchValue::Invalid("maybe".into()))).await;
    assert!(!router.flip_switch(SWITCH, "test".into()).await.unwrap(), "it was on when it last made sense");

    let _deleted: i64 = client.send("DEL featureFlags").await;
    let _pushed: i64 = client.send("LPUSH featureFlags a").await;
    router.until("another type", |view| matches!(view.switch(), Some(SwitchValue::Invalid(_)))).await;
    assert!(router.view().connected(), "one bad key is no outage");
    router.flip_switch(SWITCH, "test".into()).await.unwrap();
    assert!(matches!(router.view().switch(), Some(SwitchValue::On | SwitchValue::Off)));
}

#[tokio::test]
async fn routers_agree_on_everything() {
    let redis = RedisServer::start().await;
    let ((one, _folder_one), (two, _folder_two)) = (router(&redis).await, router(&redis).await);
    one.ensure_rollout("demo", &quarter()).await.unwrap();
    let aborted = two.apply_rollout("demo", &abort("one"), "two".into(), 1, None).await.unwrap();
    one.until("the abort of the other", |view| view.rollouts.get("demo") == Some(&aborted)).await;

    two.flip_switch(SWITCH, "two".into()).await.unwrap();
    one.until("the flip of the other", |view| view.switch() == Some(&SwitchValue::On)).await;
    two.put_server(&server("a")).await.unwrap();
    one.until("the server of the other", |view| view.servers() == ["a"]).await;
    two.delete_server("a").await.unwrap();
    one.until("its end", |view| view.servers().is_empty()).await;

    assert!(two.append_alert(&alert("1", "f"), COOLDOWN).await.unwrap());
    one.until("the alert of the other", |view| view.alerts == [alert("1", "f")]).await;
    assert!(!one.append_alert(&alert("2", "f"), COOLDOWN).await.unwrap(), "quiet for the whole fleet");
    assert_eq!(one.alerts(9).await.unwrap(), two.alerts(9).await.unwrap());

    let resumed = one.apply_rollout("demo", &Command::Resume, "one".into(), 2, None).await.unwrap();
    two.until("the resume", |view| view.rollouts["demo"] == resumed).await;
    assert_eq!(resumed.state, RolloutState::Running);
}

#[tokio::test]
async fn edges_do_not_mix() {
    let redis = RedisServer::start().await;
    let (one, _folder_one) = router(&redis).await;
    let folder = tempfile::tempdir().unwrap();
    let mut other = config(Backend::Redis { url: redis.url() }, folder.path());
    other.edge = "other".to_owned();
    let other = Router::ready(other).await;
    one.ensure_rollout("demo", &quarter()).await.unwrap();
    one.put_server(&server("a")).await.unwrap();
    other.put_server(&server("b")).await.unwrap();
    assert_eq!(one.view().servers(), ["a"]);
    assert_eq!(other.view().servers(), ["b"]);
    assert!(other.view().rollouts.is_empty());
}

#[tokio::test]
async fn keys_are_as_documented() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    router.put_server(&server("a")).await.unwrap();
    router.append_alert(&alert("1", "f"), COOLDOWN).await.unwrap();
    let mut client = redis.client().await;
    let state: String = client.send("HGET {main}:rollout:demo state").await;
    let weight: u16 = client.send("HGET {main}:rollout:demo weight_bps").await;
    assert_eq!((&*state, weight), ("running", 2_500));
    let addr: String = client.send("HGET srv:{main}:a addr").await;
    let members: Vec<String> = client.send("SMEMBERS {main}:srv:index").await;
    assert_eq!((addr, members), (server("a").addr, vec!["a".to_owned()]));
    let rest_ms: u64 = client.send("PTTL srv:{main}:a").await;
    assert!((1..=15_000).contains(&rest_ms));
    let quiet_ms: u64 = client.send("PTTL mute:{main}:upload-size:f").await;
    assert!((1..=60_000).contains(&quiet_ms));
    let alerts: u64 = client.send("XLEN alerts:{main}").await;
    let epoch: u64 = client.send("GET {main}:epoch").await;
    assert_eq!((alerts, epoch), (1, 4), "begun, then three scripted writes");
}

#[tokio::test]
async fn a_rollout_changed_by_hand_is_heard_and_nonsense_is_not() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    let mut client = redis.client().await;
    let _added: i64 = client.send("HSET {main}:rollout:demo weight_bps 7000").await;
    router.until("70 %", |view| view.rollouts["demo"].weight_bps.get() == 7_000).await;
    let _added: i64 = client.send("HSET {main}:rollout:demo state jogging").await;
    let _added: i64 = client.send("HSET {main}:rollout:other state running weight_bps 1 epoch 1").await;
    router.until("the other one", |view| view.rollouts.contains_key("other")).await;
    assert_eq!(router.view().rollouts["demo"].state, RolloutState::Running);
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = "redis://user:geheim@host:notaport".to_owned();
    let error = Router::open(config(Backend::Redis { url }, folder.path())).await.err().expect("not a URL");
    assert!(matches!(error, OpenError::Url(_)));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("geheim"), "{shown}");
}

/// Raw writes while the set of followed switches changes again and again.
const CHANGES: usize = 20;

#[tokio::test]
async fn other_switches_are_followed_without_losing_a_change() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let mut client = redis.client().await;
    let () = client.send("SET beta true").await;
    let names = |extra: &str| vec![SWITCH.to_owned(), extra.to_owned()];
    router.watch_switches(&names("beta")).await.unwrap();
    assert_eq!(router.view().switches.get("beta"), Some(&SwitchValue::On), "told before the call returns");
    let () = client.send("SET beta false").await;
    router.until("pushes of the new one", |view| view.switches.get("beta") == Some(&SwitchValue::Off)).await;

    for change in 0..CHANGES {
        let (extra, on) = (format!("s{change}"), change % 2 == 0);
        let raw = async {
            let () = client.send(&format!("SET featureFlags {on}")).await;
            let () = client.send(&format!("SET {extra} {on}")).await;
        };
        let extra_names = names(&extra);
        let (watched, ()) = tokio::join!(router.watch_switches(&extra_names), raw);
        watched.unwrap();
        let value = SwitchValue::of(on);
        let both =
            |view: &crate::support::View| view.switch() == Some(&value) && view.switches.get(&extra) == Some(&value);
        router.until("both values", both).await;
    }
    assert!(router.view().health.iter().all(|health| health.connected), "it is no outage");
    assert!(router.set_switch("beta", true, "test".into()).await.is_err(), "followed no more");
}

#[tokio::test]
async fn switches_that_are_followed_during_an_outage_stand_as_last_seen() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(config(Backend::Redis { url: redis.url() }, folder.path())).await;
    router.watch_switches(&[SWITCH.to_owned(), "beta".to_owned()]).await.unwrap();
    router.set_switch("beta", true, "test".into()).await.unwrap();
    router.close().await;
    redis.kill().await;

    let router = Router::ready(config(Backend::Redis { url: redis.url() }, folder.path())).await;
    assert_eq!(router.view().switches.get("beta"), None, "nobody asked for it yet");
    router.watch_switches(&[SWITCH.to_owned(), "beta".to_owned()]).await.unwrap();
    router.until("as last seen", |view| view.switches.get("beta") == Some(&SwitchValue::On)).await;
    redis.restart().await;
    router.until("connected", crate::support::View::connected).await;
    assert_eq!(router.view().switches.get("beta"), Some(&SwitchValue::On), "and put back into the emptied store");
}

#[tokio::test]
async fn who_only_registers_needs_no_more_than_the_page_says() {
    let redis = RedisServer::start().await;
    let (router, _folder) = router(&redis).await;
    let page = include_str!("../../../../docs/store.md");
    let (_, rest) = page.split_once("ACL SETUSER app ").unwrap();
    let rule = rest.split_once("```").unwrap().0.replace('\\', "").replace("PASSWORD", "geheim");
    let rule = rule.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut client = redis.client().await;
    let () = client.send(&format!("ACL SETUSER app {rule}")).await;

    let url = redis.url().replace("redis://", "redis://app:geheim@");
    let leases = Leases::new(&url, "main", sluice_model::lease::LEASE_TTL).unwrap();
    leases.put(&server("a")).await.unwrap();
    router.until("the lease", |view| view.servers() == ["a"]).await;
    let draining = sluice_model::lease::Server { draining: true, ..server("a") };
    leases.put(&draining).await.unwrap();
    router.until("it drains", |view| view.leases.iter().any(|lease| lease.server.draining)).await;
    leases.delete("a").await.unwrap();
    leases.delete("a").await.unwrap();
    router.until("its end", |view| view.servers().is_empty()).await;
    let denied: Vec<::redis::Value> = client.send("ACL LOG").await;
    assert!(denied.is_empty(), "{denied:?}");
}
