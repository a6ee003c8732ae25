//! Heads: what is refused, what is rewritten, what is taken off and put on.

use crate::origin::{Origin, Plan};
use crate::router::{Router, everything_to};

#[tokio::test]
async fn fields_of_a_connection_go_no_further_in_either_direction() {
    let origin = Origin::start(|_| {
        Plan::keep(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: X-Down, keep-alive\r\nx-down: 1\r\nkeep-alive: timeout=5\r\n\
             x-kept: 1\r\nx-sluice-variant: forged\r\nupgrade: h2c\r\n\r\nok",
        )
    })
    .await;
    let router = Router::before(&origin);
    let reply = router
        .client()
        .await
        .ask(
            "GET / HTTP/1.1\r\nhost: Test:80\r\nconnection: x-up\r\nConnection: keep-alive, X-Forwarded-For\r\nx-up: 1\r\n\
             te: gzip\r\nproxy-connection: keep-alive\r\nx-kept: 1\r\nx-forwarded-for: 6.6.6.6\r\n\
             x-sluice-request-id: forged\r\nx-sluice-variant: canary\r\n\r\n",
        )
        .await;
    let request = origin.request();
    for gone in ["x-up", "te", "proxy-connection", "connection", "x-sluice-variant"] {
        assert_eq!(request.header(gone), None, "{gone} in {}", request.head);
    }
    assert_eq!(request.header("host"), Some("Test:80"));
    assert_eq!(request.header("x-kept"), Some("1"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-host"), Some("Test:80"));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    assert_eq!(request.header("forwarded"), Some("for=127.0.0.1;proto=http"));
    assert!(request.header("via").unwrap().starts_with("1.1 sluice-"));
    for gone in ["x-down", "keep-alive", "upgrade", "connection", "x-sluice-variant"] {
        assert_eq!(reply.header(gone), None, "{gone} in {reply:?}");
    }
    assert_eq!(reply.header("x-kept"), Some("1"));
    assert!(reply.header("via").unwrap().starts_with("1.1 sluice-"));
    let id = reply.header("x-sluice-request-id").unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(request.header("x-sluice-request-id"), Some(id), "client and server read one id");
}

#[tokio::test]
async fn a_request_needs_exactly_one_valid_host() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for (what, head) in [
        ("missing", "GET / HTTP/1.1\r\n\r\n"),
        ("missing in 1.0", "GET / HTTP/1.0\r\n\r\n"),
        ("doubled", "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
        ("empty", "GET / HTTP/1.1\r\nhost:\r\n\r\n"),
        ("list", "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n"),
        ("user", "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n"),
        ("path", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    ] {
        let reply = router.client().await.ask(head).await;
        assert_eq!(reply.status, 400, "{what}");
        assert_eq!(
            reply.header("proxy-status"),
            Some("sluice; error=http_request_error; details=\"invalid_host\""),
            "{what}"
        );
        assert_eq!(reply.text(), "400 no single valid host\n", "nothing is repeated");
    }
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn the_authority_of_an_absolute_target_is_the_host() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let reply = router.client().await.ask("GET http://real:81/p?q HTTP/1.1\r\nhost: other\r\n\r\n").await;
    assert_eq!(reply.status, 200);
    let request = origin.request();
    assert_eq!((request.line(), request.header("host")), ("GET /p?q HTTP/1.1", Some("real:81")));
}

#[tokio::test]
async fn the_path_that_was_matched_is_the_path_that_is_sent() {
    let (app, gated) = (Origin::saying("app").await, Origin::saying("gated").await);
    let policy = format!(
        "{}[upstreams.gated]\nservers = [\"{}\"]\n[[routes]]\nname = \"gated\"\nmatch = {{ path = {{ prefix = \"/set\" }} }}\n\
         to = \"gated\"\n",
        everything_to(&[&app]),
        gated.address
    );
    let router = Router::start(&policy);
    let mut client = router.client().await;
    for (raw, sent) in [
        ("/set", "/set"),
        ("/%73et?a=%73", "/set?a=%73"),
        ("/x/../set/./y", "/set/y"),
        ("//set", "/set"),
        ("/x/%2e%2e/set", "/set"),
    ] {
        let reply = client.get(raw).await;
        assert_eq!(reply.text(), "gated", "{raw}");
        let last = gated.requests().pop().unwrap();
        assert_eq!(last.line(), format!("GET {sent} HTTP/1.1"), "{raw}");
    }
    assert_eq!(client.get("/settle").await.text(), "app");
    assert_eq!(client.get("/%").await.status, 400);
}

#[tokio::test]
async fn what_is_not_served_is_answered() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&everything_to(&[&origin]).replace("[[routes]]", "[[routes]]\nhosts = [\"test\"]"));
    for (head, status) in [
        ("CONNECT test:80 HTTP/1.1\r\nhost: test:80\r\n\r\n", 501),
        ("TRACE / HTTP/1.1\r\nhost: test\r\n\r\n", 501),
        ("OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n", 204),
        ("GET * HTTP/1.1\r\nhost: test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: other\r\n\r\n", 404),
        ("POST / HTTP/1.1\r\nhost: test\r\nexpect: 200-maybe\r\ncontent-length: 0\r\n\r\n", 417),
        ("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ] {
        let reply = router.client().await.ask(head).await;
        assert_eq!(reply.status, status, "{head}");
        assert_eq!(reply.header("proxy-status").is_some(), status != 204, "{head}");
    }
    assert!(origin.requests().is_empty());
    assert_eq!(router.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn responses_without_a_body_keep_their_length() {
    let origin = Origin::start(|request| {
        if request.head.starts_with("HEAD") {
            Plan::keep("HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n")
        } else {
            Plan::keep("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n")
        }
    })
    .await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    let head = client.ask("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("12345")));
    let unchanged = client.get("/").await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some("\"x\"")));
    assert_eq!(origin.connections(), 1, "both connections stay in use");
}

#[tokio::test]
async fn a_length_beside_a_coding_is_dropped_both_ways() {
    let origin = Origin::start(|_| {
        Plan::keep("HTTP/1.1 200 OK\r\ncontent-length: 99\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    })
    .await;
    let router = Router::before(&origin);
    let request =
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let reply = router.client().await.ask(request).await;
    assert_eq!((reply.text(), reply.header("content-length")), ("ok", None));
    let request = origin.request();
    assert_eq!((request.header("content-length"), &*request.body), (None, &b"abc"[..]));
}
