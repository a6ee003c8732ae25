//! Bytes of request bodies as plugins are shown them, over both protocols.

use bytes::Bytes;
use sluice_snapshot::plugin::Phase;

use crate::client::eventually;
use crate::h2client::{H2Client, post, send};
use crate::misbehaviour::hostile_policy;
use crate::origin::{Origin, Plan};
use crate::router::Router;

const BODY_BYTES: usize = 300_000;

fn body() -> Vec<u8> {
    (0..BODY_BYTES).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

fn sized(body: &[u8]) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn chunked(body: &[u8], trailers: &str) -> Vec<u8> {
    let mut wire = b"POST / HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(7_001) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    wire
}

async fn before(origin: &Origin, act: &str, keys: &str) -> Router {
    Router::start(&hostile_policy(origin, act, keys))
}

fn shown(router: &Router) -> u64 {
    router.plugin(0).stats.counters().get("bytes").copied().unwrap_or_default()
}

#[tokio::test]
async fn every_byte_is_shown_once_and_reaches_the_server() {
    let origin = Origin::echo().await;
    let router = before(&origin, "count-chunks", "").await;
    let mut client = router.client().await;
    let wires = [sized(&body()), chunked(&body(), ""), chunked(&body(), "x-sum: 1\r\n")];
    for (turn, wire) in wires.iter().enumerate() {
        assert_eq!(client.ask(wire).await.body, body(), "turn {turn}");
        assert_eq!(shown(&router), BODY_BYTES as u64 * (turn as u64 + 1), "turn {turn}");
    }
    let client = H2Client::connect(router.address).await;
    let mut request = post("/");
    request.headers_mut().insert("x-hostile", "1".parse().unwrap());
    assert_eq!(client.ask(request, Some(body())).await.unwrap().body, body());
    assert_eq!(shown(&router), BODY_BYTES as u64 * 4);
}

#[tokio::test]
async fn the_last_chunk_is_told_whatever_ends_the_body() {
    let origin = Origin::echo().await;
    let router = before(&origin, "respond-in-last-chunk", "").await;
    let bytes = format!("{BODY_BYTES} bytes\n");
    for wire in [sized(&body()), chunked(&body(), ""), chunked(&body(), "x-sum: 1\r\n")] {
        let reply = router.client().await.ask(wire).await;
        assert_eq!((reply.status, reply.text()), (418, &*bytes));
    }
    let client = H2Client::connect(router.address).await;
    let mut request = post("/");
    request.headers_mut().insert("x-hostile", "1".parse().unwrap());
    let (response, mut stream) = client.open(request, false).await.unwrap();
    send(&mut stream, body()).await.unwrap();
    let reply = crate::h2client::read(response.await.unwrap()).await.unwrap();
    assert_eq!((reply.status, reply.text()), (418, &*bytes));
    assert!(origin.requests().is_empty(), "no whole upload arrived");
}

#[tokio::test]
async fn sight_ends_at_the_limit_of_the_policy() {
    let origin = Origin::echo().await;
    let at = |bytes: usize| format!("limits = {{ body = \"{bytes}B\" }}");
    for (limit, told) in [(BODY_BYTES, BODY_BYTES), (BODY_BYTES - 1, BODY_BYTES - 1), (10, 10)] {
        let router = before(&origin, "respond-in-last-chunk", &at(limit)).await;
        let reply = router.client().await.ask(chunked(&body(), "")).await;
        assert_eq!((reply.status, reply.text()), (418, &*format!("{told} bytes\n")), "{limit}");
        let router = before(&origin, "count-chunks", &at(limit)).await;
        assert_eq!(router.client().await.ask(sized(&body())).await.body, body(), "what is not shown goes through");
        assert_eq!(shown(&router), told as u64);
    }
}

#[tokio::test]
async fn a_body_without_a_byte_is_not_shown() {
    let origin = Origin::echo().await;
    let router = before(&origin, "trap-in-body-chunk", "").await;
    for wire in [sized(b""), chunked(b"", "")] {
        assert_eq!(router.client().await.ask(wire).await.status, 200);
    }
    assert_eq!(router.plugin(0).stats.calls(Phase::BodyChunk), 0);
}

#[tokio::test]
async fn one_that_has_seen_enough_is_shown_nothing_more() {
    let origin = Origin::echo().await;
    let router = before(&origin, "done-after-one-chunk", "").await;
    let mut client = router.client().await;
    for turn in 1..=2 {
        let reply = client.ask(chunked(&body(), "")).await;
        assert_eq!(reply.body, body());
        assert_eq!(router.plugin(0).stats.calls(Phase::BodyChunk), turn, "once for each request");
        let decision = router.shared.traffic.decisions().find(reply.header("x-sluice-request-id").unwrap()).unwrap();
        assert!(decision.steps.iter().any(|step| step.verdict.as_str() == "done"), "{:?}", decision.steps);
    }
}

#[tokio::test]
async fn an_answer_in_the_middle_of_a_body_ends_the_upload() {
    let origin = Origin::echo().await;
    let router = before(&origin, "respond-in-body-chunk", "").await;
    let mut client = router.client().await;
    // The rest never comes: the answer does.
    client.send("POST / HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\ncontent-length: 100\r\n\r\nfirst").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text(), reply.header("connection")), (418, "short and stout\n", Some("close")));
    let client = H2Client::connect(router.address).await;
    let mut request = post("/");
    request.headers_mut().insert("x-hostile", "1".parse().unwrap());
    let (response, mut stream) = client.open(request, false).await.unwrap();
    stream.send_data(Bytes::from_static(b"first"), false).unwrap();
    assert_eq!(crate::h2client::read(response.await.unwrap()).await.unwrap().text(), "short and stout\n");
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn a_fault_in_the_middle_of_a_body_ends_it_or_the_sight() {
    let origin = Origin::echo().await;
    let router = before(&origin, "trap-in-body-chunk", "").await;
    assert_eq!(router.client().await.ask(chunked(&body(), "")).await.status, 503);
    let router = before(&origin, "trap-in-body-chunk", "on_failure = \"open\"").await;
    assert_eq!(router.client().await.ask(chunked(&body(), "")).await.body, body());
    assert_eq!(router.plugin(0).stats.calls(Phase::BodyChunk), 1, "a fresh instance is not shown the rest");
}

#[tokio::test]
async fn a_retry_shows_nothing_twice() {
    let origin = Origin::start(|request| if request.place == 0 { Plan::close(b"") } else { Plan::ok("ok") }).await;
    let router = before(&origin, "count-chunks", "").await;
    let mut client = router.client().await;
    let put = "PUT / HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\ncontent-length: 5\r\n\r\nhello";
    client.ask(put).await;
    assert_eq!(shown(&router), 5);
    eventually("the origin has seen it", || !origin.requests().is_empty()).await;
}
