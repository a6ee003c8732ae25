//! B18: an answer that comes before the request is over.

use tokio::io::AsyncWriteExt;

use crate::client::eventually;
use crate::origin::{Origin, read_head};
use crate::router::Router;
use crate::wire::{NEVER, Wire};

/// More than the buffers of all sockets on the way.
const LARGE_BYTES: usize = 20_000_000;

#[tokio::test]
async fn b18_an_early_answer_is_delivered_at_once() {
    let wire = Wire::start(&[("first", "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"), (NEVER, "")]).await;
    let router = wire.router();
    let mut client = router.client().await;
    client.send(format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {LARGE_BYTES}\r\n\r\nfirst")).await;
    // Not another byte of the body is sent.
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text(), reply.header("connection")), (403, "no", Some("close")));
    drop(client);
    eventually("the connection upstream ends", || wire.origin.open_connections() == 0).await;
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn b18_a_client_that_sends_to_the_end_reads_its_answer() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        if read_head(&mut stream, &mut buffer).await.is_some() {
            let _sent = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await;
        }
        // Closes with most of the body unread: a reset.
    })
    .await;
    let router = Router::before(&origin);
    for framing in
        [format!("content-length: {LARGE_BYTES}\r\n\r\n"), "transfer-encoding: chunked\r\n\r\n1312d00\r\n".to_owned()]
    {
        let mut client = router.client().await;
        client.send(format!("POST / HTTP/1.1\r\nhost: test\r\n{framing}")).await;
        client.send(vec![b'x'; LARGE_BYTES]).await;
        assert_eq!(client.reply().await.status, 401, "{framing:?}");
    }
}

#[tokio::test]
async fn b18_what_is_refused_here_reaches_a_client_that_is_still_sending() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let body = vec![b'x'; LARGE_BYTES];
    for (head, status) in [
        ("POST / HTTP/1.1\r\nhost: a, b\r\ncontent-length: 20000000\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: test\r\nexpect: x\r\ncontent-length: 20000000\r\n\r\n", 417),
        ("POST / HTTP/1.1\r\nhost: test\r\nbad header: x\r\ncontent-length: 20000000\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: +20000000\r\n\r\n", 400),
    ] {
        let mut client = router.client().await;
        client.send(head).await;
        client.send(&body).await;
        assert_eq!(client.reply().await.status, status, "{head}");
        assert!(client.is_closed().await, "{head}");
    }
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn b18_request_and_response_may_stream_at_the_same_time() {
    let wire = Wire::start(&[
        ("\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("1\r\na\r\n", "1\r\nA\r\n"),
        ("1\r\nb\r\n", "1\r\nB\r\n"),
        ("0\r\n\r\n", "0\r\n\r\n"),
    ])
    .await;
    let router = wire.router();
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    client.send("1\r\na\r\n").await;
    assert_eq!(client.until("A\r\n").await, "1\r\nA\r\n");
    client.send("1\r\nb\r\n").await;
    assert_eq!(client.until("B\r\n").await, "1\r\nB\r\n");
    client.send("0\r\n\r\n").await;
    assert_eq!(client.until("0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn b18_a_client_that_never_stops_sending_is_cut_off() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nhost: a, b\r\ntransfer-encoding: chunked\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 400);
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x1_0000], b"\r\n"].concat();
    let cut_off = async { while client.stream.write_all(&chunk).await.is_ok() {} };
    tokio::time::timeout(crate::client::PATIENCE, cut_off).await.expect("a bound in bytes and time");
}
