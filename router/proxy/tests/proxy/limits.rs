//! Limits of a route: bodies, requests in flight, requests by rate.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::client::eventually;
use crate::origin::{Origin, read_head};
use crate::router::{Router, everything_to, settings};

fn limited(origin: &Origin, limits: &str) -> String {
    format!("{}limits = {limits}\n", everything_to(&[origin]))
}

#[tokio::test]
async fn a_declared_body_is_refused_before_it_is_asked_for() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&limited(&origin, "{ body = \"10B\" }"));
    let head = |bytes: usize| format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {bytes}\r\n");
    assert_eq!(router.client().await.ask(format!("{}\r\n0123456789", head(10))).await.status, 200);

    let mut client = router.client().await;
    client.send(format!("{}expect: 100-continue\r\n\r\n", head(11))).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (413, "413 body too large\n"), "and no 100 before it");
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(reply.header("proxy-status").unwrap().starts_with("sluice; error=http_request_error"));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn a_counted_body_is_stopped_at_the_first_byte_too_many() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&limited(&origin, "{ body = \"10B\" }"));
    let head = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole = format!("{head}4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n");
    assert_eq!(router.client().await.ask(whole).await.status, 200);

    let mut client = router.client().await;
    client.send(format!("{head}4\r\n0123\r\n7\r\n4567890\r\n")).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (413, Some("close")));
    assert_eq!(origin.requests().len(), 1, "never a whole request upstream");
    eventually("the connection upstream ends", || origin.open_connections() <= 1).await;
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn a_body_too_large_after_the_answer_began_breaks_it_off() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        if read_head(&mut stream, &mut buffer).await.is_some() {
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
            while read_head(&mut stream, &mut buffer).await.is_some() {}
        }
    })
    .await;
    let router = Router::start(&limited(&origin, "{ body = \"10B\" }"));
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\n").await;
    eventually("the server has the request", || origin.connections() == 1).await;
    client.send("8\r\n01234567\r\n").await;
    let reply = client.reply().await;
    assert!(reply.status == 413 || (reply.status == 200 && reply.is_truncated), "{reply:?}");
    eventually("the connection upstream ends", || origin.open_connections() == 0).await;
}

#[tokio::test]
async fn b23_requests_in_flight_end_at_the_bound_over_all_workers_and_recover() {
    let origin = Origin::slow().await;
    let settings = sluice_proxy::Settings { workers: 2, ..settings() };
    let router = Router::start_with(&limited(&origin, "{ in_flight = 2 }"), settings);
    let mut slow = [router.client().await, router.client().await];
    for client in &mut slow {
        client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    }
    eventually("both are in flight", || origin.connections() == 2).await;
    for _ in 0..8 {
        // Fresh connections, so that both workers are asked.
        let reply = router.client().await.get("/").await;
        assert_eq!((reply.status, reply.text()), (503, "503 too many requests in flight\n"));
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    // A reload that changes the route does not forget them.
    router.publish(&limited(&origin, "{ in_flight = 1 }"));
    assert_eq!(router.client().await.get("/").await.status, 503);
    drop(slow);
    eventually("they have left", || router.in_flight() == 0).await;
    assert_eq!(router.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_rate_admits_its_burst_and_says_when_to_come_again() {
    let origin = Origin::saying("ok").await;
    let limits = "{ rate = { requests = 1, per = \"1h\", burst = 3 } }";
    let router = Router::start(&limited(&origin, limits));
    let mut client = router.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let reply = client.get("/").await;
    assert_eq!((reply.status, reply.text()), (429, "429 too many requests\n"));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit-policy"), Some("\"route\";q=1;w=3600"));
    assert_eq!(reply.header("ratelimit"), Some(&*format!("\"route\";r=0;t={wait}")));
    router.publish(&limited(&origin, limits));
    assert_eq!(client.get("/").await.status, 429, "a reload does not fill it up");
    router.publish(&limited(&origin, "{ rate = { requests = 1, per = \"1h\", burst = 4 } }"));
    assert_eq!(client.get("/").await.status, 200, "another limit begins anew");
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test]
async fn a_rate_refills() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&limited(&origin, "{ rate = { requests = 1, per = \"100ms\" } }"));
    let mut client = router.client().await;
    assert_eq!(client.get("/").await.status, 200);
    let mut refused = 0;
    while client.get("/").await.status == 429 {
        refused += 1;
        assert!(refused < 100_000, "never let in again");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_key_tells_clients_apart() {
    let origin = Origin::saying("ok").await;
    let limits = "{ rate = { requests = 1, per = \"1h\", key = [\"header:x-user\", \"client-address\"] } }";
    let router = Router::start(&limited(&origin, limits));
    let mut client = router.client().await;
    let mut status = async |line: &str| client.ask(format!("GET / HTTP/1.1\r\nhost: test\r\n{line}\r\n")).await.status;
    assert_eq!((status("x-user: tom\r\n").await, status("x-user: tom\r\n").await), (200, 429));
    assert_eq!((status("x-user: ann\r\n").await, status("").await, status("").await), (200, 200, 429));
    assert_eq!(status("x-user: 127.0.0.1\r\n").await, 200, "a user named like an address is another key");
}
