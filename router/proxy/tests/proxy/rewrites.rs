//! Rewrites: the server sees another host or path, everybody before it the one that was asked for.

use crate::origin::Origin;
use crate::router::{Router, everything_to};

/// What a server gets of `target` from a route with this prefix and this rewrite.
async fn sent(prefix: &str, rewrite: &str, target: &str) -> String {
    let origin = Origin::saying("ok").await;
    let route = format!("match = {{ path = {{ prefix = \"{prefix}\" }} }}\nrewrite = {rewrite}\n");
    let router = Router::start(&format!("{}{route}", everything_to(&[&origin])));
    assert_eq!(router.client().await.get(target).await.status, 200, "{target}");
    let request = origin.request();
    request.line().split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_prefix_is_replaced_by_whole_segments() {
    // The table of the Gateway API's `ReplacePrefixMatch`.
    for (prefix, rewrite, target, expected) in [
        ("/foo", "/xyz", "/foo/bar", "/xyz/bar"),
        ("/foo", "/xyz/", "/foo/bar", "/xyz/bar"),
        ("/foo/", "/xyz", "/foo/bar", "/xyz/bar"),
        ("/foo/", "/xyz/", "/foo/bar", "/xyz/bar"),
        ("/foo", "/xyz", "/foo", "/xyz"),
        ("/foo", "/xyz", "/foo/", "/xyz/"),
        ("/foo", "/", "/foo/bar", "/bar"),
        ("/foo", "/", "/foo/", "/"),
        ("/foo", "/", "/foo", "/"),
        ("/", "/v2", "/foo", "/v2/foo"),
        ("/foo", "/xyz", "/./foo//b%61r?q=%41//", "/xyz/bar?q=%41//"),
    ] {
        let rewrite = format!("{{ prefix = \"{rewrite}\" }}");
        assert_eq!(sent(prefix, &rewrite, target).await, expected, "{prefix} {rewrite} {target}");
    }
}

#[tokio::test]
async fn a_whole_path_is_replaced_and_the_query_stays() {
    assert_eq!(sent("/foo", "{ path = \"/index.html\" }", "/foo/bar?a=1&b").await, "/index.html?a=1&b");
}

#[tokio::test]
async fn the_longest_prefix_that_matched_is_the_one_replaced() {
    let origin = Origin::saying("ok").await;
    let route =
        "match = [{ path = { prefix = \"/a\" } }, { path = { prefix = \"/a/b\" } }]\nrewrite = { prefix = \"/c\" }\n";
    let router = Router::start(&format!("{}{route}", everything_to(&[&origin])));
    let mut client = router.client().await;
    for (target, expected) in
        [("/a/x", "GET /c/x HTTP/1.1"), ("/a/b/x", "GET /c/x HTTP/1.1"), ("/a/bx", "GET /c/bx HTTP/1.1")]
    {
        client.get(target).await;
        assert_eq!(origin.requests().last().unwrap().line(), expected);
    }
}

#[tokio::test]
async fn the_server_gets_another_host_and_is_told_the_one_asked_for() {
    let origin = Origin::saying("ok").await;
    let route = "rewrite = { host = \"inner.test:81\" }\n";
    let router = Router::start(&format!("{}{route}", everything_to(&[&origin])));
    router.client().await.ask("GET / HTTP/1.1\r\nhost: Outer.Test\r\n\r\n").await;
    let request = origin.request();
    assert_eq!(request.header("host"), Some("inner.test:81"));
    assert_eq!(request.header("x-forwarded-host"), Some("Outer.Test"));
}

#[tokio::test]
async fn plugins_see_the_path_that_was_asked_for() {
    let origin = Origin::saying("ok").await;
    let plugin = r#"plugins = ["flags"]
rewrite = { path = "/set" }
[plugins.flags]
file = "feature-flags.wasm"
grants = { state = ["flag:featureFlags"] }
config = { gates = [{ flag = "featureFlags", paths = ["/set"] }] }
"#;
    let policy = format!("{}{plugin}", everything_to(&[&origin]));
    let router = Router::start(&policy);
    assert_eq!(router.client().await.get("/open").await.status, 200, "a rewrite to a gated path passes no gate");
    assert_eq!(origin.request().line(), "GET /set HTTP/1.1");
    assert_ne!(router.client().await.get("/set").await.status, 200);
}
