//! Redirects: where a client is sent, and that nothing it writes gets into `Location` unchecked.

use crate::origin::Origin;
use crate::router::{Router, everything_to};

fn redirecting(redirect: &str) -> Router {
    let route = "[[routes]]\nname = \"old\"\nmatch = { path = { prefix = \"/old\" } }\n";
    Router::start(&format!("{route}redirect = {redirect}\n"))
}

async fn location(redirect: &str, target: &str, host: &str) -> (u16, Option<String>) {
    let router = redirecting(redirect);
    let reply = router.client().await.ask(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
    assert!(reply.body.is_empty() || reply.status == 400);
    (reply.status, reply.header("location").map(ToOwned::to_owned))
}

#[tokio::test]
async fn parts_that_are_not_named_stay_and_so_does_the_query() {
    for (redirect, host, expected) in [
        ("{ scheme = \"https\" }", "a.test", "https://a.test/old/x?q=1"),
        ("{ scheme = \"https\" }", "a.test:8080", "https://a.test/old/x?q=1"),
        ("{ scheme = \"https\", port = 8443 }", "a.test:8080", "https://a.test:8443/old/x?q=1"),
        ("{ host = \"b.test\" }", "a.test:8080", "http://b.test:8080/old/x?q=1"),
        ("{ port = 80 }", "a.test:8080", "http://a.test/old/x?q=1"),
        ("{ path = \"/new\" }", "A.Test.", "http://a.test/new?q=1"),
        ("{ prefix = \"/new\" }", "[::1]:81", "http://[::1]:81/new/x?q=1"),
        ("{ prefix = \"/\" }", "a.test", "http://a.test/x?q=1"),
    ] {
        let found = location(redirect, "/old/x?q=1", host).await;
        assert_eq!(found, (302, Some(expected.to_owned())), "{redirect}");
    }
}

#[tokio::test]
async fn the_status_is_the_one_that_the_policy_names() {
    for status in [301, 302, 303, 307, 308] {
        let found = location(&format!("{{ scheme = \"https\", status = {status} }}"), "/old", "a.test").await;
        assert_eq!(found, (status, Some("https://a.test/old".to_owned())));
    }
}

#[tokio::test]
async fn the_path_in_a_location_is_the_one_that_was_matched() {
    let redirect = "{ host = \"b.test\" }";
    let found = location(redirect, "/x/..//%6fld/%0a/..//evil", "a.test").await;
    assert_eq!(found.0, 400, "a line break is no path");
    let found = location(redirect, "/x/..//%6fld//evil.test/%E2%80%A8", "a.test").await;
    assert_eq!(found.1.as_deref(), Some("http://b.test/old/evil.test/%E2%80%A8"));
}

#[tokio::test]
async fn a_redirect_waits_for_no_body_and_no_server() {
    let origin = Origin::saying("ok").await;
    let rest = everything_to(&[&origin]);
    let old = "[[routes]]\nname = \"old\"\nmatch = { path = { prefix = \"/old\" } }\nredirect = { path = \"/new\", status = 308 }\n";
    let router = Router::start(&format!("{rest}{old}"));
    let mut client = router.client().await;
    client.send("POST /old HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("http://test/new")));
    assert_eq!(reply.header("proxy-status"), Some("sluice; details=\"redirect\""));
    assert!(origin.requests().is_empty());
    assert_eq!(router.client().await.get("/other").await.status, 200);
}
