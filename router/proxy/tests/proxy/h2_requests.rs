//! HTTP/2 from clients, by prior knowledge: requests, bodies and their ends (B4, B7, B11, B18, B19, B25).

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use tokio::io::AsyncWriteExt;

use crate::client::eventually;
use crate::h2client::{self, H2Client};
use crate::h2wire::{
    CANCEL, DATA, END_HEADERS, END_STREAM, End, GOOD, HEADERS, PREFACE, PROTOCOL_ERROR, RST_STREAM, SETTINGS, Wire,
    frame, literals,
};
use crate::origin::{Origin, Plan, Request, read_head};
use crate::router::{Router, everything_to, settings};

/// An origin that takes heads and never answers.
async fn silent_origin() -> Origin {
    Origin::raw(|mut stream, notes| async move {
        let mut buffer = Vec::new();
        while let Some(head) = read_head(&mut stream, &mut buffer).await {
            notes.note(Request { head, body: Vec::new(), place: 0 });
        }
    })
    .await
}

#[tokio::test]
async fn requests_of_one_connection_reach_the_server_as_http1() {
    let origin = Origin::start(|request| Plan::ok(request.line())).await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    for path in ["/a", "/b?c=d"] {
        let reply = client.get(path).await.unwrap();
        assert_eq!((reply.status, reply.text()), (200, &*format!("GET {path} HTTP/1.1")));
        for forbidden in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
            assert_eq!(reply.header(forbidden), None);
        }
        assert!(reply.header("date").is_some() && reply.header("x-sluice-request-id").is_some());
    }
    let requests = origin.requests();
    assert_eq!(requests[0].header("host"), Some("test"), "b11: from :authority");
    assert_eq!((origin.connections(), requests.len()), (1, 2));
}

#[tokio::test]
async fn streams_do_not_wait_for_each_other() {
    let origin = Origin::slow().await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    let (slow, _) = client.open(h2client::get("/slow"), true).await.unwrap();
    for _ in 0..20 {
        assert_eq!(client.get("/quick").await.unwrap().text(), "ok");
    }
    assert_eq!(router.in_flight(), 1);
    drop(slow);
    eventually("b19: the reset stream is let go", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn the_preface_may_come_byte_by_byte() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut wire = Wire::silent(router.address).await;
    wire.stream.set_nodelay(true).unwrap();
    for byte in PREFACE {
        wire.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    wire.frame(SETTINGS, 0, 0, &[]).await;
    wire.request(1, &GOOD).await;
    assert_eq!(wire.end_of(1).await, End::Answered(200));
}

#[tokio::test]
async fn a_request_of_http1_that_begins_like_the_preface_is_one_of_http1() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for (request, status) in [
        ("PRI * HTTP/1.1\r\nhost: test\r\n\r\n", 400),
        ("PRI /x HTTP/1.1\r\nhost: test\r\n\r\n", 200),
        ("PUT /x HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n", 200),
        ("PRI * HTTP/2.0\r\n\r\nX", 400),
    ] {
        let mut client = router.client().await;
        client.stream.set_nodelay(true).unwrap();
        for byte in request.as_bytes() {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.reply().await.status, status, "{request:?}");
    }
}

#[tokio::test]
async fn b24_an_upgrade_to_h2c_is_not_honoured() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let upgrade = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    let reply = router.client().await.ask(upgrade).await;
    assert_eq!((reply.status, reply.text(), reply.header("upgrade")), (200, "ok", None));
    let seen = origin.request();
    assert_eq!((seen.header("upgrade"), seen.header("http2-settings")), (None, None));
}

#[tokio::test]
async fn large_bodies_pass_whole_in_both_directions() {
    let origin = Origin::echo().await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1]).collect();
    let declared = http::Request::put("http://test/a").header("content-length", body.len()).body(()).unwrap();
    for request in [declared, h2client::post("/b")] {
        let reply = client.ask(request, Some(body.clone())).await.unwrap();
        assert!(reply.body == body);
    }
    let requests = origin.requests();
    assert_eq!(requests[0].header("content-length"), Some("3000000"));
    assert_eq!(requests[0].header("transfer-encoding"), None);
    assert_eq!(requests[1].header("transfer-encoding"), Some("chunked"), "b25: no length, but a body");
}

#[tokio::test]
async fn b25_a_request_without_a_body_has_none_over_http1() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    assert_eq!(client.get("/").await.unwrap().status, 200);
    assert_eq!(client.ask(h2client::post("/"), None).await.unwrap().status, 200);
    for request in origin.requests() {
        assert_eq!(request.header("transfer-encoding"), None, "{request:?}");
        assert!(matches!(request.header("content-length"), None | Some("0")));
    }
}

#[tokio::test]
async fn b25_a_body_that_is_not_as_long_as_declared_never_ends_upstream() {
    let origin = silent_origin().await;
    let router = Router::before(&origin);
    for (sent, flags) in [(&b"hal"[..], END_STREAM), (&b"halves"[..], 0)] {
        let seen = origin.requests().len();
        let mut wire = Wire::connect(router.address).await;
        let fields =
            [(":method", "POST"), (":scheme", "http"), (":authority", "test"), (":path", "/"), ("content-length", "4")];
        wire.frame(HEADERS, END_HEADERS, 1, &literals(fields)).await;
        eventually("the head is upstream", || origin.requests().len() > seen).await;
        wire.frame(DATA, flags, 1, sent).await;
        assert_eq!(wire.end_of(1).await, End::Reset(PROTOCOL_ERROR));
        eventually("the connection upstream is broken off", || origin.open_connections() == 0).await;
        eventually("nothing is in flight", || router.in_flight() == 0).await;
    }
}

