//! What users of young proxies complain about most, and no other file here tests under that name. The whole list, with the
//! tests of each complaint, is in `docs/http-conformance.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use sluice_proxy::Settings;
use tokio::net::TcpListener;

use crate::client::eventually;
use crate::origin::{Origin, Plan};
use crate::router::{Router, everything_to, settings};

const CLIENTS: usize = 16;
const REQUESTS: usize = 60;
/// What hides in the body of another request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n";

/// A server that closes a connection after a few requests, and does not say so before.
#[tokio::test]
async fn random_502s_a_server_that_closes_as_it_likes_costs_no_get() {
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let origin = Origin::start(move |_| {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if count.fetch_add(1, Ordering::Relaxed) % 3 == 2 { Plan::close(answer) } else { Plan::keep(answer) }
    })
    .await;
    let router = Router::before(&origin);
    let clients = (0..CLIENTS).map(|_| async {
        let mut client = router.client().await;
        for _ in 0..REQUESTS {
            let reply = client.get("/").await;
            assert_eq!((reply.status, reply.text()), (200, "ok"), "{reply:?}");
        }
    });
    join_all(clients).await;
    assert!(answered.load(Ordering::Relaxed) >= CLIENTS * REQUESTS);
}

/// One request that holds another in its body, with every disguise of its framing that two parsers may read differently.
/// The origin gets it whole as one request, or not at all; the rest of the connection is never a request of its own.
#[tokio::test]
async fn smuggling_no_disguise_of_the_framing_makes_two_requests_of_one() {
    let length = SMUGGLED.len();
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let declared = chunked.len();
    for framing in [
        format!("content-length: {declared}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {declared}"),
        format!("content-length: {declared}\r\ntransfer-encoding: xchunked"),
        format!("content-length: {declared}\r\ntransfer-encoding: chunked, identity"),
        format!("content-length: {declared}\r\ntransfer-encoding: identity, chunked"),
        format!("content-length: {declared}\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity"),
        format!("content-length: {declared}\r\ntransfer-encoding : chunked"),
        format!("content-length: {declared}\r\n transfer-encoding: chunked"),
        format!("content-length: {declared}\r\nx: y\r\n transfer-encoding: chunked"),
        format!("content-length: {declared}\r\ntransfer-encoding:\r\n chunked"),
        format!("content-length: {declared}\r\ntransfer-encoding:\x0bchunked"),
        format!("content-length: {declared}\r\ntransfer_encoding: chunked"),
        format!("content-length: {declared}\r\nx: y\rtransfer-encoding: chunked"),
        format!("content-length: {declared}\r\nx: y\ntransfer-encoding: chunked"),
        format!("content-length: {declared}\r\ncontent-length: 5"),
        format!("content-length: 5\r\ncontent-length: {declared}"),
        format!("content-length: 5, {declared}"),
        format!("content-length: +{declared}"),
        format!("content-length: {declared} 5"),
        format!("content-length: 0x{declared:x}"),
        format!("content-length: {declared}\r\nexpect: 100-continue\r\nconnection: content-length"),
        format!("content-length: {declared}\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings"),
    ] {
        let origin = Origin::saying("ok").await;
        let router = Router::before(&origin);
        let mut client = router.client().await;
        client
            .send(format!("POST /outer HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{framing}\r\n\r\n{chunked}"))
            .await;
        client.end().await;
        eventually("nothing is in flight", || router.in_flight() == 0).await;
        let requests = origin.requests();
        assert!(requests.len() <= 1, "{framing}: {requests:?}");
        for request in requests {
            assert_eq!(request.line(), "POST /outer HTTP/1.1", "{framing}");
            let body = request.body.len();
            assert!(body == declared || body == 0, "{framing}: {body} bytes reach the origin");
            assert!(body == 0 || request.header("content-length") == Some(&*declared.to_string()), "{framing}");
        }
    }
    assert!(length < declared, "the one hides in the other");
}

/// Two parsers that disagree on where an upgrade happened: only a 101 that was asked for would open a tunnel.
#[tokio::test]
async fn smuggling_an_upgrade_opens_no_tunnel() {
    let (app, origin) = (Origin::saying("app").await, upgrading().await);
    let policy = format!(
        "{}[upstreams.socket]\nservers = [\"{}\"]\n[[routes]]\nname = \"socket\"\nto = \"socket\"\n\
         match = {{ path = {{ exact = \"/socket\" }} }}\n",
        everything_to(&[&app]),
        origin.address
    );
    let router = Router::start(&policy);
    let mut client = router.client().await;
    let upgrade = "GET /socket HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let reply = client.ask([upgrade, SMUGGLED].concat()).await;
    assert_ne!(reply.status, 101, "{reply:?}");
    for request in origin.requests() {
        assert_eq!((request.header("upgrade"), request.header("connection")), (None, None), "{}", request.head);
        assert!(request.line().starts_with("GET /socket "), "{}", request.head);
    }
    // What followed was a request, and went where requests of its path go.
    assert_eq!(client.reply().await.text(), "app");
    assert_eq!(app.request().line(), "GET /smuggled HTTP/1.1");
}

/// A server that switches protocols although nobody asked it to.
async fn upgrading() -> Origin {
    Origin::start(|_| {
        Plan::keep("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    })
    .await
}

/// Each 503 says why to its client, and when to come again.
#[tokio::test]
async fn unexplained_503s_every_one_says_why() {
    let silent = Origin::raw(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let route = |name: &str, more: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\nto = \"{name}\"\nmatch = {{ path = {{ exact = \"/{name}\" }} }}\n{more}"
        )
    };
    let policy = [
        format!("[upstreams.dead]\nservers = [\"{dead}\"]\n"),
        "[upstreams.empty]\ndiscover = { app = \"x\", variant = \"y\" }\n".to_owned(),
        format!("[upstreams.busy]\nservers = [\"{}\"]\nconnections_max = 1\npending_max = 1\n", silent.address),
        format!("[upstreams.crowded]\nservers = [\"{}\"]\n", silent.address),
        route("dead", ""),
        route("empty", ""),
        route("busy", "timeouts = { connect = \"100ms\" }\n"),
        route("crowded", "limits = { in_flight = 1 }\n"),
    ]
    .concat();
    let router = Router::start_with(&policy, Settings { ..settings() });
    let mut waiting = Vec::new();
    for path in ["busy", "crowded"] {
        let mut client = router.client().await;
        client.send(format!("GET /{path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        waiting.push(client);
    }
    eventually("both places are taken", || silent.connections() == 2).await;
    for path in ["dead", "empty", "busy", "crowded"] {
        let reply = router.client().await.get(&format!("/{path}")).await;
        assert_eq!(reply.status, 503, "{path}: {reply:?}");
        let said = reply.header("proxy-status").unwrap_or_default();
        assert!(said.starts_with("sluice; error=") && said.contains("details=\""), "{path}: {said}");
        assert!(reply.header("retry-after").is_some(), "{path}: {reply:?}");
        assert!(reply.text().starts_with("503 "), "{path}: {reply:?}");
    }
}
