//! What a hostile client may do with frames: each attack ends its connection, or nothing but itself, and nobody else's
//! (B23, RFC 9113 section 10.5).

use std::sync::atomic::Ordering;

use sluice_proxy::Settings;

use crate::client::eventually;
use crate::h2client::H2Client;
use crate::h2wire::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, End, GOOD, HEADERS, PING, PRIORITY,
    PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, frame, literals, string,
};
use crate::origin::Origin;
use crate::router::{Router, everything_to, settings};

/// More frames than any bound allows.
const MANY: u32 = 20_000;

/// The codes that say: you ask too much.
fn is_complaint(code: Option<u32>) -> bool {
    // The reset of a connection with unread bytes may overtake the GOAWAY.
    matches!(code, None | Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR))
}

/// Sends an attack, sees its connection end, and others served.
async fn ends(router: &Router, what: &str, opening: &[u8], attack: impl Fn(u32) -> Vec<u8>) {
    let mut wire = Wire::connect(router.address).await;
    wire.send(opening).await;
    for round in 0..MANY {
        if !wire.try_send(attack(round)).await {
            break;
        }
    }
    let code = wire.end().await;
    assert!(is_complaint(code), "{what}: {code:?}");
    eventually("nothing of it is in flight", || router.in_flight() == 0).await;
    let connections = || router.shared.traffic.worker(0).connections.load(Ordering::Relaxed);
    eventually("its connection is gone", || connections() == 0).await;
    let other = H2Client::connect(router.address).await;
    assert_eq!(other.get("/").await.unwrap().text(), "ok", "{what}: others are served");
    drop(other);
    eventually("the other has left", || connections() == 0).await;
}

#[tokio::test]
async fn b23_streams_that_are_reset_at_once_end_their_connection() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let head = literals(GOOD);
    ends(&router, "rapid reset", b"", |round| {
        let stream = 2 * round + 1;
        let open = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head);
        [open, frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
    })
    .await;
    assert!(origin.requests().len() < 2_500, "{} went on", origin.requests().len());
}

#[tokio::test]
async fn b23_streams_that_make_us_reset_them_end_their_connection() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let head = literals([(":method", "GET"), ("connection", "close")]);
    ends(&router, "malformed heads", b"", |round| frame(HEADERS, END_STREAM | END_HEADERS, 2 * round + 1, &head)).await;
    let head = literals(GOOD);
    ends(&router, "overflowing windows", b"", |round| {
        let stream = 2 * round + 1;
        let open = frame(HEADERS, END_HEADERS, stream, &head);
        [open, frame(WINDOW_UPDATE, 0, stream, &(u32::MAX >> 1).to_be_bytes())].concat()
    })
    .await;
}

#[tokio::test]
async fn b23_heads_that_never_end_end_their_connection() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let begun = frame(HEADERS, END_STREAM, 1, &literals(GOOD));
    ends(&router, "empty continuations", &begun, |_| frame(CONTINUATION, 0, 1, b"")).await;
    let field = literals([("x-a", "1")]);
    ends(&router, "small continuations", &begun, |_| frame(CONTINUATION, 0, 1, &field)).await;
    let field = literals([("x-a", &*"1".repeat(16_000))]);
    ends(&router, "large continuations", &begun, |_| frame(CONTINUATION, 0, 1, &field)).await;
    assert_eq!(origin.requests().len(), 3, "those of the others");
}

#[tokio::test]
async fn b23_frames_that_ask_for_nothing_end_their_connection() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    ends(&router, "pings", b"", |_| frame(PING, 0, 0, &[0; 8])).await;
    ends(&router, "settings", b"", |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])).await;
    ends(&router, "priorities", b"", |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])).await;
    ends(&router, "window updates", b"", |_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).await;
    ends(&router, "unknown frames", b"", |_| frame(0xfa, 0, 0, b"")).await;
    let upload = frame(HEADERS, END_HEADERS, 1, &literals([(":method", "POST"), GOOD[1], GOOD[2], GOOD[3]]));
    ends(&router, "empty data", &upload, |_| frame(DATA, 0, 1, b"")).await;
}

#[tokio::test]
async fn b23_a_head_that_unpacks_beyond_the_bound_is_not_taken_in() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    // A field of 3 kB, remembered (RFC 7541 section 6.2.1), and then named again and again with one byte each.
    let mut remembered = vec![0x40];
    string(&mut remembered, b"x-bomb");
    string(&mut remembered, &[b'x'; 3_000]);
    let bomb = |times: usize| [literals(GOOD), remembered.clone(), vec![0x80 | 62; times]].concat();
    let mut wire = Wire::connect(router.address).await;
    wire.frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb(30)).await;
    assert_eq!(wire.end_of(1).await, End::Answered(431), "90 kB are more than 64");
    wire.request(3, &GOOD).await;
    assert_eq!(wire.end_of(3).await, End::Answered(200), "the connection goes on");
    let mut wire = Wire::connect(router.address).await;
    wire.frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb(12_000)).await;
    let code = wire.end().await;
    assert!(is_complaint(code), "36 MB are an attack: {code:?}");
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn b23_fields_are_counted_over_both_protocols() {
    let origin = Origin::saying("ok").await;
    let router = Router::start_with(&everything_to(&[&origin]), Settings { header_fields_max: 10, ..settings() });
    for (fields, status) in [(10, 200), (11, 431)] {
        let names: Vec<String> = (0..fields).map(|index| format!("x-{index}")).collect();
        let mut wire = Wire::connect(router.address).await;
        wire.frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            1,
            &literals(GOOD.into_iter().chain(names.iter().map(|name| (&**name, "1")))),
        )
        .await;
        assert_eq!(wire.end_of(1).await, End::Answered(status));
        let lines: String = names[1..].iter().map(|name| format!("{name}: 1\r\n")).collect();
        let reply = router.client().await.ask(format!("GET / HTTP/1.1\r\nhost: test\r\n{lines}\r\n")).await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn b23_streams_beyond_the_bound_are_refused_and_may_come_again() {
    let origin = Origin::raw(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let router = Router::start_with(&everything_to(&[&origin]), Settings { streams_max: 2, ..settings() });
    let mut wire = Wire::connect(router.address).await;
    for stream in [1, 3, 5] {
        wire.request(stream, &GOOD).await;
    }
    assert_eq!(wire.end_of(5).await, End::Reset(REFUSED_STREAM));
    eventually("the others are on their way", || router.in_flight() == 2).await;
    wire.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
    eventually("one has ended", || router.in_flight() == 1).await;
    wire.request(7, &GOOD).await;
    eventually("another is taken", || router.in_flight() == 2).await;
}
