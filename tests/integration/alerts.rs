//! Alerts, from the request that breaks a rule to the receiver that is told: at least once, and once where nothing fails.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::process::sluice;
use sluice_tests::receiver::{Answer, Receiver};
use sluice_tests::redis_server::RedisServer;
use sluice_tests::router::{Router, Setup};
use sluice_tests::stack::DEMO_POLICY;
use sluice_tests::upload::{LIMIT_BYTES, Wrapping, upload};
use sluice_tests::{client, eventually, eventually_within};

/// A delivery whose notifier was killed comes again after half a minute; a busy machine takes longer.
const REDELIVERY: Duration = Duration::from_secs(120);

/// One route with a rule for uploads. Nobody serves it: what a rule sees, it sees before.
pub(crate) const POLICY: &str = r#"
[upstreams.app]
servers = ["127.0.0.1:1"]

[plugins.upload-alert]
file = "upload-alert.wasm"
grants = { alerts = true, abort = true }
config = { limit = "50000B", paths = ["/upload"], action = "alert" }

[[routes]]
name = "app"
match = { path = { prefix = "/" } }
plugins = ["upload-alert"]
to = "app"
timeouts = { connect = "1s" }
"#;

/// A router with these sinks, and this below the policy.
pub(crate) async fn start(rules: &str, sinks: &str, store: &str) -> Result<Router> {
    let setup = Setup::new(&format!("{POLICY}\n{rules}"), store)?;
    let file = setup.path("sluice.toml");
    let text = std::fs::read_to_string(&file)? + "\n" + sinks;
    std::fs::write(file, text)?;
    setup.start().await
}

fn hook(name: &str, receiver: &Receiver) -> String {
    format!("[alerts.sinks.{name}]\nwebhook = {{ url = \"{}\" }}\n", receiver.url)
}

/// Breaks the rule for uploads.
pub(crate) async fn offend(router: &Router) -> Result<()> {
    upload(&router.edge, Wrapping::Declared, LIMIT_BYTES + 1, 1).await?;
    Ok(())
}

/// The only alert, once it is there.
async fn only_alert(router: &Router) -> Value {
    eventually("one alert", async || {
        let alerts = router.get("/v1/alerts").await?;
        ensure!(alerts.as_array().is_some_and(|alerts| alerts.len() == 1), "{alerts}");
        Ok(alerts[0].clone())
    })
    .await
}

async fn post(router: &Router, path: &str, body: Value) -> Result<Value> {
    client::json(client::http().post(format!("{}{path}", router.admin)).json(&body)).await
}

/// Waits until the notifier says that `sink` has it: nothing more will come of this alert.
async fn told(router: &Router, sink: &str) {
    eventually("the sink has it", async || {
        let alerts = router.get("/v1/alerts").await?;
        let state = &alerts[0]["deliveries"][sink]["state"];
        ensure!(state == "told", "{alerts}");
        Ok(())
    })
    .await;
}

