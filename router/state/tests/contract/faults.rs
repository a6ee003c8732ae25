//! Redis dies, loses its data, or is not there at the start: traffic must not notice, and all heals by itself.

use std::path::Path;
use std::time::Duration;

use sluice_model::rollout::{Command, RolloutState};
use sluice_model::silence::Silence;
use sluice_state::{Backend, Config, StoreError, SwitchValue};

use crate::server::RedisServer;
use crate::support::{Router, SWITCH, View, abort, config, in_an_hour_ms, quarter, server};

fn on(redis: &RedisServer, folder: &Path) -> Config {
    config(Backend::Redis { url: redis.url() }, folder)
}

/// A switch on, a rollout aborted, one server.
async fn fill(router: &Router) {
    router.set_switch(SWITCH, true, "test".into()).await.unwrap();
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    router.apply_rollout("demo", &abort("one"), "test".into(), 1, None).await.unwrap();
    router.put_server(&server("a")).await.unwrap();
}

fn assert_filled(router: &Router) {
    let view = router.view();
    assert_eq!(view.switch(), Some(&SwitchValue::On));
    assert_eq!(view.rollouts["demo"].state, RolloutState::Aborted);
    assert_eq!(view.servers(), ["a"]);
}

#[tokio::test]
async fn a_killed_store_leaves_the_last_state_and_a_restart_with_its_data_heals() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    fill(&router).await;
    let () = redis.client().await.send("SAVE").await;

    redis.kill().await;
    router.until("the outage is told", |view| !view.connected()).await;
    assert_filled(&router);
    let away = router.set_switch(SWITCH, false, "test".into()).await;
    assert!(matches!(away, Err(StoreError::Unavailable { .. })), "{away:?}");
    assert!(router.view().health.last().unwrap().error.is_some());

    redis.restart().await;
    router.until("healed", View::connected).await;
    assert_filled(&router);
    let resumed = router.apply_rollout("demo", &Command::Resume, "test".into(), 2, None).await.unwrap();
    assert_eq!(router.view().rollouts["demo"], resumed);
    let () = redis.client().await.send("SET featureFlags false").await;
    router.until("pushes arrive again", |view| view.switch() == Some(&SwitchValue::Off)).await;
}

#[tokio::test]
async fn a_store_that_comes_back_empty_is_refilled() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    fill(&router).await;
    let epochs = router.view().epochs.len();

    redis.kill().await;
    redis.restart().await;
    router.until("the loss is told", |view| !view.connected()).await;
    router.until("healed", View::connected).await;
    assert_filled(&router);
    assert_eq!(router.view().epochs.len(), epochs, "nothing went back, not for a moment");
    let mut client = redis.client().await;
    let state: String = client.send("HGET {main}:rollout:demo state").await;
    let switch: String = client.send("GET featureFlags").await;
    assert_eq!((&*state, &*switch), ("aborted", "true"));
    assert_eq!(
        router.apply_rollout("demo", &abort("one"), "test".into(), 3, None).await.unwrap().epoch,
        2,
        "the id is still seen"
    );
}

#[tokio::test]
async fn a_store_that_hangs_is_told_from_one_that_is_slow() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    fill(&router).await;
    redis.freeze();
    let write = router.set_switch(SWITCH, false, "test".into()).await;
    assert!(matches!(write, Err(StoreError::Unavailable { .. })), "{write:?}");
    router.until("the outage is told", |view| !view.connected()).await;
    assert_filled(&router);
    redis.thaw();
    router.until("healed", View::connected).await;
    router.apply_rollout("demo", &Command::Resume, "test".into(), 2, None).await.unwrap();
}

#[tokio::test]
async fn two_routers_refill_a_store_as_one() {
    let mut redis = RedisServer::start().await;
    let (folder_one, folder_two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = Router::ready(on(&redis, folder_one.path())).await;
    let two = Router::ready(on(&redis, folder_two.path())).await;
    fill(&one).await;
    two.until("the same content", |view| view.rollouts.contains_key("demo") && view.servers() == ["a"]).await;
    redis.kill().await;
    redis.restart().await;
    for router in [&one, &two] {
        router.until("the outage was told", |view| view.health.iter().any(|health| !health.connected)).await;
        router.until("healed", View::connected).await;
        assert_eq!(router.view().rollouts["demo"].state, RolloutState::Aborted);
    }
    let resumed = two.apply_rollout("demo", &Command::Resume, "test".into(), 2, None).await.unwrap();
    one.until("the resume", |view| view.rollouts["demo"] == resumed).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_without_showing_it() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let url = redis.url().replace("redis://", "redis://user:geheim@");
    let router = Router::ready(config(Backend::Redis { url }, folder.path())).await;
    let health = router.view().health.last().unwrap().clone();
    assert!(!health.connected);
    let error = health.error.unwrap();
    assert!(error.contains("WRONGPASS") || error.to_lowercase().contains("auth"), "{error}");
    assert!(!error.contains("geheim"), "{error}");
}

#[tokio::test]
async fn a_flush_changes_nothing_and_what_was_set_meanwhile_counts() {
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    fill(&router).await;
    let mut client = redis.client().await;
    let () = client.send("FLUSHALL").await;
    router.until("the loss is told", |view| !view.connected()).await;
    assert_filled(&router);
    let () = client.send("SET featureFlags false").await;
    router.until("healed", View::connected).await;
    assert_eq!(router.view().switch(), Some(&SwitchValue::Off));
    assert_eq!(router.view().rollouts["demo"].state, RolloutState::Aborted);
    assert_eq!(router.view().servers(), ["a"], "a server has two leases to come back");
}

#[tokio::test]
async fn a_router_that_starts_without_its_store_knows_where_it_was() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    fill(&router).await;
    router.close().await;
    redis.kill().await;

    let router = Router::ready(on(&redis, folder.path())).await;
    assert!(!router.view().connected());
    assert_filled(&router);
    redis.restart().await;
    router.until("healed", View::connected).await;
    assert_filled(&router);
}

