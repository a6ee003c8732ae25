//! Cross-origin requests: preflights are answered here, and a response says who may read it.

use crate::client::Reply;
use crate::origin::{Origin, Plan};
use crate::router::{Router, everything_to};

const CORS: &str = r#"cors = { origins = ["https://a.test", "https://*.b.test"], methods = ["PUT"], headers = ["x-a", "x-b"],
         expose = ["x-c"], credentials = true, max_age = "1h" }
"#;

async fn ask(router: &Router, method: &str, lines: &str) -> Reply {
    router.client().await.ask(format!("{method} / HTTP/1.1\r\nhost: test\r\n{lines}\r\n")).await
}

/// All names that begin with `access-control-`, sorted.
fn names(reply: &Reply) -> Vec<&str> {
    let mut names: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.retain(|name| name.starts_with("access-control-"));
    names.sort_unstable();
    names
}

fn varies_by(reply: &Reply, name: &str) -> bool {
    reply.headers.iter().any(|(known, value)| known == "vary" && value.eq_ignore_ascii_case(name))
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_router() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&format!("{}{CORS}", everything_to(&[&origin])));
    let preflight =
        "origin: https://x.b.test\r\naccess-control-request-method: PUT\r\naccess-control-request-headers: x-a\r\n";
    let reply = ask(&router, "OPTIONS", preflight).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://x.b.test"));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(reply.header("access-control-allow-methods"), Some("GET, HEAD, POST, PUT"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("x-a, x-b"));
    assert_eq!(reply.header("access-control-max-age"), Some("3600"));
    for name in ["origin", "access-control-request-method", "access-control-request-headers"] {
        assert!(varies_by(&reply, name), "{name}");
    }
    let stranger = preflight.replace("x.b.test", "evil.test");
    let reply = ask(&router, "OPTIONS", &stranger).await;
    assert_eq!((reply.status, names(&reply)), (204, vec![]));
    assert!(varies_by(&reply, "origin"));
    assert!(origin.requests().is_empty(), "no server sees a preflight");
}

#[tokio::test]
async fn options_that_announce_nothing_pass_on() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&format!("{}{CORS}", everything_to(&[&origin])));
    assert_eq!(ask(&router, "OPTIONS", "origin: https://a.test\r\n").await.text(), "ok");
    assert_eq!(ask(&router, "OPTIONS", "access-control-request-method: PUT\r\n").await.text(), "ok");
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn a_response_says_what_the_policy_says_and_not_what_the_server_says() {
    let theirs = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\naccess-control-allow-origin: *\r\naccess-control-max-age: 9\r\n\
                  access-control-expose-headers: x-secret\r\nvary: Accept\r\n\r\nok";
    let origin = Origin::start(move |_| Plan::keep(theirs)).await;
    let router = Router::start(&format!("{}{CORS}", everything_to(&[&origin])));
    let reply = ask(&router, "GET", "origin: https://a.test\r\n").await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.test"));
    assert_eq!(reply.header("access-control-expose-headers"), Some("x-c"));
    assert!(varies_by(&reply, "origin") && varies_by(&reply, "accept"));
    let expected = ["access-control-allow-credentials", "access-control-allow-origin", "access-control-expose-headers"];
    assert_eq!(names(&reply), expected);
    for stranger in ["origin: https://evil.test\r\n", "", "origin: https://a.test\r\norigin: https://a.test\r\n"] {
        let reply = ask(&router, "GET", stranger).await;
        assert_eq!((reply.status, names(&reply)), (200, vec![]), "{stranger}");
        assert!(varies_by(&reply, "origin"), "a cache must not give it to others");
    }
}

#[tokio::test]
async fn errors_of_the_router_can_be_read_across_origins_too() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&format!("{}{CORS}", everything_to(&[&origin])));
    drop(origin);
    let reply = ask(&router, "GET", "origin: https://a.test\r\n").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (503, Some("https://a.test")));
}

#[tokio::test]
async fn everybody_is_a_star_unless_cookies_come_along() {
    let origin = Origin::saying("ok").await;
    for (credentials, expected) in [(false, "*"), (true, "https://any.test")] {
        let cors = format!("cors = {{ origins = [\"*\"], credentials = {credentials} }}\n");
        let router = Router::start(&format!("{}{cors}", everything_to(&[&origin])));
        let reply = ask(&router, "GET", "origin: https://any.test\r\n").await;
        assert_eq!(reply.header("access-control-allow-origin"), Some(expected));
    }
}

#[tokio::test]
async fn a_preflight_finds_the_route_of_the_request_that_it_announces() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&format!("{}match = {{ method = \"PUT\" }}\n{CORS}", everything_to(&[&origin])));
    let preflight = "origin: https://a.test\r\naccess-control-request-method: ";
    assert_eq!(ask(&router, "OPTIONS", &format!("{preflight}PUT\r\n")).await.status, 204);
    assert_eq!(ask(&router, "OPTIONS", &format!("{preflight}DELETE\r\n")).await.status, 404);
    assert_eq!(ask(&router, "OPTIONS", "").await.status, 404);
}
