//! Heads of HTTP/2 requests that are not what they must be (B11), written by hand.

use crate::h2client::H2Client;
use crate::h2wire::{
    END_HEADERS, END_STREAM, End, GOOD, HEADERS, NO_ERROR, PROTOCOL_ERROR, Wire, frame, literals, string,
};
use crate::origin::Origin;
use crate::router::Router;

const COMPRESSION_ERROR: u32 = 9;

/// The good head with one field changed, or left out where the value is `None`.
fn with(name: &'static str, value: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    let mut fields: Vec<_> = GOOD.into_iter().filter(|(known, _)| *known != name).collect();
    fields.extend(value.map(|value| (name, value)));
    // Pseudo-fields come first.
    fields.sort_by_key(|(name, _)| !name.starts_with(':'));
    fields
}

fn and(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    GOOD.iter().chain(extra).copied().collect()
}

#[tokio::test]
async fn b11_a_malformed_head_is_a_stream_error_and_reaches_nobody() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut wire = Wire::connect(router.address).await;
    let malformed = [
        with(":method", None),
        with(":scheme", None),
        with(":path", None),
        with(":path", Some("")),
        with(":path", Some("x")),
        with(":path", Some("http://test/")),
        with(":authority", Some("te st")),
        and(&[(":path", "/twice")]),
        and(&[(":authority", "twice")]),
        and(&[(":method", "PUT")]),
        and(&[(":status", "200")]),
        and(&[(":unknown", "x")]),
        and(&[("x-a", "1"), (":path", "/late")]),
        and(&[("connection", "close")]),
        and(&[("connection", "x-a"), ("x-a", "1")]),
        and(&[("keep-alive", "timeout=5")]),
        and(&[("proxy-connection", "close")]),
        and(&[("transfer-encoding", "chunked")]),
        and(&[("upgrade", "websocket")]),
        and(&[("te", "gzip")]),
        and(&[("te", "trailers, gzip")]),
        and(&[("content-length", "5")]),
        and(&[("content-length", "+0")]),
        and(&[("content-length", "0"), ("content-length", "1")]),
    ];
    for (index, fields) in (0_u32..).zip(&malformed) {
        let stream = 2 * index + 1;
        wire.request(stream, fields).await;
        match wire.end_of(stream).await {
            End::Reset(PROTOCOL_ERROR) => {}
            // Where `h2` cannot read a field, it gives the connection up (RFC 9113 section 5.4.1 allows that).
            End::Closed(code) => {
                assert!(matches!(code, Some(COMPRESSION_ERROR | PROTOCOL_ERROR)), "{fields:?}: {code:?}");
                wire = Wire::connect(router.address).await;
            }
            other => panic!("{fields:?}: {other:?}"),
        }
        assert_eq!(origin.requests().len(), 0, "{fields:?}");
    }
}

/// A good head with one more field, of any bytes.
fn with_bytes(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = literals(GOOD);
    block.push(0);
    string(&mut block, name);
    string(&mut block, value);
    block
}

#[tokio::test]
async fn b11_bytes_that_no_field_may_have_reach_nobody() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let fields: [(&[u8], &[u8]); 9] = [
        (b"X-Upper", b"1"),
        (b"x a", b"1"),
        (b"x\r\na", b"1"),
        (b"", b"1"),
        (b"x-a:", b"1"),
        (b"x-a", b"1\r\nx-b: 2"),
        (b"x-a", b"1\n2"),
        (b"x-a", b"1\r2"),
        (b"x-a", b"1\x002"),
    ];
    for (name, value) in fields {
        let mut wire = Wire::connect(router.address).await;
        wire.frame(HEADERS, END_STREAM | END_HEADERS, 1, &with_bytes(name, value)).await;
        let end = wire.end_of(1).await;
        assert!(
            matches!(end, End::Reset(PROTOCOL_ERROR) | End::Closed(Some(COMPRESSION_ERROR | PROTOCOL_ERROR))),
            "{end:?}"
        );
    }
    assert_eq!(origin.requests().len(), 0);
    assert_eq!(H2Client::connect(router.address).await.get("/").await.unwrap().status, 200, "others are served");
}

#[tokio::test]
async fn b11_heads_that_say_what_is_not_served_here_are_400() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut wire = Wire::connect(router.address).await;
    let refused = [
        and(&[("host", "other")]),
        and(&[("host", "test"), ("host", "test")]),
        with(":scheme", Some("https")),
        with(":scheme", Some("ftp")),
        with(":authority", None),
        with(":authority", Some("user@test")),
        with(":path", Some("*")),
        with(":path", Some("/%zz")),
    ];
    for (index, fields) in (0_u32..).zip(&refused) {
        let stream = 2 * index + 1;
        wire.request(stream, fields).await;
        assert_eq!(wire.end_of(stream).await, End::Answered(400), "{fields:?}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn b11_the_host_comes_from_the_authority_or_else_from_its_field() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut wire = Wire::connect(router.address).await;
    let mut without = with(":authority", None);
    without.push(("host", "field"));
    for (stream, fields) in [(1, and(&[("host", "TEST")])), (3, without)] {
        wire.request(stream, &fields).await;
        assert_eq!(wire.end_of(stream).await, End::Answered(200), "{fields:?}");
    }
    let hosts: Vec<_> = origin.requests().iter().map(|request| request.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts, ["test", "field"]);
}

#[tokio::test]
async fn b10_connect_is_refused_over_http2_too() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut wire = Wire::connect(router.address).await;
    let block = literals([(":method", "CONNECT"), (":authority", "test:443")]);
    wire.frame(HEADERS, END_HEADERS, 1, &block).await;
    assert_eq!(wire.end_of(1).await, End::Answered(501));
    // Extended CONNECT (RFC 8441) was not offered.
    let block = literals([(":method", "CONNECT"), (":protocol", "websocket"), GOOD[1], GOOD[2], GOOD[3]]);
    wire.frame(HEADERS, END_HEADERS, 3, &block).await;
    assert_eq!(wire.end_of(3).await, End::Reset(PROTOCOL_ERROR));
    assert_eq!(origin.requests().len(), 0);
}

#[tokio::test]
async fn b15_cookie_crumbs_are_one_field_over_http1() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut wire = Wire::connect(router.address).await;
    wire.request(1, &and(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("cookie", "c=3; d=4")])).await;
    assert_eq!(wire.end_of(1).await, End::Answered(200));
    let head = origin.request().head;
    let cookies: Vec<&str> = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("cookie:")).collect();
    assert_eq!(cookies, ["cookie: a=1; b=2; c=3; d=4"]);
}

#[tokio::test]
async fn frames_of_no_known_type_are_passed_over() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut wire = Wire::connect(router.address).await;
    wire.send([frame(0xfa, 0xff, 0, b"grease"), frame(0xfa, 0, 1, b"")].concat()).await;
    wire.request(1, &GOOD).await;
    assert_eq!(wire.end_of(1).await, End::Answered(200));
    // Half a frame, and the end: nothing to answer.
    wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, 3, &literals(GOOD))[..20]).await;
    wire.stream.set_nodelay(true).unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut wire.stream).await.unwrap();
    assert!(matches!(wire.end().await, None | Some(NO_ERROR)));
}
