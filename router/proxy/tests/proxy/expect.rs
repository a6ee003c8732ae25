//! B16: `Expect: 100-continue` from end to end.

use crate::client::eventually;
use crate::origin::Origin;
use crate::router::Router;
use crate::wire::{NEVER, Wire};

const HEAD: &str = "POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-Continue\r\ncontent-length: 4\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[tokio::test]
async fn b16_the_body_is_asked_for_when_the_server_asks_for_it() {
    let wire = Wire::start(&[("\r\n\r\n", CONTINUE), ("body", OK), ("\r\n\r\n", OK)]).await;
    let router = wire.router();
    let mut client = router.client().await;
    client.send(HEAD).await;
    let mut seen = client.until("\r\n\r\n").await;
    assert_eq!(seen, CONTINUE);
    client.send("body").await;
    seen = client.until("ok").await;
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n") && !seen.contains(" 100 "), "said once: {seen}");
    let sent = wire.sent().remove(0);
    assert!(sent.contains("expect: 100-continue\r\n") && sent.ends_with("\r\n\r\nbody"), "{sent}");
    assert_eq!(client.get("/").await.status, 200, "both connections stay in use");
    assert_eq!(wire.sent().len(), 1);
}

#[tokio::test]
async fn b16_a_final_status_spares_the_body() {
    let wire =
        Wire::start(&[("\r\n\r\n", "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig"), (NEVER, "")])
            .await;
    let router = wire.router();
    let mut client = router.client().await;
    client.send(HEAD).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text(), reply.header("connection")), (413, "big", Some("close")));
    drop(client);
    eventually("the connection upstream ends", || wire.origin.open_connections() == 0).await;
    assert!(wire.sent()[0].ends_with("\r\n\r\n"), "no byte of a body: {:?}", wire.sent());
}

#[tokio::test]
async fn b16_a_server_that_knows_no_expectations_gets_the_body_in_the_end() {
    let wire = Wire::start(&[("\r\n\r\nbody", OK)]).await;
    let mut client = wire.router().client().await;
    client.send(HEAD).await;
    assert_eq!(client.until("\r\n\r\n").await, CONTINUE, "after a while");
    assert_eq!(client.ask("body").await.status, 200);
}

#[tokio::test]
async fn b16_a_body_that_comes_unasked_is_passed_on() {
    let wire = Wire::start(&[("\r\n\r\n", CONTINUE), ("body", OK)]).await;
    let mut client = wire.router().client().await;
    client.send([HEAD, "body"].concat()).await;
    let seen = client.until("ok").await;
    assert!(seen.matches("100 Continue").count() <= 1 && seen.contains("HTTP/1.1 200 OK\r\n"), "{seen}");
    assert!(wire.sent()[0].ends_with("\r\n\r\nbody"));
}

#[tokio::test]
async fn b16_more_than_one_interim_response_asks_once() {
    let wire = Wire::start(&[
        ("\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
        ("body", OK),
    ])
    .await;
    let mut client = wire.router().client().await;
    client.send(HEAD).await;
    assert_eq!(client.until("\r\n\r\n").await, CONTINUE);
    client.send("body").await;
    assert!(client.until("ok").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn b16_nothing_interim_for_http_1_0() {
    let wire = Wire::start(&[("\r\n\r\nbody", OK)]).await;
    let mut client = wire.router().client().await;
    client.send("POST / HTTP/1.0\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody").await;
    let seen = client.until("ok").await;
    assert!(seen.contains(" 200 OK\r\n") && !seen.contains("100"), "{seen}");
    assert!(!wire.sent()[0].contains("expect"));
}

#[tokio::test]
async fn b16_an_expectation_without_a_body_is_moot() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let reply = router.client().await.ask("GET / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n\r\n").await;
    assert_eq!((reply.status, origin.request().header("expect")), (200, None));
}

#[tokio::test]
async fn b16_an_unknown_expectation_is_a_417() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for expectation in ["200-maybe", "100-continue, x", "100-continue\r\nexpect: x"] {
        let mut client = router.client().await;
        let request =
            format!("POST / HTTP/1.1\r\nhost: test\r\nexpect: {expectation}\r\ncontent-length: 4\r\n\r\nbody");
        assert_eq!(client.ask(request).await.status, 417, "{expectation}");
    }
    assert!(origin.requests().is_empty());
}
