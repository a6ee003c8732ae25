//! B9, B10, B12 and B15: which resource a request is for, and how far it may go.

use sluice_policy::EncodedSlash;

use crate::origin::Origin;
use crate::router::{Router, everything_to, settings};

/// A router before `origin` with a route for the host `named` and none for others.
fn only_for(host: &str, origin: &Origin) -> Router {
    Router::start(&everything_to(&[origin]).replace("[[routes]]", &format!("[[routes]]\nhosts = [\"{host}\"]")))
}

#[tokio::test]
async fn b10_routing_goes_by_the_authority_of_an_absolute_target() {
    let origin = Origin::saying("ok").await;
    let router = only_for("real", &origin);
    for (target, host, status) in [
        ("http://real/p", "other", 200),
        ("HTTP://REAL:80/p", "other", 200),
        ("http://other/p", "real", 404),
        ("http://real:x/p", "real", 400),
        ("http://user@real/p", "real", 400),
        ("https://real/p", "real", 400),
        ("ftp://real/p", "real", 400),
        ("real:80", "real", 400),
        ("real", "real", 400),
        ("?q", "real", 400),
    ] {
        let reply = router.client().await.ask(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status, status, "{target} {host}");
    }
    let hosts: Vec<_> = origin.requests().iter().map(|request| request.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts, ["real", "REAL:80"]);
    assert!(origin.requests().iter().all(|request| request.line() == "GET /p HTTP/1.1"));
}

#[tokio::test]
async fn b10_an_asterisk_is_answered_here() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    let reply = client.ask("OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(client.get("/").await.status, 200, "the connection stays in use");
    for method in ["GET", "POST", "HEAD", "PUT"] {
        let reply = router.client().await.ask(format!("{method} * HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        assert_eq!(reply.status, 400, "{method}");
    }
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn b10_connect_and_trace_are_refused_and_close() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for head in ["CONNECT test:80 HTTP/1.1\r\nhost: test:80\r\n\r\n", "TRACE / HTTP/1.1\r\nhost: test\r\n\r\n"] {
        let mut client = router.client().await;
        let reply = client.ask(head).await;
        assert_eq!((reply.status, reply.header("connection")), (501, Some("close")), "{head}");
        assert!(client.is_closed().await);
    }
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn b12_an_encoded_slash_is_treated_as_the_listener_says() {
    let origin = Origin::saying("ok").await;
    for (policy, cases) in [
        (EncodedSlash::Keep, &[("/a%2fb", Some("/a%2Fb")), ("/x/..%2fset", Some("/x/..%2Fset"))][..]),
        (EncodedSlash::Reject, &[("/a%2fb", None), ("/a%2Fb", None), ("/a/b", Some("/a/b"))]),
        (
            EncodedSlash::Decode,
            &[("/a%2fb", Some("/a/b")), ("/x/..%2fset", Some("/set")), ("/a%252fb", Some("/a%252fb"))],
        ),
    ] {
        let mut settings = settings();
        settings.listeners[0].encoded_slash = policy;
        let router = Router::start_with(&everything_to(&[&origin]), settings);
        for (raw, sent) in cases {
            let before = origin.requests().len();
            let status = router.client().await.get(raw).await.status;
            assert_eq!(status, if sent.is_some() { 200 } else { 400 }, "{policy:?} {raw}");
            let line = origin.requests().get(before).map(|request| request.line().to_owned());
            assert_eq!(line, sent.map(|sent| format!("GET {sent} HTTP/1.1")), "{policy:?} {raw}");
        }
    }
}

#[tokio::test]
async fn b15_max_forwards_counts_down_and_ends_here() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let options = |fields: &str| format!("OPTIONS /p HTTP/1.1\r\nhost: test\r\n{fields}\r\n\r\n");
    assert_eq!(router.client().await.ask(options("max-forwards: 0")).await.status, 204, "answered here");
    assert!(origin.requests().is_empty());
    for (said, sent) in [("7", "6"), ("1", "0"), ("99999999999999999999", "18446744073709551614")] {
        let before = origin.requests().len();
        assert_eq!(router.client().await.ask(options(&format!("max-forwards: {said}"))).await.status, 200);
        assert_eq!(origin.requests()[before].header("max-forwards"), Some(sent));
    }
    for nonsense in ["max-forwards: -1", "max-forwards: x", "max-forwards:", "max-forwards: 1\r\nmax-forwards: 2"] {
        let before = origin.requests().len();
        assert_eq!(router.client().await.ask(options(nonsense)).await.status, 200, "{nonsense}");
        assert_eq!(origin.requests()[before].header("max-forwards"), None, "{nonsense}");
    }
    let reply = router.client().await.ask("GET / HTTP/1.1\r\nhost: test\r\nmax-forwards: 0\r\n\r\n").await;
    assert_eq!(reply.status, 200, "it is for OPTIONS and TRACE");
}

#[tokio::test]
async fn b15_unknown_methods_pass() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for method in ["PROPFIND", "PURGE", "get", "M-SEARCH", "X!#$%&'*+.^_`|~0"] {
        let before = origin.requests().len();
        let reply = router.client().await.ask(format!("{method} / HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        assert_eq!(reply.status, 200, "{method}");
        assert_eq!(origin.requests()[before].line(), format!("{method} / HTTP/1.1"));
    }
}
