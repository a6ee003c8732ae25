//! B1-B8 and B25: where a message ends, for every reader along the way the same.

use crate::client::eventually;
use crate::origin::{Origin, Plan};
use crate::router::Router;
use crate::wire::{NEVER, Wire};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn b01_a_coding_wins_over_a_length_and_nothing_follows() {
    for fields in ["content-length: 4\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 4"]
    {
        let origin = Origin::saying("ok").await;
        let router = Router::before(&origin);
        let mut client = router.client().await;
        let request = format!("POST / HTTP/1.1\r\nhost: test\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n{SMUGGLED}");
        let reply = client.ask(request).await;
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{fields}");
        assert!(client.is_closed().await, "{fields}");
        let request = origin.request();
        assert_eq!((request.header("content-length"), &*request.body), (None, &b"abc"[..]), "{fields}");
    }
}

#[tokio::test]
async fn b02_only_one_chunked_is_a_coding() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for (version, fields, status) in [
        ("1.1", "transfer-encoding: gzip, chunked", 501),
        ("1.1", "transfer-encoding: gzip\r\ntransfer-encoding: chunked", 501),
        ("1.1", "transfer-encoding: identity, chunked", 501),
        ("1.1", "transfer-encoding: chunked, gzip", 400),
        ("1.1", "transfer-encoding: gzip", 400),
        ("1.1", "transfer-encoding: chunked, chunked", 400),
        ("1.1", "transfer-encoding: chunked\r\ntransfer-encoding: chunked", 400),
        ("1.1", "transfer-encoding: chunked\r\ntransfer-encoding: identity", 400),
        ("1.1", "transfer-encoding: xchunked", 400),
        ("1.1", "transfer-encoding: chunked;q=1", 400),
        ("1.1", "transfer-encoding: \"chunked\"", 400),
        ("1.1", "transfer-encoding: \x0bchunked", 400),
        ("1.1", "transfer-encoding:", 400),
        ("1.1", "transfer-encoding:\r\ncontent-length: 3", 400),
        ("1.0", "transfer-encoding: chunked", 400),
        ("1.0", "connection: keep-alive\r\ntransfer-encoding: chunked", 400),
    ] {
        let mut client = router.client().await;
        let request = format!("POST / HTTP/{version}\r\nhost: test\r\n{fields}\r\n\r\n0\r\n\r\n{SMUGGLED}");
        assert_eq!(client.ask(request).await.status, status, "{fields:?}");
        assert!(client.is_closed().await, "{fields:?}");
    }
    let shouted = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n";
    assert_eq!(router.client().await.ask(shouted).await.status, 200);
    assert_eq!(origin.requests().len(), 1, "what was refused went nowhere");
}

#[tokio::test]
async fn b03_a_length_is_one_number() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for fields in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: 3, 4",
        "content-length: +3",
        "content-length: -3",
        "content-length: 0x3",
        "content-length: 3 3",
        "content-length: 3;",
        "content-length: three",
        "content-length:",
        "content-length: 18446744073709551616",
        "content-length: 99999999999999999999999999",
    ] {
        let mut client = router.client().await;
        let reply = client.ask(format!("POST / HTTP/1.1\r\nhost: test\r\n{fields}\r\n\r\nabc{SMUGGLED}")).await;
        assert_eq!(reply.status, 400, "{fields}");
        assert!(client.is_closed().await, "{fields}");
    }
    assert!(origin.requests().is_empty());
    let equal = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc";
    assert_eq!(router.client().await.ask(equal).await.status, 200);
    let request = origin.request();
    assert_eq!((request.head.matches("content-length").count(), &*request.body), (1, &b"abc"[..]));
}

#[tokio::test]
async fn b04_a_bad_chunk_in_mid_body_is_refused_and_never_looks_complete() {
    for bad in
        ["zz\r\n", "-1\r\n", "0x3\r\nabc\r\n", "3\r\nabcd\r\n", "3\nabc\n", "fffffffffffffffff\r\n", "\r\n", ";x\r\n"]
    {
        let wire = Wire::start(&[("\r\n\r\n", ""), (NEVER, "")]).await;
        let router = wire.router();
        let mut client = router.client().await;
        client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        eventually("the first chunk arrives", || wire.sent().first().is_some_and(|sent| sent.contains("abc"))).await;
        client.send([bad, "0\r\n\r\n", SMUGGLED].concat()).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.header("connection")), (400, Some("close")), "{bad:?}");
        assert!(client.is_closed().await, "{bad:?}");
        eventually("the connection upstream ends", || wire.origin.open_connections() == 0).await;
        let sent = wire.sent();
        assert_eq!(sent.len(), 1, "{bad:?}: {sent:?}");
        let body = sent[0].split_once("\r\n\r\n").unwrap().1;
        assert!(!body.contains("0\r\n\r\n") && !body.contains("smuggled"), "{bad:?}: {sent:?}");
    }
}

