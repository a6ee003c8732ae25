//! B12-B15: header fields on their way through, checked at the origin and at the client.

use sluice_policy::{ListenerConfig, Underscores};
use sluice_proxy::Settings;

use crate::origin::{Origin, Plan, Request};
use crate::router::{Router, everything_to, settings};

/// Settings with one listener, changed.
fn listening(change: impl FnOnce(&mut ListenerConfig)) -> Settings {
    let mut settings = settings();
    change(&mut settings.listeners[0]);
    settings
}

/// A router before `origin` that believes loopback and 10.0.0.0/8.
fn trusting(origin: &Origin) -> Router {
    let networks = ["127.0.0.0/8", "10.0.0.0/8"].map(|network| network.parse().unwrap());
    Router::start_with(&everything_to(&[origin]), listening(|listener| listener.trusted_proxies = networks.to_vec()))
}

/// All lines of a field, in order.
fn lines<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    let lines = request.head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

#[tokio::test]
async fn b12_a_field_name_with_an_underscore_is_treated_as_the_listener_says() {
    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: test\r\nx_user: forged\r\nx-user: real\r\n\r\n";
    let origin = Origin::saying("ok").await;
    for (underscores, status, sent) in [
        (Underscores::Drop, 200, Some(None)),
        (Underscores::Allow, 200, Some(Some("forged"))),
        (Underscores::Reject, 400, None),
    ] {
        let before = origin.requests().len();
        let settings = listening(|listener| listener.underscores = underscores);
        let router = Router::start_with(&everything_to(&[&origin]), settings);
        assert_eq!(router.client().await.ask(REQUEST).await.status, status, "{underscores:?}");
        let request = origin.requests().get(before).cloned();
        assert_eq!(request.as_ref().map(|request| request.header("x_user")), sent, "{underscores:?}");
        assert!(request.is_none_or(|request| request.header("x-user") == Some("real")));
    }
}

#[tokio::test]
async fn b13_whatever_a_connection_line_nominates_stays_behind() {
    let origin = Origin::start(|_| {
        Plan::keep(
            "HTTP/1.1 200 OK\r\nconnection: x-down-one\r\nCONNECTION: , X-Down-Two ,via\r\nx-down-one: 1\r\nX-DOWN-TWO: 2\r\n\
             proxy-authenticate: basic\r\nproxy-connection: x\r\nte: x\r\nkeep-alive: 5\r\nupgrade: h2c\r\n\
             content-length: 2\r\n\r\nok",
        )
    })
    .await;
    let router =
        Router::start(&everything_to(&[&origin]).replace(
            "name = \"app\"",
            "name = \"app\"\nrequest_headers = { set = { authorization = \"Basic ours\" } }",
        ));
    let request = "GET / HTTP/1.1\r\nHost: test\r\nConnection: X-Up-One\r\nconnection: x-up-two, HOST, authorization,via\r\n\
         CONNECTION: forwarded, x-forwarded-for, content-length, x-sluice-request-id, \"quoted\", ,\r\n\
         X-Up-One: 1\r\nx-up-one: 1b\r\nX-UP-TWO: 2\r\nAuthorization: Basic theirs\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n\
         Proxy-Authorization: Basic x\r\nTE: gzip\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let reply = router.client().await.ask(request).await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    for gone in ["x-down-one", "x-down-two", "proxy-authenticate", "proxy-connection", "te", "keep-alive", "upgrade"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
    assert!(reply.header("via").is_some(), "ours is put on after the server's connection was heard");
    let request = origin.request();
    for gone in [
        "connection",
        "x-up-one",
        "x-up-two",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
        "http2-settings",
    ] {
        assert_eq!(request.header(gone), None, "{gone}: {}", request.head);
    }
    for (kept, value) in [("host", "test"), ("authorization", "Basic ours"), ("x-forwarded-for", "127.0.0.1")] {
        assert_eq!(lines(&request, kept), [value], "{kept}");
    }
    assert!(["via", "forwarded", "x-sluice-request-id"].iter().all(|ours| request.header(ours).is_some()));
}

#[tokio::test]
async fn b14_nobody_is_believed_who_is_not_trusted() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let request = "GET / HTTP/1.1\r\nhost: test:81\r\nx-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\n\
         x-forwarded-host: evil\r\nx-forwarded-port: 443\r\nforwarded: for=6.6.6.6;proto=https\r\nx-real-ip: 6.6.6.6\r\n\
         X-Forwarded-For: 7.7.7.7\r\n\r\n";
    assert_eq!(router.client().await.ask(request).await.status, 200);
    let request = origin.request();
    let port = router.address.port().to_string();
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "test:81"),
        ("x-forwarded-port", &*port),
        ("forwarded", "for=127.0.0.1;proto=http"),
    ] {
        assert_eq!(lines(&request, name), [value], "{name}");
    }
    assert_eq!(request.header("x-real-ip"), None);
}

