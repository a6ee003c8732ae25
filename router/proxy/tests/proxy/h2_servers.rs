//! Servers over HTTP/2 (B7, B19, B20, B22, B25, B26): streams shared by clients of both protocols, and what goes wrong with
//! them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use h2::server::Builder;
use sluice_proxy::Settings;
use tokio::io::AsyncWriteExt;

use crate::client::eventually;
use crate::h2client::{self, H2Client};
use crate::h2origin::{H2Origin, by_hand, everything_over_h2_to};
use crate::h2wire::{
    CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM,
    SETTINGS, Wire, frame, literals,
};
use crate::origin::{Origin, Request};
use crate::router::{Router, settings};

const SHORT: Duration = Duration::from_millis(150);
const POST: &str = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nonce";
const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// The head of a response of status 200, indexed (RFC 7541 appendix A).
const OK: [u8; 1] = [0x88];

fn before(address: std::net::SocketAddr) -> Router {
    Router::start(&everything_over_h2_to(&[address], ""))
}

#[tokio::test]
async fn clients_of_both_protocols_share_one_connection() {
    let origin = H2Origin::start().await;
    let router = before(origin.address);
    let (mut one, two) = (router.client().await, H2Client::connect(router.address).await);
    for _ in 0..10 {
        let reply = one.ask("PUT /a?b=c HTTP/1.1\r\nhost: test\r\nte: trailers\r\nconnection: te, x-a\r\nx-a: 1\r\ncontent-length: 4\r\n\r\nbody").await;
        assert_eq!((reply.status, reply.text()), (200, "body"));
        assert_eq!(one.get("/").await.status, 200);
        assert_eq!(two.ask(h2client::post("/"), Some(b"other".to_vec())).await.unwrap().text(), "other");
    }
    assert_eq!((origin.connections(), origin.requests().len()), (1, 30));
    let (put, body) = &origin.requests()[0];
    assert_eq!(
        (put.method.as_str(), put.uri.to_string(), &**body),
        ("PUT", "http://test/a?b=c".to_owned(), &b"body"[..])
    );
    assert_eq!(put.headers["content-length"], "4");
    for gone in ["host", "connection", "x-a", "transfer-encoding"] {
        assert!(!put.headers.contains_key(gone), "{gone}");
    }
    assert!(put.headers.get("te").is_none_or(|te| te == "trailers"));
    assert_eq!(router.in_flight(), 0);
}

#[tokio::test]
async fn large_bodies_pass_whole_in_both_directions() {
    let origin = H2Origin::start().await;
    let router = before(origin.address);
    let body: Vec<u8> = (0..3_000_000_u32).map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1]).collect();
    let head = format!("PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len());
    let reply = router.client().await.ask([head.as_bytes(), &body].concat()).await;
    assert!(reply.body == body && !reply.is_truncated);
    let two = H2Client::connect(router.address).await;
    assert!(two.ask(h2client::post("/"), Some(body.clone())).await.unwrap().body == body);
}

#[tokio::test]
async fn streams_fill_a_connection_before_there_is_another_and_the_rest_wait() {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(2);
    let origin = H2Origin::start_with(builder, true).await;
    let router = Router::start(&everything_over_h2_to(&[origin.address], "connections_max = 2"));
    let mut clients = Vec::new();
    for index in 1..=6 {
        let mut client = router.client().await;
        client.send(GET).await;
        eventually("as many as there is room for are upstream", || origin.in_flight() == index.min(4)).await;
        assert_eq!(origin.connections(), if index <= 2 { 1 } else { 2 });
        clients.push(client);
    }
    origin.release();
    eventually("those that waited come after", || origin.requests().len() == 6).await;
    origin.release();
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 200);
    }
    assert_eq!((origin.connections(), origin.busiest()), (2, 2));
}

#[tokio::test]
async fn a_crowd_that_comes_at_once_opens_one_connection() {
    let origin = H2Origin::start().await;
    let router = before(origin.address);
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = router.client().await;
        client.send(GET).await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 200);
    }
    assert_eq!(origin.connections(), 1);
}