#[tokio::test]
async fn b04_an_upload_that_ends_early_never_looks_complete() {
    for fields in ["transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", "content-length: 9\r\n\r\nabc"] {
        let wire = Wire::start(&[("\r\n\r\n", ""), (NEVER, "")]).await;
        let router = wire.router();
        let mut client = router.client().await;
        client.send(format!("POST / HTTP/1.1\r\nhost: test\r\n{fields}")).await;
        eventually("the first bytes arrive", || wire.sent().first().is_some_and(|sent| sent.contains("abc"))).await;
        drop(client);
        eventually("the connection upstream ends", || wire.origin.open_connections() == 0).await;
        let sent = wire.sent().remove(0);
        assert!(sent.ends_with("\r\n\r\nabc") || sent.ends_with("\r\n\r\n3\r\nabc\r\n"), "{sent:?}");
        eventually("nothing is in flight", || router.in_flight() == 0).await;
    }
}

#[tokio::test]
async fn b05_what_two_parsers_may_read_differently_is_refused() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for head in [
        "GET / HTTP/1.1\r\nhost: test\r\nx-a: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx-a: b\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx-a : b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : test\r\n\r\n",
        "GET / HTTP/1.1\r\n host: test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx-a: b\rc\r\n\r\n",
        "GET / HTTP/1.1\rhost: test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx-a: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx\0a: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx a: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nno colon\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nhost: test\r\n\r\n",
        "GET / a HTTP/1.1\r\nhost: test\r\n\r\n",
        "GET / HTTP/1.2\r\nhost: test\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: test\r\n\r\n",
        "GET / http/1.1\r\nhost: test\r\n\r\n",
        "G\tT / HTTP/1.1\r\nhost: test\r\n\r\n",
    ] {
        let mut client = router.client().await;
        assert_eq!(client.ask(format!("{head}{SMUGGLED}")).await.status, 400, "{head:?}");
        assert!(client.is_closed().await, "{head:?}");
    }
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn b05_a_bare_line_feed_goes_no_further() {
    let wire = Wire::start(&[("\r\n\r\nabc", OK)]).await;
    let reply = wire.router().client().await.ask("POST / HTTP/1.1\nhost: test\nx-a: b\ncontent-length: 3\n\nabc").await;
    assert_eq!(reply.status, 200);
    let sent = wire.sent().remove(0);
    assert!(sent.contains("x-a: b\r\n"));
    assert_eq!(sent.matches('\n').count(), sent.matches("\r\n").count(), "{sent:?}");
}

#[tokio::test]
async fn b06_pipelined_requests_are_answered_in_order() {
    let origin = Origin::start(|request| {
        let said = format!("{} {}", request.line(), String::from_utf8_lossy(&request.body));
        Plan::ok(&said)
    })
    .await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    client
        .send(
            "GET /1 HTTP/1.1\r\nhost: test\r\n\r\nPOST /2 HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc\
             POST /3 HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n\
             GET /4 HTTP/1.1\r\nhost: test\r\n\r\nxyz\r\n\r\n",
        )
        .await;
    for said in ["GET /1 HTTP/1.1 ", "POST /2 HTTP/1.1 abc", "POST /3 HTTP/1.1 de", "GET /4 HTTP/1.1 "] {
        assert_eq!(client.reply().await.text(), said);
    }
    assert_eq!(client.reply().await.status, 400, "bytes after a message are the next one, or nothing");
    assert!(client.is_closed().await);
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test]
async fn b06_a_body_of_a_get_is_a_body() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for framed in ["content-length: 3\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"] {
        for method in ["GET", "DELETE", "OPTIONS", "PROPFIND"] {
            let before = origin.requests().len();
            let request = format!("{method} / HTTP/1.1\r\nhost: test\r\n{framed}");
            assert_eq!(router.client().await.ask(request).await.status, 200, "{method} {framed:?}");
            assert_eq!(origin.requests()[before].body, b"abc", "{method} {framed:?}");
        }
    }
}