async fn is_told_once(store: &str, routers_count: usize) -> Result<()> {
    let (a, b) = (Receiver::start(&[]).await?, Receiver::start(&[]).await?);
    let sinks = hook("a", &a) + &hook("b", &b);
    let rule = "[alerts.upload-size]\nkeep_firing = \"3s\"\nlabels = { team = \"edge\" }\n";
    let mut routers = Vec::new();
    for _ in 0..routers_count {
        routers.push(start(rule, &sinks, store).await?);
    }
    for router in &routers {
        offend(router).await?;
    }
    for receiver in [&a, &b] {
        // What fires, and that it is over: a notice too many would have come between them.
        let received = receiver.wait_for(2).await;
        let (firing, resolved) = (received[0].notice()?, received[1].notice()?);
        assert_eq!((&firing["status"], &firing["rule"]), (&json!("firing"), &json!("upload-size")));
        assert_eq!((&firing["labels"]["team"], &firing["observed"]), (&json!("edge"), &json!(LIMIT_BYTES + 1)));
        assert_eq!(resolved["status"], "resolved");
        assert_eq!(received[1].id(), format!("{}-resolved", received[0].id()));
        assert_eq!(received.len(), 2, "{received:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sink_is_told_once_that_it_fires_and_once_that_it_is_over_embedded() -> Result<()> {
    is_told_once("embedded", 1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sink_is_told_once_that_it_fires_and_once_that_it_is_over_two_routers_redis() -> Result<()> {
    let redis = RedisServer::start().await?;
    is_told_once(&redis.url(), 2).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_fails_three_times_is_told_with_the_same_id() -> Result<()> {
    let busy = [503, 429, 500].map(Answer::Status);
    let receiver = Receiver::start(&busy).await?;
    let router = start("", &hook("hook", &receiver), "embedded").await?;
    offend(&router).await?;
    let received = receiver.wait_for(4).await;
    told(&router, "hook").await;
    assert_eq!(receiver.received().len(), 4);
    assert!(received.iter().all(|one| one.id() == received[0].id() && one.body == received[0].body), "{received:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_notice_is_a_dead_letter_and_a_replay_tells_only_those_who_lack_it() -> Result<()> {
    let (refusing, other) = (Receiver::start(&[Answer::Status(410)]).await?, Receiver::start(&[]).await?);
    let router = start("", &(hook("hook", &refusing) + &hook("other", &other)), "embedded").await?;
    offend(&router).await?;
    let letter = eventually("a dead letter", async || {
        let dead = router.get("/v1/alerts/dead").await?;
        dead.as_array().and_then(|letters| letters.first().cloned()).context("none")
    })
    .await;
    assert_eq!((&letter["sink"], &letter["attempts"]), (&json!("hook"), &json!(1)), "{letter}");
    let (status, shown, _) = sluice(&["alerts", "dead", "--admin", &router.admin]).await?;
    assert!(status == 0 && shown.contains("it answers 410"), "{shown}");

    let entry = letter["entry"].as_str().context("an entry")?;
    let (status, shown, complaint) = sluice(&["alerts", "replay", entry, "--admin", &router.admin]).await?;
    assert_eq!(status, 0, "{shown}{complaint}");
    let received = refusing.wait_for(2).await;
    assert_eq!(received[0].id(), received[1].id());
    told(&router, "hook").await;
    assert_eq!(other.received().len(), 1, "who has it is not told again");
    let dead = router.get("/v1/alerts/dead").await?;
    assert_eq!(dead, json!([]));
    let metrics = client::http().get(format!("{}/metrics", router.admin)).send().await?.text().await?;
    assert!(metrics.contains("sluice_alert_notices_dead_total{sink=\"hook\"} 1"), "{metrics}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_never_answers_delays_no_other() -> Result<()> {
    let (silent, quick) = (Receiver::start(&[Answer::Silence; 8]).await?, Receiver::start(&[]).await?);
    let router = start("", &(hook("silent", &silent) + &hook("quick", &quick)), "embedded").await?;
    offend(&router).await?;
    silent.wait_for(1).await;
    quick.wait_for(1).await;
    told(&router, "quick").await;
    let alerts = router.get("/v1/alerts").await?;
    assert_ne!(alerts[0]["deliveries"]["silent"]["state"], "told");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_that_is_killed_between_send_and_note_sends_the_same_id_again() -> Result<()> {
    let receiver = Receiver::start(&[Answer::Silence]).await?;
    let mut router = start("", &hook("hook", &receiver), "embedded").await?;
    offend(&router).await?;
    receiver.wait_for(1).await;
    router.process.signal("KILL").await?;
    router.process.wait().await?;
    router.restart().await?;
    let received = eventually_within(REDELIVERY, "the notice comes again", async || {
        let received = receiver.received();
        ensure!(received.len() >= 2, "{}", received.len());
        Ok(received)
    })
    .await;
    assert_eq!(received[0].id(), received[1].id());
    told(&router, "hook").await;
    assert_eq!(receiver.received().len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_raised_while_the_store_is_away_is_told_after_it_heals() -> Result<()> {
    let mut redis = RedisServer::start().await?;
    let receiver = Receiver::start(&[]).await?;
    let router = start("", &hook("hook", &receiver), &redis.url()).await?;
    redis.process.terminate().await?;
    offend(&router).await?;
    spooled(&router).await;
    redis.restart().await?;
    receiver.wait_for(1).await;
    told(&router, "hook").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_raised_while_the_store_is_away_outlives_a_restart() -> Result<()> {
    let mut redis = RedisServer::start().await?;
    let receiver = Receiver::start(&[]).await?;
    let mut router = start("", &hook("hook", &receiver), &redis.url()).await?;
    redis.process.terminate().await?;
    offend(&router).await?;
    spooled(&router).await;
    router.process.signal("KILL").await?;
    router.process.wait().await?;
    // What a crash leaves in the middle of a line does not matter.
    let file = router.path("data/spool/alerts.jsonl");
    std::fs::write(&file, std::fs::read_to_string(&file)? + "{\"id\":\"half")?;
    router.restart().await?;
    router.fault("spool/alerts.jsonl").await;
    redis.restart().await?;
    receiver.wait_for(1).await;
    told(&router, "hook").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_while_the_store_is_away_counts_after_a_restart_and_reaches_the_store() -> Result<()> {
    let mut redis = RedisServer::start().await?;
    let mut router = Setup::new(DEMO_POLICY, &redis.url())?.start().await?;
    eventually("the rollout runs", async || {
        let rollout = router.get("/v1/rollouts/demo").await?;
        ensure!(rollout["state"] == "running", "{rollout}");
        let kept = std::fs::read_to_string(router.path("data/store.json"))?;
        ensure!(kept.contains("demo"), "what the store said is not on disk yet: {kept}");
        Ok(())
    })
    .await;
    redis.process.terminate().await?;
    offend(&router).await?;
    let aborted = async |router: &Router, pending: u64| {
        eventually("the rollout is aborted", async || {
            let rollout = router.get("/v1/rollouts/demo").await?;
            ensure!(
                (&rollout["state"], &rollout["pending_aborts"]) == (&json!("aborted"), &json!(pending)),
                "{rollout}"
            );
            Ok(())
        })
        .await;
    };
    aborted(&router, 1).await;
    eventually("the abort is on disk", async || {
        let spool = std::fs::read_to_string(router.path("data/spool/aborts.jsonl"))?;
        ensure!(spool.contains("\"demo\""), "{spool}");
        Ok(())
    })
    .await;
    router.process.signal("KILL").await?;
    router.process.wait().await?;
    router.restart().await?;
    aborted(&router, 1).await;
    redis.restart().await?;
    aborted(&router, 0).await;
    Ok(())
}

/// Waits until an alert lies on disk.
async fn spooled(router: &Router) {
    eventually("the alert is on the spool", async || {
        let spool = std::fs::read_to_string(router.path("data/spool/alerts.jsonl"))?;
        ensure!(spool.contains("upload-size"), "{spool}");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silenced_alert_is_listed_and_not_told() -> Result<()> {
    let receiver = Receiver::start(&[]).await?;
    let router = start("[alerts.upload-size]\nkeep_firing = \"1s\"\n", &hook("hook", &receiver), "embedded").await?;
    let arguments = ["alerts", "silence", "--rule", "upload-size", "--for", "1h", "--admin", &router.admin];
    let (status, shown, complaint) = sluice(&arguments).await?;
    assert_eq!(status, 0, "{shown}{complaint}");
    offend(&router).await?;
    eventually("both are silenced", async || {
        let alerts = router.get("/v1/alerts").await?;
        let silenced = |alert: &Value| alert["silenced"] == true;
        ensure!(alerts.as_array().is_some_and(|alerts| alerts.len() == 2 && alerts.iter().all(silenced)), "{alerts}");
        Ok(())
    })
    .await;
    assert!(receiver.received().is_empty());
    let silences = router.get("/v1/alerts/silences").await?;
    let id = silences[0]["id"].as_str().context("an id")?.to_owned();
    let (status, _, complaint) = sluice(&["alerts", "unsilence", &id, "--admin", &router.admin]).await?;
    assert_eq!(status, 0, "{complaint}");
    assert_eq!(router.get("/v1/alerts/silences").await?, json!([]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_of_errors_fires_after_its_time_and_resolves() -> Result<()> {
    let receiver = Receiver::start(&[]).await?;
    let rule = "[alerts.many-errors]\nmetric = \"error_rate\"\nroute = \"app\"\nabove = 50.0\nmin_samples = 5\n\
                for = \"2s\"\nkeep_firing = \"1s\"\n";
    let router = start(rule, &hook("hook", &receiver), "embedded").await?;
    // Nobody serves the route, so each request is an error.
    eventually("it fires", async || {
        client::http().get(format!("{}/", router.edge)).send().await?;
        let received = receiver.received();
        ensure!(!received.is_empty(), "no notice yet");
        Ok(())
    })
    .await;
    let received = receiver.wait_for(2).await;
    let (firing, resolved) = (received[0].notice()?, received[1].notice()?);
    assert_eq!((&firing["rule"], &firing["route"]), (&json!("many-errors"), &json!("app")));
    assert!(firing["message"].as_str().is_some_and(|text| text.contains("error_rate of route app")), "{firing}");
    assert_eq!(
        (&resolved["status"], received[1].id()),
        (&json!("resolved"), &*format!("{}-resolved", received[0].id()))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sinks_are_tried_out_and_a_rule_that_names_none_of_them_is_a_fault() -> Result<()> {
    let (fine, broken) = (Receiver::start(&[]).await?, Receiver::start(&[Answer::Status(404)]).await?);
    let rule = "[alerts.upload-size]\nsinks = [\"pager\"]\n";
    let router = start(rule, &(hook("broken", &broken) + &hook("fine", &fine)), "embedded").await?;
    router.fault("`pager`").await;
    let tried = post(&router, "/v1/alerts/test", json!({})).await?;
    assert_eq!(
        (&tried[0]["sink"], &tried[0]["ok"], &tried[0]["retryable"]),
        (&json!("broken"), &json!(false), &json!(false))
    );
    assert_eq!((&tried[1]["sink"], &tried[1]["ok"]), (&json!("fine"), &json!(true)), "{tried}");
    assert_eq!(fine.received()[0].notice()?["rule"], "test");
    let (status, shown, _) = sluice(&["alerts", "test", "fine", "--admin", &router.admin]).await?;
    assert!(status == 0 && shown.contains("took it"), "{shown}");
    assert!(post(&router, "/v1/alerts/test", json!({"sink": "pager"})).await.is_err());
    offend(&router).await?;
    only_alert(&router).await;
    Ok(())
}