#[tokio::test]
async fn a_router_that_knows_nothing_waits_for_its_store() {
    let mut redis = RedisServer::start().await;
    redis.kill().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    assert!(!router.view().connected() && router.view().switches.is_empty());
    redis.restart().await;
    router.until("connected", View::connected).await;
    router.set_switch(SWITCH, true, "test".into()).await.unwrap();
}

#[tokio::test]
async fn a_fresh_router_believes_the_store_and_not_the_content_of_another_one() {
    let (first, second) = (RedisServer::start().await, RedisServer::start().await);
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&first, folder.path())).await;
    fill(&router).await;
    router.close().await;
    let router = Router::ready(on(&second, folder.path())).await;
    let view = router.view();
    assert!(view.connected() && view.rollouts.is_empty() && view.servers().is_empty());
    assert_eq!(view.switch(), Some(&SwitchValue::Missing));
}

#[tokio::test]
async fn a_server_that_is_gone_after_an_outage_leaves_in_the_end() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = on(&redis, folder.path());
    config.lease_ttl = Duration::from_secs(1);
    let router = Router::ready(config).await;
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    router.put_server(&server("a")).await.unwrap();
    redis.kill().await;
    router.until("the outage is told", |view| !view.connected()).await;
    redis.restart().await;
    router.until("healed", View::connected).await;
    assert_eq!(router.view().servers(), ["a"]);
    router.until("it left", |view| view.servers().is_empty()).await;
}

#[tokio::test]
async fn flags_and_silences_are_refilled_and_known_without_the_store() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    let version = router.put_flags("shop", "{}", None, "test".into()).await.unwrap();
    router.put_flags("old", "{}", None, "test".into()).await.unwrap();
    let silence = Silence { id: "s".into(), until_ms: in_an_hour_ms(), ..Silence::default() };
    router.put_silence(&silence).await.unwrap();
    let known = |view: &View| {
        view.flags["shop"].version == version
            && &*view.flags["shop"].text == "{}"
            && view.silences.as_deref() == Some(std::slice::from_ref(&silence))
    };

    let mut client = redis.client().await;
    let () = client.send("FLUSHALL").await;
    let () = client.send("SET {main}:flags:old raw").await;
    router.until("the loss is told", |view| !view.connected()).await;
    assert!(known(&router.view()), "nothing was lost, not for a moment");
    router.until("healed", View::connected).await;
    assert!(known(&router.view()));
    assert_eq!(&*router.view().flags["old"].text, "raw", "what someone has set meanwhile counts");
    let text: String = client.send("GET {main}:flags:shop").await;
    let silences: u64 = client.send("HLEN {main}:silences").await;
    assert_eq!((&*text, silences), ("{}", 1));
    let next = router.put_flags("shop", "1", Some(version), "test".into()).await.unwrap();
    assert!(next > version, "versions go on where they were");
    router.put_flags("shop", "{}", Some(next), "test".into()).await.unwrap();
    router.close().await;

    redis.kill().await;
    let router = Router::ready(on(&redis, folder.path())).await;
    let view = router.view();
    assert!(!view.connected() && &*view.flags["shop"].text == "{}" && view.flags.len() == 2);
    assert_eq!(view.silences.as_deref(), Some(&[silence][..]));
}

#[tokio::test]
async fn an_older_copy_of_flags_does_not_undo_a_newer_one() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(on(&redis, folder.path())).await;
    router.put_flags("shop", "old", None, "test".into()).await.unwrap();
    let () = redis.client().await.send("SAVE").await;
    let version = router.put_flags("shop", "new", None, "test".into()).await.unwrap();
    redis.kill().await;
    redis.restart().await;
    router.until("the loss is told", |view| !view.connected()).await;
    router.until("healed", View::connected).await;
    assert_eq!(&*router.view().flags["shop"].text, "new");
    let stored = router.flags("shop").await.unwrap().unwrap();
    assert_eq!((&*stored.text, stored.version), ("new", version));
}
