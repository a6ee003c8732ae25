//! `Server-Timing`: who is told what the chain said.

use sluice_model::weight::BasisPoints;
use sluice_policy::ChainTrace;

use crate::misbehaviour::hostile_policy;
use crate::origin::Origin;
use crate::router::{Router, settings};

const ASKING: &str = "GET / HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\nx-sluice-trace: chain\r\n\r\n";

async fn router(act: &str, trace: ChainTrace) -> (Router, Origin) {
    let origin = Origin::saying("ok").await;
    let mut settings = settings();
    settings.chain_trace = trace;
    (Router::start_with(&hostile_policy(&origin, act, ""), settings), origin)
}

fn asked_from(networks: &[&str]) -> ChainTrace {
    ChainTrace {
        sample: BasisPoints::ZERO,
        ask_from: networks.iter().map(|network| network.parse().unwrap()).collect(),
    }
}

#[tokio::test]
async fn a_client_that_may_ask_is_told_each_call() {
    let (router, origin) = router("edit", asked_from(&["127.0.0.0/8"])).await;
    let mut client = router.client().await;
    let reply = client.ask(ASKING).await;
    let timing = reply.header("server-timing").unwrap();
    let entries: Vec<Vec<&str>> = timing.split(", hostile-").map(|entry| entry.split(';').collect()).collect();
    assert_eq!((entries[0][0], entries[1][0], entries.len()), ("hostile-request", "response", 2), "{timing}");
    for entry in &entries {
        let took: f64 = entry[1].strip_prefix("dur=").unwrap().parse().unwrap();
        assert!(took > 0.0 && entry[2] == "desc=\"next, 2 edits\"", "{timing}");
    }
    assert_eq!(origin.request().header("x-sluice-trace"), None);
    assert_eq!(client.get("/").await.header("server-timing"), None, "who does not ask is told nothing");
}

#[tokio::test]
async fn a_failure_is_told_with_its_cause() {
    let (router, _origin) = router("trap-in-request", asked_from(&["127.0.0.0/8"])).await;
    let reply = router.client().await.ask(ASKING).await;
    assert!(reply.header("server-timing").unwrap().ends_with("desc=\"failed: trap\""), "{reply:?}");
}

#[tokio::test]
async fn who_may_not_ask_is_told_nothing() {
    for trace in [ChainTrace::default(), asked_from(&["10.0.0.0/8"])] {
        let (router, origin) = router("nothing", trace).await;
        assert_eq!(router.client().await.ask(ASKING).await.header("server-timing"), None);
        assert_eq!(origin.request().header("x-sluice-trace"), None);
    }
}

#[tokio::test]
async fn a_sample_is_told_to_whoever_asked_the_request() {
    let sample = BasisPoints::FULL;
    let (router, _origin) = router("nothing", ChainTrace { sample, ask_from: Vec::new() }).await;
    let reply = router.client().await.get("/").await;
    assert!(reply.header("server-timing").unwrap().starts_with("hostile-request;dur="), "{reply:?}");
}