/// Notes a request of a server written by hand.
fn noted() -> Request {
    Request { head: String::new(), body: Vec::new(), place: 0 }
}

#[tokio::test]
async fn b20_what_the_server_did_not_touch_is_sent_again_even_a_post() {
    static ROUND: AtomicUsize = AtomicUsize::new(0);
    let origin = by_hand(|mut wire, notes| async move {
        loop {
            let stream = wire.until(HEADERS, 0).await.stream;
            notes.note(noted());
            match ROUND.fetch_add(1, Ordering::SeqCst) {
                0 => wire.frame(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()).await,
                1 => {
                    let nothing_was_taken = [0_u32.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
                    wire.frame(GOAWAY, 0, 0, &nothing_was_taken).await;
                }
                _ => wire.frame(HEADERS, END_STREAM | END_HEADERS, stream, &OK).await,
            }
        }
    })
    .await;
    let router = before(origin.address);
    let reply = router.client().await.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(reply.status, 200);
    assert_eq!((origin.requests().len(), origin.connections()), (3, 2));
}

#[tokio::test]
async fn b20_what_the_server_may_have_touched_is_not_sent_again() {
    let origin = by_hand(|mut wire, notes| async move {
        let stream = wire.until(HEADERS, 0).await.stream;
        notes.note(noted());
        // Whatever else it says, this stream is among those it has taken.
        wire.frame(GOAWAY, 0, 0, &[stream.to_be_bytes(), NO_ERROR.to_be_bytes()].concat()).await;
    })
    .await;
    let router = before(origin.address);
    let reply = router.client().await.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(reply.status, 502);
    let reply = router.client().await.ask(POST).await;
    assert_eq!(reply.status, 502);
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn a_goaway_lets_what_is_in_flight_end_and_sends_the_next_elsewhere() {
    let origin = by_hand(|mut wire, notes| async move {
        let stream = wire.until(HEADERS, 0).await.stream;
        notes.note(noted());
        wire.frame(GOAWAY, 0, 0, &[stream.to_be_bytes(), NO_ERROR.to_be_bytes()].concat()).await;
        wire.frame(HEADERS, END_HEADERS, stream, &OK).await;
        wire.frame(DATA, END_STREAM, stream, b"whole").await;
        let _end = wire.end().await;
    })
    .await;
    let router = before(origin.address);
    let mut client = router.client().await;
    for round in 1..=3 {
        assert_eq!(client.get("/").await.text(), "whole");
        assert_eq!(origin.connections(), round);
    }
}

#[tokio::test]
async fn b25_a_reset_before_the_head_is_502_and_after_it_a_break() {
    static AFTER: AtomicUsize = AtomicUsize::new(0);
    let origin = by_hand(|mut wire, _| async move {
        loop {
            let stream = wire.until(HEADERS, 0).await.stream;
            if AFTER.load(Ordering::SeqCst) > 0 {
                wire.frame(HEADERS, END_HEADERS, stream, &OK).await;
                wire.frame(DATA, 0, stream, b"half").await;
            }
            wire.frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()).await;
        }
    })
    .await;
    let router = before(origin.address);
    let client = H2Client::connect(router.address).await;
    let reply = router.client().await.ask(POST).await;
    assert_eq!(reply.status, 502);
    assert!(reply.header("proxy-status").unwrap().contains("connection_terminated"));
    assert_eq!(client.ask(h2client::post("/"), None).await.unwrap().status, 502);
    AFTER.store(1, Ordering::SeqCst);
    let reply = router.client().await.get("/").await;
    assert!(reply.is_truncated && b"half".starts_with(&reply.body), "{reply:?}");
    let error = client.get("/").await.unwrap_err();
    assert!(error.is_remote() && error.is_reset(), "{error:?}");
    assert_eq!(origin.connections(), 1, "a stream's end is not its connection's");
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn b07_a_length_that_is_not_kept_is_seen_by_the_client() {
    let origin = by_hand(|mut wire, _| async move {
        loop {
            let stream = wire.until(HEADERS, 0).await.stream;
            let head = [&OK[..], &literals([("content-length", "9")])].concat();
            wire.frame(HEADERS, END_HEADERS, stream, &head).await;
            wire.frame(DATA, END_STREAM, stream, b"half").await;
            assert_eq!(wire.until(RST_STREAM, stream).await.payload, PROTOCOL_ERROR.to_be_bytes());
        }
    })
    .await;
    let router = before(origin.address);
    assert!(router.client().await.get("/").await.is_truncated);
    assert!(H2Client::connect(router.address).await.get("/").await.is_err());
}

#[tokio::test]
async fn b19_a_client_that_leaves_cancels_its_stream_and_no_other() {
    let origin = H2Origin::start_with(Builder::new(), true).await;
    let router = before(origin.address);
    let mut stays = router.client().await;
    stays.send(GET).await;
    eventually("one is upstream", || origin.in_flight() == 1).await;
    let (mut one, two) = (router.client().await, Wire::connect(router.address).await);
    one.send(GET).await;
    let mut two = two;
    two.request(1, &crate::h2wire::GOOD).await;
    eventually("all are upstream", || origin.in_flight() == 3).await;
    two.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
    eventually("the reset is passed on", || (origin.in_flight(), router.in_flight()) == (2, 2)).await;
    drop(one);
    eventually("so is the loss of a connection", || (origin.in_flight(), router.in_flight()) == (1, 1)).await;
    origin.release();
    assert_eq!(stays.reply().await.status, 200);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn b22_a_server_that_speaks_no_http2_or_nothing_is_no_server() {
    let silent = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while tokio::io::AsyncReadExt::read_buf(&mut stream, &mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
    })
    .await;
    let old = Origin::raw(|mut stream, _| async move {
        let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    for origin in [&silent, &old] {
        let router = before(origin.address);
        let (mut first, mut second) = (router.client().await, router.client().await);
        first.send(POST).await;
        second.send(POST).await;
        for client in [&mut first, &mut second] {
            let status = client.reply().await.status;
            assert!(matches!(status, 502..=504), "{status}");
        }
        eventually("nothing is in flight", || router.in_flight() == 0).await;
    }
}

#[tokio::test]
async fn b22_a_server_that_answers_no_ping_is_given_up() {
    let origin = by_hand(|mut wire, _| async move {
        wire.until(HEADERS, 0).await;
        std::future::pending::<()>().await;
    })
    .await;
    let settings = Settings { ping_interval: SHORT, ping_timeout: SHORT, ..settings() };
    let router = Router::start_with(&everything_over_h2_to(&[origin.address], ""), settings);
    assert_eq!(router.client().await.ask(POST).await.status, 502);
}

#[tokio::test]
async fn b22_a_server_that_takes_no_body_is_given_up() {
    let origin = by_hand(|mut wire, _| async move {
        // SETTINGS_INITIAL_WINDOW_SIZE = 0 (RFC 9113 section 6.5.2).
        wire.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
        let stream = wire.until(HEADERS, 0).await.stream;
        assert_eq!(wire.until(RST_STREAM, stream).await.payload, CANCEL.to_be_bytes());
        let _end = wire.end().await;
    })
    .await;
    let settings = Settings { body_idle: SHORT, ..settings() };
    let router = Router::start_with(&everything_over_h2_to(&[origin.address], ""), settings);
    // More than the connection keeps for a stream; less would wait for its answer.
    let body = "x".repeat(1 << 20);
    let large = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(router.client().await.ask(large).await.status, 504);
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_else() {
    let origin = H2Origin::start().await;
    let router = before(origin.address);
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let client = H2Client::connect_with(router.address, 1).await;
        let (_response, mut upload) = client.open(h2client::post("/"), false).await.unwrap();
        h2client::send(&mut upload, vec![b'x'; 200_000]).await.unwrap();
        stuck.push((client, upload));
    }
    eventually("all are upstream", || origin.requests().len() == 20).await;
    let mut client = router.client().await;
    for _ in 0..5 {
        assert_eq!(client.ask(POST).await.text(), "once");
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn b26_a_drain_closes_connections_to_servers() {
    let origin = H2Origin::start_with(Builder::new(), true).await;
    let router = before(origin.address);
    let mut client = router.client().await;
    client.send(GET).await;
    eventually("the request is upstream", || origin.in_flight() == 1).await;
    let ((), ()) = tokio::join!(router.proxy.drain(), async {
        origin.release();
        assert_eq!(client.reply().await.status, 200);
    });
    eventually("no connection is left", || origin.open_connections() == 0).await;
}

#[tokio::test]
async fn frames_that_only_a_client_may_send_end_the_connection_and_no_more() {
    let origin = by_hand(|mut wire, notes| async move {
        let stream = wire.until(HEADERS, 0).await.stream;
        notes.note(noted());
        // PUSH_PROMISE was not asked for.
        let promise = [&2_u32.to_be_bytes()[..], &literals(crate::h2wire::GOOD)].concat();
        wire.send(frame(5, END_HEADERS, stream, &promise)).await;
        let _end = wire.end().await;
    })
    .await;
    let router = before(origin.address);
    let reply = router.client().await.ask(POST).await;
    assert_eq!(reply.status, 502);
    eventually("nothing is in flight", || router.in_flight() == 0).await;
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn b18_an_answer_before_the_end_of_the_upload_reaches_the_client() {
    let origin = by_hand(|mut wire, _| async move {
        loop {
            let stream = wire.until(HEADERS, 0).await.stream;
            wire.until(DATA, stream).await;
            // 400, indexed; and nothing more of the body is wanted (RFC 9113 section 8.1).
            wire.frame(HEADERS, END_HEADERS, stream, &[0x8c]).await;
            wire.frame(DATA, END_STREAM, stream, b"enough").await;
            wire.frame(RST_STREAM, 0, stream, &NO_ERROR.to_be_bytes()).await;
        }
    })
    .await;
    let router = before(origin.address);
    let begun = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n";
    let mut client = router.client().await;
    let reply = client.ask(begun).await;
    assert_eq!((reply.status, reply.text(), reply.header("connection")), (400, "enough", Some("close")));
    let client = H2Client::connect(router.address).await;
    let (response, mut upload) = client.open(h2client::post("/"), false).await.unwrap();
    upload.send_data(bytes::Bytes::from_static(b"begun"), false).unwrap();
    let reply = h2client::read(response.await.unwrap()).await.unwrap();
    assert_eq!((reply.status, reply.text()), (400, "enough"));
    assert_eq!(origin.connections(), 1);
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn b22_a_connection_that_idles_or_whose_server_left_is_closed() {
    let (origin, other) = (H2Origin::start().await, H2Origin::start().await);
    let router = Router::start(&everything_over_h2_to(&[origin.address], "idle_timeout = \"100ms\""));
    assert_eq!(router.client().await.get("/").await.status, 200);
    assert_eq!(origin.connections(), 1);
    eventually("it is closed", || origin.open_connections() == 0).await;

    let router = before(origin.address);
    assert_eq!(router.client().await.get("/").await.status, 200);
    router.publish(&everything_over_h2_to(&[other.address], ""));
    assert_eq!(router.client().await.get("/").await.status, 200);
    assert_eq!((origin.requests().len(), other.requests().len()), (2, 1));
    eventually("nobody keeps a connection to a server that left", || origin.open_connections() == 0).await;
}

#[tokio::test]
async fn no_stream_fails_while_snapshots_change() {
    const RELOADS: usize = 100;
    let origin = H2Origin::start().await;
    let router = before(origin.address);
    let is_over = std::cell::Cell::new(false);
    let clients = (0..16).map(|_| async {
        let mut client = router.client().await;
        while !is_over.get() {
            assert_eq!(client.ask(POST).await.text(), "once");
        }
    });
    let reloads = async {
        for round in 0..RELOADS {
            drop(router.publish(&everything_over_h2_to(&[origin.address], "")));
            eventually("requests between two reloads", || origin.requests().len() > 10 * round).await;
        }
        is_over.set(true);
    };
    tokio::join!(futures_util::future::join_all(clients), reloads);
    assert_eq!((origin.connections(), router.in_flight()), (1, 0), "the connection survives every snapshot");
}
