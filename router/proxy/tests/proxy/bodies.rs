//! Bodies in both directions: streamed, broken off, late, unwanted.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::client::eventually;
use crate::origin::{Origin, Plan, read_head};
use crate::router::{Router, everything_to, settings};

fn chunked(body: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in body.chunks(chunk_bytes) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

#[tokio::test]
async fn large_bodies_pass_whole_in_both_directions() {
    let origin = Origin::echo().await;
    let router = Router::before(&origin);
    let body: Vec<u8> = (0..3_000_000_u32).map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1]).collect();
    let mut client = router.client().await;
    let declared = format!("PUT /a HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len());
    let echoed = client.ask([declared.as_bytes(), &body].concat()).await;
    assert!(echoed.body == body && !echoed.is_truncated);
    let head = b"PUT /b HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let echoed = client.ask([&head[..], &chunked(&body, 70_001)].concat()).await;
    assert!(echoed.body == body && !echoed.is_truncated);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_for_the_client() {
    let origin = Origin::start(|request| {
        Plan::close(match request.line() {
            "GET /length HTTP/1.1" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            "GET /chunks HTTP/1.1" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "GET /garbage HTTP/1.1" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
            _ => "220 smtp.example ESMTP\r\n\r\n",
        })
    })
    .await;
    let router = Router::before(&origin);
    for path in ["/length", "/chunks", "/garbage"] {
        let reply = router.client().await.get(path).await;
        assert!(reply.is_truncated, "{path}: {reply:?}");
        assert_eq!(reply.body, b"half", "{path}");
    }
    let reply = router.client().await.ask("POST /other HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(
        (reply.status, reply.header("proxy-status")),
        (502, Some("sluice; error=http_protocol_error; details=\"malformed_response\""))
    );
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        if read_head(&mut stream, &mut buffer).await.is_some() {
            let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
            let _sent = stream.write_all(answer).await;
            // Reads nothing more: the router must not wait for it.
            std::future::pending::<()>().await;
        }
    })
    .await;
    let router = Router::before(&origin);
    let body = vec![b'x'; 20_000_000];
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut client = router.client().await;
    client.send([head.as_bytes(), &body].concat()).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text(), reply.header("connection")), (413, "big", Some("close")));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_broken_upload_is_refused_and_its_connection_not_reused() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    client.send("zz\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
    assert!(origin.requests().is_empty(), "never a whole request upstream");
    eventually("the connection upstream ends", || origin.open_connections() == 0).await;
}

#[tokio::test]
async fn a_server_that_is_late_is_a_504() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_head(&mut stream, &mut buffer).await.is_some() {}
    })
    .await;
    for (timeouts, body) in [
        ("{ first_byte = \"50ms\" }", "504 first byte timed out\n"),
        ("{ request = \"50ms\" }", "504 request timed out\n"),
    ] {
        let router = Router::start(&format!("{}timeouts = {timeouts}\n", everything_to(&[&origin])));
        let reply = router.client().await.get("/").await;
        assert_eq!((reply.status, reply.text()), (504, body));
        assert!(reply.header("proxy-status").unwrap().starts_with("sluice; error=http_response_timeout; details="));
        eventually("the connection upstream ends", || origin.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn clients_that_stand_still_are_let_go() {
    let origin = Origin::saying("ok").await;
    let short = Duration::from_millis(100);
    let settings =
        sluice_proxy::Settings { header_read: short, body_idle: short, keep_alive_idle: short, ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);

    let mut silent = router.client().await;
    assert!(silent.is_closed().await);

    let mut slow_head = router.client().await;
    slow_head.send("GET / HTTP/1.1\r\nhost: te").await;
    assert_eq!(slow_head.reply().await.status, 408);
    assert!(slow_head.is_closed().await);

    let mut slow_body = router.client().await;
    slow_body.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhalf").await;
    assert_eq!(slow_body.reply().await.text(), "408 body timed out\n");

    let mut idle = router.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn a_body_in_which_the_server_stands_still_breaks_off() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        if read_head(&mut stream, &mut buffer).await.is_some() {
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
            std::future::pending::<()>().await;
        }
    })
    .await;
    let settings = sluice_proxy::Settings { body_idle: Duration::from_millis(100), ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);
    let reply = router.client().await.get("/").await;
    assert!(reply.is_truncated && reply.body == b"half");
}
