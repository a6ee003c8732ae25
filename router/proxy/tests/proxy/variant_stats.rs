//! What is counted of the variants of a rollout: the variant that served counts, whatever was meant before.

use sluice_model::alert::AlertId;
use sluice_model::rollout::Rollout;
use sluice_model::stats::VariantStats;
use sluice_model::weight::BasisPoints;

use crate::client::eventually;
use crate::misbehaviour::provoke;
use crate::origin::{Origin, Plan};
use crate::router::Router;

async fn rollout(canary: &Origin) -> (Router, Origin) {
    let stable = Origin::saying("stable").await;
    let router = Router::start(&format!(
        r#"
[upstreams.stable]
servers = ["{}"]
[upstreams.canary]
servers = ["{}"]
[rollouts.demo]
key = ["client-address"]
stable = "stable"
canary = "canary"
variants = {{ stable = "stable", canary = "canary" }}
initial = 100.0
[plugins.counting]
file = "hostile.wasm"
config = {{ do = "count", when = "x-hostile", above = 10 }}
grants = {{ state = ["*"], counters = true, alerts = true, abort = true, tags = true }}
[plugins.canary]
file = "canary.wasm"
grants = {{ state = ["rollout:demo"] }}
config = {{ rollout = "demo" }}
[[routes]]
name = "app"
rollout = "demo"
plugins = ["counting", "canary"]
to = "stable"
"#,
        stable.address, canary.address
    ));
    let rollout = Rollout::initial(BasisPoints::FULL, "salt".to_owned(), "test", 0);
    router.cells.find_rollout("demo").unwrap().apply(rollout);
    (router, stable)
}

fn figures(router: &Router, variant: &str) -> VariantStats {
    router.shared.traffic.rollout_stats("demo").remove(variant).unwrap_or_default()
}

#[tokio::test]
async fn counters_of_plugins_belong_to_the_variant_that_served() {
    let canary = Origin::saying("canary").await;
    let (router, _stable) = rollout(&canary).await;
    let mut client = router.client().await;
    assert_eq!(provoke(&mut client).await.text(), "canary");
    assert_eq!(provoke(&mut client).await.text(), "canary");
    eventually("both are counted", || figures(&router, "canary").requests == 2).await;
    // Counted before a variant was chosen, and the plugin behind it says canary; but stable serves.
    router.cells.find_rollout("demo").unwrap().abort(&AlertId::derive(&["one"]), "test");
    assert_eq!(provoke(&mut client).await.text(), "stable");
    eventually("it is counted", || figures(&router, "stable").requests == 1).await;
    let counted = |variant| figures(&router, variant).counters.get("counting/requests").copied();
    assert_eq!((counted("canary"), counted("stable")), (Some(2), Some(1)));
    assert_eq!(router.plugin(1).stats.report().counters["requests"], 3, "the plugin's own counter has all of them");
}

#[tokio::test]
async fn a_response_that_breaks_off_is_an_error_of_its_variant() {
    let canary = Origin::start(|_| Plan::close("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")).await;
    let (router, _stable) = rollout(&canary).await;
    let reply = router.client().await.get("/").await;
    assert_eq!((reply.status, reply.is_truncated), (200, true));
    eventually("it is counted", || figures(&router, "canary").requests == 1).await;
    assert_eq!(figures(&router, "canary").errors, 1);
}
