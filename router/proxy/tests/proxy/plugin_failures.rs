//! A plugin that fails: what becomes of its requests by cause, and of those after them.

use std::time::Duration;

use sluice_policy::FailurePolicy;

use crate::client::eventually;
use crate::loading::supply;
use crate::misbehaviour::{hostile_policy, provoke};
use crate::origin::Origin;
use crate::router::Router;

/// Enough to find a leak or a wait, few enough for an unoptimised host.
const TRAPS: u64 = 2_000;

#[tokio::test]
async fn each_cause_has_its_policy() {
    let origin = Origin::saying("ok").await;
    let policy =
        "on_failure = { closed = 502, trap = { closed = 500 }, deadline = { closed = 504 }, memory = \"open\" }";
    for (act, status, cause) in [
        ("trap-in-request", 500, "trap"),
        ("nonsense-verdict", 500, "verdict"),
        ("path-not-normal", 500, "verdict"),
        ("spin-in-request", 504, "deadline"),
        ("hoard-memory", 200, "memory"),
    ] {
        let router = Router::start(&hostile_policy(&origin, act, policy));
        assert_eq!(provoke(&mut router.client().await).await.status, status, "{act}");
        assert_eq!(router.plugin(0).stats.faults().into_iter().collect::<Vec<_>>(), [(cause, 1)], "{act}");
    }
}

#[tokio::test]
async fn without_a_breaker_each_trap_costs_its_own_request() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&hostile_policy(&origin, "trap-in-request", "breaker = false"));
    let supply = supply(&router);
    let mut client = router.client().await;
    for turn in 0..TRAPS {
        assert_eq!(provoke(&mut client).await.status, 503, "turn {turn}");
        if turn % 10 == 0 {
            assert_eq!(client.get("/").await.status, 200, "turn {turn}: the next request waits for its instance");
        }
    }
    assert_eq!(router.plugin(0).stats.faults().into_iter().collect::<Vec<_>>(), [("trap", TRAPS)]);
    assert_eq!(router.plugin(0).breaker.openings(), 0);
    assert!(supply.quarantines().is_empty());
}

#[tokio::test]
async fn with_a_breaker_traps_in_a_row_are_few() {
    let origin = Origin::saying("ok").await;
    let keys = "breaker = { failures = 5, open = \"1h\", open_max = \"1h\" }";
    let router = Router::start(&hostile_policy(&origin, "trap-in-request", keys));
    let supply = supply(&router);
    let mut client = router.client().await;
    for turn in 0..TRAPS {
        assert_eq!(provoke(&mut client).await.status, 503, "turn {turn}");
    }
    let faults = router.plugin(0).stats.faults();
    assert_eq!(faults.into_iter().collect::<Vec<_>>(), [("quarantined", TRAPS - 5), ("trap", 5)]);
    eventually("one quarantine is told", || supply.quarantines().len() == 1).await;
}

#[tokio::test]
async fn an_instance_that_grows_is_replaced_between_requests() {
    let origin = Origin::saying("ok").await;
    let keys = "limits = { memory = \"16MiB\", memory_soft = \"3MiB\" }";
    let router = Router::start(&hostile_policy(&origin, "grow-slowly", keys));
    let supply = supply(&router);
    let mut client = router.client().await;
    // 128 KiB each: several times what one instance could hold.
    for turn in 0..400 {
        assert_eq!(provoke(&mut client).await.status, 200, "turn {turn}");
    }
    let report = router.plugin(0).stats.report();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert!(report.recycled >= 5, "{} recycled", report.recycled);
    assert!(report.memory_bytes_max < 4 << 20, "{} bytes", report.memory_bytes_max);
    assert!(supply.quarantines().is_empty());
}

#[tokio::test]
async fn a_plugin_that_could_not_be_loaded_closes_or_is_left_out() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&hostile_policy(&origin, "respond", ""));
    let mut client = router.client().await;
    router.empty_seat(FailurePolicy::Open);
    assert_eq!(provoke(&mut client).await.text(), "ok");
    router.empty_seat(FailurePolicy::Closed { status: 507 });
    let reply = client.get("/").await;
    assert_eq!(reply.status, 507);
    let id = reply.header("x-sluice-request-id").unwrap();
    let decision = router.shared.traffic.decisions().find(id).unwrap();
    assert_eq!(decision.facts.reason, Some("plugin_failed"));
    assert_eq!((&*decision.steps[0].plugin, decision.steps[0].cause), ("hostile", Some("load")));
}

#[tokio::test]
async fn requests_are_counted_by_what_became_of_them() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&hostile_policy(&origin, "trap-in-response", "breaker = false"));
    let _supply = supply(&router);
    let mut client = router.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, 200);
        assert_eq!(provoke(&mut client).await.status, 503);
    }
    let report = || router.plugin(0).stats.report();
    eventually("all are counted", || report().requests == 6).await;
    let report = report();
    assert_eq!((report.requests_5xx, report.calls["request"], report.calls["response"]), (3, 6, 6));
    assert_eq!((report.verdicts["request"]["next"], report.verdicts["response"]["next"]), (6, 3));
    assert!(report.time["request"].samples > 0 && report.time["request"].p99_ns > 0, "{:?}", report.time);
    assert!(report.memory_bytes > 0 && Duration::from_nanos(report.time["request"].p50_ns) < Duration::from_secs(1));
}
