//! A new digest beside the one that serves: canary and shadow.

use sluice_policy::TrialMode;

use crate::client::eventually;
use crate::loading::supply;
use crate::misbehaviour::{provoke, two_digests};
use crate::origin::Origin;
use crate::router::Router;

#[tokio::test]
async fn a_canary_serves_its_share_in_all_phases() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&two_digests(&origin, "nothing", "edit-status"));
    let trial = router.begin_trial(TrialMode::Canary, 30.0);
    let mut client = router.client().await;
    let (mut candidates, rounds) = (0, 600);
    for _ in 0..rounds {
        let reply = provoke(&mut client).await;
        let is_candidate = reply.status == 299;
        candidates += u64::from(is_candidate);
        let decision = router.shared.traffic.decisions().find(reply.header("x-sluice-request-id").unwrap()).unwrap();
        assert!(
            decision.steps.iter().all(|step| step.digest.is_some() == is_candidate),
            "all phases go to one of them: {:?}",
            decision.steps
        );
    }
    assert!((130..230).contains(&candidates), "{candidates} of {rounds} at 30 %");
    let (old, new) = (router.plugin(0).stats.report(), trial.plugin.stats.report());
    assert_eq!((new.requests, new.calls["request"], new.calls["response"]), (candidates, candidates, candidates));
    assert_eq!((old.requests, old.calls["request"]), (rounds - candidates, rounds - candidates));
    assert_eq!(trial.comparisons.report(), sluice_snapshot::plugin::ComparisonReport::default());
}

#[tokio::test]
async fn a_canary_that_fails_is_judged_by_its_own_counters() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&two_digests(&origin, "nothing", "trap-in-request"));
    let _supply = supply(&router);
    let trial = router.begin_trial(TrialMode::Canary, 100.0);
    assert_eq!(provoke(&mut router.client().await).await.status, 503);
    assert_eq!(trial.plugin.stats.faults()["trap"], 1);
    assert!(router.plugin(0).stats.faults().is_empty());
    eventually("it is counted", || trial.plugin.stats.report().requests_5xx == 1).await;
}

#[tokio::test]
async fn a_shadow_is_compared_and_changes_nothing() {
    for (new, status, said) in [
        ("nothing", 200, None),
        ("respond", 200, Some("respond 418, 16 body bytes")),
        ("tag", 200, Some("next, tag hostile")),
        ("trap-in-request", 200, Some("failed: trap")),
        ("edit-status", 200, Some("next, status 299")),
    ] {
        let origin = Origin::saying("ok").await;
        let router = Router::start(&two_digests(&origin, "nothing", new));
        let trial = router.begin_trial(TrialMode::Shadow, 100.0);
        let reply = provoke(&mut router.client().await).await;
        assert_eq!((reply.status, reply.text(), reply.header("x-sluice-tag")), (status, "ok", None), "{new}");
        let report = || trial.comparisons.report();
        eventually("it is compared", || report().same + report().different == 1).await;
        assert_eq!(report().different, u64::from(said.is_some()), "{new}: {:?}", report());
        let differences = report().recent;
        assert_eq!(differences.first().map(|difference| &*difference.new), said, "{new}");
        if let Some(difference) = differences.first() {
            assert_eq!(
                (&*difference.old, Some(&*difference.request_id)),
                ("next", reply.header("x-sluice-request-id"))
            );
        }
        assert_eq!(router.plugin(0).stats.report().calls["request"], trial.plugin.stats.report().calls["request"]);
    }
}

#[tokio::test]
async fn what_counts_is_what_the_serving_one_says() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&two_digests(&origin, "respond", "nothing"));
    let trial = router.begin_trial(TrialMode::Shadow, 100.0);
    assert_eq!(provoke(&mut router.client().await).await.status, 418);
    eventually("it is compared", || trial.comparisons.report().different == 1).await;
    assert_eq!(trial.comparisons.report().recent[0].new, "next");
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn a_shadow_that_is_quarantined_is_not_compared() {
    let origin = Origin::saying("ok").await;
    let policy = two_digests(&origin, "nothing", "trap-in-request");
    let policy = policy
        .replace("[plugins.newer]", "[plugins.newer]\nbreaker = { failures = 1, open = \"1h\", open_max = \"1h\" }");
    let router = Router::start(&policy);
    let _supply = supply(&router);
    let trial = router.begin_trial(TrialMode::Shadow, 100.0);
    let mut client = router.client().await;
    for _ in 0..5 {
        assert_eq!(provoke(&mut client).await.text(), "ok");
    }
    assert_eq!(trial.plugin.stats.faults()["trap"], 1);
    eventually("the first is compared", || trial.comparisons.report().different == 1).await;
    // The requests of one client end one after the other.
    assert_eq!(trial.comparisons.report().same, 0, "what was not asked says nothing");
}

#[tokio::test]
async fn a_share_of_nothing_asks_nobody() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&two_digests(&origin, "nothing", "respond"));
    for mode in [TrialMode::Canary, TrialMode::Shadow] {
        let trial = router.begin_trial(mode, 0.0);
        assert_eq!(provoke(&mut router.client().await).await.text(), "ok");
        assert_eq!(trial.plugin.stats.report().calls["request"], 0);
    }
}
