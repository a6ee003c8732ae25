//! Mirrors: they get copies, and whatever they do, the request does not notice.

use std::sync::atomic::{AtomicU64, Ordering};

use sluice_snapshot::traffic::WorkerTraffic;

use crate::client::eventually;
use crate::origin::{Origin, read_head};
use crate::router::{Router, everything_to};

fn mirroring(origin: &Origin, mirror: &Origin, percent: &str) -> String {
    let route = format!("mirror = [{{ upstream = \"mirror\", percent = {percent} }}]\n");
    let upstream = format!("[upstreams.mirror]\nservers = [\"{}\"]\n", mirror.address);
    format!("{}{route}{upstream}", everything_to(&[origin]))
}

fn count(router: &Router, counter: impl Fn(&WorkerTraffic) -> &AtomicU64) -> u64 {
    router.shared.traffic.workers().iter().map(|worker| counter(worker).load(Ordering::Relaxed)).sum()
}

fn mirrored(router: &Router) -> u64 {
    count(router, |worker| &worker.mirrored)
}

fn failed(router: &Router) -> u64 {
    count(router, |worker| &worker.mirrors_dropped)
}

/// Reads heads and never answers.
async fn silent() -> Origin {
    Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_head(&mut stream, &mut buffer).await.is_some() {}
    })
    .await
}

#[tokio::test]
async fn a_mirror_gets_the_request_as_the_server_gets_it() {
    let (origin, mirror) = (Origin::saying("ok").await, Origin::saying("who cares").await);
    let edits = "request_headers = { set = { x-set = \"1\" } }\nrewrite = { path = \"/new\" }\n";
    let policy = mirroring(&origin, &mirror, "100.0").replace("to = \"app\"\n", &format!("to = \"app\"\n{edits}"));
    let router = Router::start(&policy);
    let mut client = router.client().await;
    for request in [
        "POST /old?q HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody",
        "POST /old?q HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
        "GET /old?q HTTP/1.1\r\nhost: test\r\n\r\n",
    ] {
        assert_eq!(client.ask(request).await.text(), "ok");
    }
    eventually("three copies were answered", || mirrored(&router) == 3).await;
    assert_eq!(failed(&router), 0);
    let (sent, copied) = (origin.requests(), mirror.requests());
    for request in &sent {
        let id = request.header("x-sluice-request-id");
        let copy = copied.iter().find(|copy| copy.header("x-sluice-request-id") == id).unwrap();
        assert_eq!((copy.line(), &copy.body), (request.line(), &request.body));
        for name in ["host", "x-set", "content-length", "transfer-encoding", "x-forwarded-for"] {
            assert_eq!(copy.header(name), request.header(name), "{name}");
        }
    }
    assert_eq!(sent.len(), 3);
}

#[tokio::test]
async fn a_share_of_the_requests_is_copied() {
    let (origin, mirror) = (Origin::saying("ok").await, Origin::saying("ok").await);
    let router = Router::start(&mirroring(&origin, &mirror, "25.0"));
    let mut client = router.client().await;
    for _ in 0..400 {
        assert_eq!(client.get("/").await.status, 200);
    }
    // 100 are expected, with a deviation of 8.7; this is more than five of them.
    eventually("the copies were answered", || (50..150).contains(&mirrored(&router))).await;
    router.publish(&mirroring(&origin, &mirror, "0.0"));
    let before = mirror.requests().len();
    client.get("/").await;
    assert!(mirror.requests().len() <= before + 1, "at most a copy that was on its way");
}

#[tokio::test]
async fn b19_a_mirror_that_stands_still_or_is_gone_delays_nothing_and_holds_nothing() {
    let (origin, mirror) = (Origin::saying("ok").await, silent().await);
    let router = Router::start(&mirroring(&origin, &mirror, "100.0"));
    let mut client = router.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    eventually("requests are over while their copies are not", || router.in_flight() == 0).await;
    assert_eq!(failed(&router), 0);
    eventually("the copies are out", || mirror.connections() == 10).await;
    drop(mirror);
    eventually("the copies have failed", || failed(&router) == 10).await;
    assert_eq!(client.get("/").await.text(), "ok");
    eventually("nobody took the last copy", || failed(&router) == 11).await;
}

#[tokio::test]
async fn a_copy_that_falls_behind_is_broken_off_and_its_upload_is_not() {
    let origin = Origin::saying("ok").await;
    // Reads nothing: what its socket does not take waits in the router.
    let mirror = Origin::raw(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let router = Router::start(&mirroring(&origin, &mirror, "100.0"));
    let body = vec![b'x'; 40_000_000];
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len());
    let reply = router.client().await.ask([head.as_bytes(), &body].concat()).await;
    assert_eq!(reply.text(), "ok");
    assert_eq!(origin.request().body.len(), body.len());
    eventually("the copy was broken off", || failed(&router) == 1).await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_whole_at_a_mirror() {
    let (origin, mirror) = (Origin::saying("ok").await, Origin::saying("ok").await);
    let router = Router::start(&mirroring(&origin, &mirror, "100.0"));
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    eventually("the copy has begun", || mirror.connections() == 1).await;
    drop(client);
    eventually("the copy was broken off", || failed(&router) == 1).await;
    eventually("its connection is closed", || mirror.open_connections() == 0).await;
    assert!(mirror.requests().is_empty() && origin.requests().is_empty());
}

#[tokio::test]
async fn b26_a_drain_waits_for_no_copy() {
    let (origin, mirror) = (Origin::saying("ok").await, silent().await);
    let router = Router::start(&mirroring(&origin, &mirror, "100.0"));
    assert_eq!(router.client().await.get("/").await.text(), "ok");
    eventually("the copy is out", || mirror.connections() == 1).await;
    let began = std::time::Instant::now();
    let drain_max = router.settings.drain;
    router.proxy.drain().await;
    assert!(began.elapsed() < drain_max, "the deadline of the drain was needed");
}
