//! What is kept of requests for `sluice why`.

use sluice_model::rollout::Rollout;
use sluice_model::weight::BasisPoints;
use sluice_snapshot::Decision;
use sluice_snapshot::decisions::{Outcome, VariantBy, Verdict};

use crate::client::{Reply, eventually};
use crate::origin::Origin;
use crate::router::{Router, everything_to};

/// What became of the request that got this reply.
async fn decision(router: &Router, reply: &Reply) -> Decision {
    let id = reply.header("x-sluice-request-id").unwrap();
    let decisions = router.shared.traffic.decisions();
    eventually("the request is over", || decisions.find(id).is_some()).await;
    decisions.find(id).unwrap()
}

/// A route with a rollout at this weight, and the canary plugin if `chain` names it.
fn rollout(stable: &Origin, canary: &str, chain: &str, percent: f64) -> Router {
    let router = Router::start(&format!(
        r#"
[upstreams.stable]
servers = ["{}"]
[upstreams.canary]
servers = ["{canary}"]
[rollouts.demo]
key = ["header:x-user"]
stable = "stable"
canary = "canary"
variants = {{ stable = "stable", canary = "canary" }}
initial = {percent:.1}
[plugins.canary]
file = "canary.wasm"
grants = {{ state = ["rollout:demo"] }}
config = {{ rollout = "demo" }}
[[routes]]
name = "app"
rollout = "demo"
plugins = [{chain}]
to = "stable"
"#,
        stable.address
    ));
    let weight = BasisPoints::from_percent(percent).unwrap();
    router.cells.find_rollout("demo").unwrap().apply(Rollout::initial(weight, "salt".to_owned(), "test", 0));
    router
}

async fn ask(router: &Router) -> Decision {
    let reply = router.client().await.ask("GET /cats?q=1 HTTP/1.1\r\nhost: test\r\nx-user: tom\r\n\r\n").await;
    decision(router, &reply).await
}

#[tokio::test]
async fn a_plugin_that_chose_the_variant_is_named() {
    let (stable, canary) = (Origin::saying("stable").await, Origin::saying("canary").await);
    let router = rollout(&stable, &canary.address.to_string(), "\"canary\"", 100.0);
    let decision = ask(&router).await;
    let facts = &decision.facts;
    assert_eq!((facts.route.as_deref(), facts.variant.as_deref()), (Some("app"), Some("canary")));
    assert_eq!((facts.variant_by, facts.upstream.as_deref()), (Some(VariantBy::Plugin), Some("canary")));
    assert_eq!((facts.host.as_deref(), facts.path.as_deref()), (Some("test"), Some("/cats")));
    let step = &decision.steps[0];
    assert_eq!((&*step.plugin, step.verdict, step.variant.as_deref()), ("canary", Verdict::Variant, Some("canary")));
    let attempt = &decision.attempts[0];
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Answered, Some(200)));
    assert_eq!(attempt.server, canary.address.to_string());
}

#[tokio::test]
async fn an_aborted_rollout_and_a_dead_canary_are_named() {
    let stable = Origin::saying("stable").await;
    let dead = rollout(&stable, "127.0.0.1:1", "\"canary\"", 100.0);
    let decision = ask(&dead).await;
    assert_eq!(decision.facts.variant_by, Some(VariantBy::NoCanaryLives), "{decision:?}");
    assert_eq!(decision.facts.upstream.as_deref(), Some("stable"));
    let failed = &decision.attempts[0];
    assert_eq!((failed.outcome, failed.reason), (Outcome::Failed, Some("connection_refused")));

    let weighted = rollout(&stable, "127.0.0.1:1", "", 0.0);
    assert_eq!(ask(&weighted).await.facts.variant_by, Some(VariantBy::Weight));
}

#[tokio::test]
async fn a_plugin_that_answered_and_a_request_without_a_route_are_kept() {
    let origin = Origin::saying("hello").await;
    let policy = everything_to(&[&origin]).replace(
        "to = \"app\"",
        "to = \"app\"\nhosts = [\"test\"]\nplugins = [\"gate\"]\n[plugins.gate]\nfile = \"feature-flags.wasm\"\n\
         grants = { state = [\"flag:featureFlags\"] }\n\
         config = { gates = [{ flag = \"featureFlags\", paths = [\"/set\"] }] }",
    );
    let router = Router::start(&policy);
    let mut client = router.client().await;
    let refused = decision(&router, &client.get("/set").await).await;
    assert_eq!((refused.facts.reason, refused.facts.status), (Some("plugin_response"), Some(404)));
    assert_eq!((&*refused.steps[0].plugin, refused.steps[0].verdict), ("gate", Verdict::Respond));
    assert!(refused.attempts.is_empty() && refused.facts.upstream.is_none());

    let reply = client.ask("GET / HTTP/1.1\r\nhost: elsewhere\r\n\r\n").await;
    let lost = decision(&router, &reply).await;
    assert_eq!((lost.facts.reason, &lost.facts.route), (Some("no_route"), &None));
    let recent = router.shared.traffic.decisions().recent(1);
    assert_eq!(recent, [lost]);
}
