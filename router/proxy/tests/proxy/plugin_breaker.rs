//! The breaker over the wire: quarantine, probe, and what is told of both.

use sluice_snapshot::plugin::BreakerState;

use crate::client::{Client, eventually};
use crate::loading::supply;
use crate::misbehaviour::{PROVOCATION, hostile_policy, provoke};
use crate::origin::Origin;
use crate::router::{Router, now_ms};

/// A quarantine that a test waits for.
const SHORT: &str = "breaker = { failures = 2, open = \"50ms\", open_max = \"100ms\" }";
/// One that no test sees the end of.
const LONG: &str = "breaker = { failures = 2, open = \"1h\", open_max = \"1h\" }";

async fn fail_twice(client: &mut Client) {
    assert_eq!((provoke(client).await.status, provoke(client).await.status), (503, 503));
}

fn is_due(router: &Router) -> bool {
    matches!(router.plugin(0).breaker.state(now_ms()), BreakerState::Quarantined { until_ms, .. } if until_ms <= now_ms())
}

#[tokio::test]
async fn a_quarantined_plugin_is_not_called_and_its_requests_are_refused() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&hostile_policy(&origin, "trap-in-request", LONG));
    let supply = supply(&router);
    let mut client = router.client().await;
    fail_twice(&mut client).await;
    let calls = router.plugin(0).stats.report().calls["request"];
    let reply = client.get("/").await;
    assert_eq!(reply.status, 503, "a request that it would pass is refused too");
    assert_eq!(router.plugin(0).stats.report().calls["request"], calls);
    let id = reply.header("x-sluice-request-id").unwrap();
    let decision = router.shared.traffic.decisions().find(id).unwrap();
    assert_eq!((decision.facts.reason, decision.steps[0].cause), (Some("plugin_failed"), Some("quarantined")));
    eventually("it is told", || supply.quarantines().len() == 1).await;
    let (name, reason) = supply.quarantines().remove(0);
    assert!(name == "hostile" && reason.contains("trapped as told"), "{reason}");
}

#[tokio::test]
async fn a_quarantined_plugin_may_be_left_out() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&hostile_policy(&origin, "trap-in-request", &format!("on_failure = \"open\"\n{LONG}")));
    let _supply = supply(&router);
    let mut client = router.client().await;
    for _ in 0..10 {
        assert_eq!(provoke(&mut client).await.text(), "ok");
    }
    assert_eq!(router.plugin(0).stats.faults()["quarantined"], 17, "two phases of each request, and one of the second");
}

#[tokio::test]
async fn a_probe_that_succeeds_brings_it_back() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&hostile_policy(&origin, "trap-in-request", SHORT));
    let _supply = supply(&router);
    let mut client = router.client().await;
    fail_twice(&mut client).await;
    eventually("the quarantine is over", || is_due(&router)).await;
    assert_eq!(provoke(&mut client).await.status, 503, "a probe that fails");
    assert_eq!(router.plugin(0).stats.faults()["trap"], 3);
    eventually("the next one is over", || is_due(&router)).await;
    assert_eq!(client.get("/").await.status, 200, "a probe that succeeds");
    assert_eq!(router.plugin(0).breaker.state(now_ms()), BreakerState::Closed);
    assert_eq!(router.plugin(0).breaker.openings(), 2);
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn one_worker_s_failures_keep_all_of_them_from_it_and_one_probe_tries() {
    let origin = Origin::saying("ok").await;
    let mut settings = crate::router::settings();
    settings.workers = 2;
    let router = Router::start_with(&hostile_policy(&origin, "trap-in-request", SHORT), settings);
    let _supply = supply(&router);
    fail_twice(&mut router.client().await).await;
    eventually("the quarantine is over", || is_due(&router)).await;
    let traps = router.plugin(0).stats.faults()["trap"];
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(router.client().await);
    }
    for client in &mut clients {
        client.send(PROVOCATION).await;
    }
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 503);
    }
    let openings = u64::from(router.plugin(0).breaker.openings());
    let traps = router.plugin(0).stats.faults()["trap"] - traps;
    assert_eq!(traps, openings - 1, "each quarantine ended with one probe");
}

#[tokio::test]
async fn a_plugin_that_fails_in_one_phase_only_is_quarantined_too() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&hostile_policy(&origin, "trap-in-response", LONG));
    let _supply = supply(&router);
    let mut client = router.client().await;
    fail_twice(&mut client).await;
    assert_eq!(client.get("/").await.status, 503);
    assert_eq!(router.plugin(0).breaker.openings(), 1);
}