#[tokio::test]
async fn b14_a_trusted_proxy_is_believed_and_appended_to() {
    let origin = Origin::saying("ok").await;
    let router = trusting(&origin);
    let request = "GET / HTTP/1.1\r\nhost: test\r\nx-forwarded-for: 6.6.6.6, 9.9.9.9\r\nx-forwarded-for: 10.0.0.1\r\n\
         x-forwarded-proto: https\r\nx-forwarded-host: shop.example\r\nx-forwarded-port: 443\r\n\
         forwarded: for=9.9.9.9;proto=https\r\n\r\n";
    assert_eq!(router.client().await.ask(request).await.status, 200);
    let request = origin.request();
    assert_eq!(lines(&request, "x-forwarded-for").join(", "), "6.6.6.6, 9.9.9.9, 10.0.0.1, 127.0.0.1");
    assert_eq!(lines(&request, "x-forwarded-proto"), ["https"]);
    assert_eq!(lines(&request, "x-forwarded-host"), ["shop.example"]);
    assert_eq!(lines(&request, "x-forwarded-port"), ["443"]);
    assert_eq!(lines(&request, "forwarded").join(", "), "for=9.9.9.9;proto=https, for=127.0.0.1;proto=http");
}

#[tokio::test]
async fn b14_what_a_trusted_proxy_leaves_out_is_said_here() {
    let origin = Origin::saying("ok").await;
    let router = trusting(&origin);
    assert_eq!(router.client().await.get("/").await.status, 200);
    let request = origin.request();
    assert_eq!(lines(&request, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(lines(&request, "x-forwarded-proto"), ["http"]);
    assert_eq!(lines(&request, "x-forwarded-host"), ["test"]);
}

#[tokio::test]
async fn b14_via_names_every_hop_and_ends_a_loop() {
    let origin =
        Origin::start(|_| Plan::keep("HTTP/1.0 200 OK\r\nvia: 1.1 cache\r\ncontent-length: 2\r\n\r\nok")).await;
    let router = Router::before(&origin);
    let request = "GET / HTTP/1.0\r\nhost: test\r\nvia: 1.1 one, 1.0 two (x)\r\nvia: 2 three\r\n\r\n";
    let reply = router.client().await.ask(request).await;
    assert_eq!(reply.status, 200);
    let vias = lines(&origin.request(), "via").join(", ");
    let ours = vias.strip_prefix("1.1 one, 1.0 two (x), 2 three, 1.0 ").unwrap().to_owned();
    let number = ours.strip_prefix("sluice-").unwrap();
    assert!(number.len() == 8 && number.bytes().all(|digit| digit.is_ascii_hexdigit()), "{ours}");
    let told: Vec<_> =
        reply.headers.iter().filter(|(name, _)| name == "via").map(|(_, value)| value.as_str()).collect();
    assert_eq!(told, ["1.1 cache", &format!("1.0 {ours}")]);
    for via in [format!("1.1 {ours}"), format!("1.1 a, HTTP/2 {} (x)", ours.to_uppercase()), vias.clone()] {
        let reply = router.client().await.ask(format!("GET / HTTP/1.1\r\nhost: test\r\nvia: {via}\r\n\r\n")).await;
        let said = reply.header("proxy-status");
        assert_eq!((reply.status, said), (508, Some("sluice; error=proxy_loop_detected; details=\"loop_detected\"")));
    }
    assert_eq!(origin.requests().len(), 1);
    let other = Router::before(&origin);
    let reply = other.client().await.ask(format!("GET / HTTP/1.1\r\nhost: test\r\nvia: 1.1 {ours}\r\n\r\n")).await;
    assert_eq!(reply.status, 200, "another router is no loop");
}

#[tokio::test]
async fn b14_a_router_before_itself_ends_the_loop() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    router.publish(&format!(
        "[upstreams.app]\nservers = [\"{}\"]\n[[routes]]\nname = \"app\"\nto = \"app\"\n",
        router.address
    ));
    assert_eq!(router.client().await.get("/").await.status, 508);
}

#[tokio::test]
async fn b15_cookies_are_one_line_and_set_cookie_lines_stay_apart() {
    let origin = Origin::start(|_| {
        Plan::keep("HTTP/1.1 200 OK\r\nset-cookie: a=1, b\r\nset-cookie: c=2\r\ncontent-length: 2\r\n\r\nok")
    })
    .await;
    let router = Router::before(&origin);
    let request = "GET / HTTP/1.1\r\nhost: test\r\ncookie: a=1\r\ncookie: b=2; c=3\r\nCookie: d=4\r\n\r\n";
    let reply = router.client().await.ask(request).await;
    assert_eq!(lines(&origin.request(), "cookie"), ["a=1; b=2; c=3; d=4"]);
    let set: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value).collect();
    assert_eq!(set, ["a=1, b", "c=2"]);
}