#[tokio::test]
async fn b07_a_response_with_bad_framing_is_a_502() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: b\r\n folded\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nx-a: b\rc\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 99 Low\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/3.7 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        "220 ready\r\n\r\n",
    ] {
        let origin = Origin::start(move |_| Plan::keep(response)).await;
        let router = Router::before(&origin);
        let reply = router.client().await.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").await;
        let said = reply.header("proxy-status");
        let expected = Some("sluice; error=http_protocol_error; details=\"malformed_response\"");
        assert_eq!((reply.status, said), (502, expected), "{response:?}");
        eventually("its connection ends", || origin.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn b07_a_response_has_one_length_or_one_coding() {
    for (fields, length) in [
        ("content-length: 99\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        ("transfer-encoding: chunked\r\ncontent-length: 99\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        ("content-length: 2\r\ncontent-length: 2\r\n\r\nok", Some("2")),
        ("content-length: 2, 2\r\n\r\nok", Some("2")),
    ] {
        let origin = Origin::start(move |_| Plan::keep(format!("HTTP/1.1 200 OK\r\n{fields}"))).await;
        let router = Router::before(&origin);
        let mut client = router.client().await;
        let reply = client.get("/").await;
        assert_eq!((reply.text(), reply.header("content-length")), ("ok", length), "{fields:?}");
        assert_eq!(reply.headers.iter().filter(|(name, _)| name == "content-length").count(), length.iter().count());
        assert_eq!(client.get("/").await.text(), "ok", "the client's connection stays in use");
    }
}

#[tokio::test]
async fn b08_what_has_no_body_has_none_whatever_the_server_sends() {
    for (method, response, fields) in [
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", &[("content-length", None)][..]),
        ("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nextra", &[("content-length", None)]),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: \"x\"\r\n\r\n",
            &[("content-length", Some("5"))],
        ),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nextra", &[("content-length", Some("5"))]),
        ("GET", "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", &[("transfer-encoding", None)]),
        ("GET", "HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\n\r\nextra", &[("content-length", Some("0"))]),
        (
            "GET",
            "HTTP/1.1 205 Reset Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            &[("content-length", Some("0"))],
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n", &[("content-length", Some("12345"))]),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nextra", &[("content-length", Some("5"))]),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &[("content-length", None)]),
        ("HEAD", "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\n", &[("content-length", Some("7"))]),
    ] {
        let origin = Origin::start(move |_| Plan::keep(response)).await;
        let router = Router::before(&origin);
        let mut client = router.client().await;
        for _ in 0..3 {
            // A body where none may be would be taken for the next response.
            let reply = client.ask(format!("{method} / HTTP/1.1\r\nhost: test\r\n\r\n")).await;
            assert!(response.contains(&reply.status.to_string()) && reply.body.is_empty(), "{response:?}: {reply:?}");
            for (name, value) in fields {
                assert_eq!(reply.header(name), *value, "{method} {response:?}");
            }
        }
    }
}

#[tokio::test]
async fn b08_interim_responses_are_not_the_answer() {
    let origin = Origin::start(|_| {
        Plan::keep(format!("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{OK}"))
    })
    .await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    for _ in 0..3 {
        let reply = client.get("/").await;
        assert_eq!((reply.status, reply.text(), reply.header("link")), (200, "ok", None));
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn b25_a_client_of_http_1_0_gets_no_chunks() {
    let origin = Origin::start(|request| {
        Plan::keep(match request.line() {
            "GET /chunks HTTP/1.1" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            _ => OK,
        })
    })
    .await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    client.send("GET /chunks HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.header("transfer-encoding"), reply.header("content-length"), reply.text()), (None, None, "ok"));
    assert_ne!(reply.header("connection"), Some("keep-alive"), "its end is the end of the connection");
    let mut client = router.client().await;
    for _ in 0..2 {
        let reply = client.ask("GET /length HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n").await;
        assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("keep-alive")));
    }
    assert_eq!(client.ask("GET /length HTTP/1.0\r\nhost: test\r\n\r\n").await.text(), "ok");
    assert!(client.is_closed().await);
}