#[tokio::test]
async fn b07_a_response_that_breaks_off_is_a_reset_and_not_an_end() {
    let origin = Origin::start(|request| {
        Plan::close(match request.line() {
            "GET /length HTTP/1.1" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            "GET /chunks HTTP/1.1" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            _ => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        })
    })
    .await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    for path in ["/length", "/chunks", "/garbage"] {
        let error = client.get(path).await.unwrap_err();
        assert_eq!((error.is_remote(), error.reason()), (true, Some(Reason::INTERNAL_ERROR)), "{path}");
    }
}

#[tokio::test]
async fn b08_answers_without_a_body_have_none() {
    let origin = Origin::start(|request| {
        Plan::keep(match request.line() {
            "HEAD / HTTP/1.1" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
            "GET /304 HTTP/1.1" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n",
            _ => "HTTP/1.1 204 No Content\r\n\r\n",
        })
    })
    .await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    let head = http::Request::head("http://test/").body(()).unwrap();
    let reply = client.ask(head, None).await.unwrap();
    assert_eq!((reply.status, reply.header("content-length"), reply.text()), (200, Some("10"), ""));
    let reply = client.get("/304").await.unwrap();
    assert_eq!((reply.status, reply.text()), (304, ""));
    let reply = client.get("/204").await.unwrap();
    assert_eq!((reply.status, reply.header("content-length"), reply.text()), (204, None, ""));
    let head = http::Request::head("http://te,st/").header("host", "other").body(()).unwrap();
    let reply = client.ask(head, None).await.unwrap();
    assert_eq!((reply.status, reply.text()), (400, ""), "the router's own answer to HEAD");
}

#[tokio::test]
async fn b18_an_answer_in_mid_upload_ends_the_upload_and_nothing_else() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        if read_head(&mut stream, &mut buffer).await.is_some() {
            let _sent = stream.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig").await;
            let _closed = read_head(&mut stream, &mut buffer).await;
        }
    })
    .await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    let (response, mut upload) = client.open(h2client::post("/"), false).await.unwrap();
    upload.send_data(Bytes::from_static(b"begun"), false).unwrap();
    let reply = h2client::read(response.await.unwrap()).await.unwrap();
    assert_eq!((reply.status, reply.text()), (413, "big"));
    let reset = std::future::poll_fn(|cx| upload.poll_reset(cx)).await.unwrap();
    assert_eq!(reset, Reason::NO_ERROR, "RFC 9113 section 8.1");
    assert_eq!(client.get("/").await.unwrap().status, 413, "the connection goes on");
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn b19_a_reset_or_a_lost_connection_ends_the_request_upstream() {
    let origin = silent_origin().await;
    let router = Router::before(&origin);
    for is_reset in [true, false] {
        let seen = origin.requests().len();
        let mut wire = Wire::connect(router.address).await;
        wire.request(1, &GOOD).await;
        wire.request(3, &GOOD).await;
        eventually("both are upstream", || origin.requests().len() == seen + 2).await;
        assert_eq!(router.in_flight(), 2);
        if is_reset {
            wire.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
            eventually("one is given up", || (router.in_flight(), origin.open_connections()) == (1, 1)).await;
        }
        drop(wire);
        eventually("all are given up", || (router.in_flight(), origin.open_connections()) == (0, 0)).await;
    }
}

#[tokio::test]
async fn b16_a_client_that_waits_for_100_is_told_once_and_only_when_its_body_is_wanted() {
    let origin = Origin::start(|request| Plan::ok(std::str::from_utf8(&request.body).unwrap())).await;
    let router = Router::before(&origin);
    let client = H2Client::connect(router.address).await;
    let expecting = || http::Request::post("http://test/").header("expect", "100-continue").body(()).unwrap();
    let (mut response, mut upload) = client.open(expecting(), false).await.unwrap();
    let interim = std::future::poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
    assert_eq!(interim.status(), 100);
    upload.send_data(Bytes::from_static(b"all"), true).unwrap();
    assert_eq!(h2client::read(response.await.unwrap()).await.unwrap().text(), "all");
}

#[tokio::test]
async fn b23_a_client_that_opens_no_window_does_not_hold_its_server() {
    let body = vec![b'x'; 1 << 20];
    let origin = Origin::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        Plan::keep([head.as_bytes(), &body].concat())
    })
    .await;
    let settings = sluice_proxy::Settings { body_idle: Duration::from_millis(200), ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);
    let mut wire = Wire::connect(router.address).await;
    wire.request(1, &GOOD).await;
    assert_eq!(wire.end_of(1).await, End::Reset(CANCEL));
    eventually("the request is over", || router.in_flight() == 0).await;
    eventually("so is the connection upstream", || origin.open_connections() == 0).await;
    // The connection is as good as before for streams that are read; this one has no window either, but needs none.
    wire.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, &literals([(":method", "HEAD"), GOOD[1], GOOD[2], GOOD[3]])))
        .await;
    assert_eq!(wire.end_of(3).await, End::Answered(200));
}
