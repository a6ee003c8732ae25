//! B17: trailers, in both directions, byte for byte.

use crate::wire::{NEVER, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn b17_trailers_of_a_request_that_announces_them_arrive() {
    let wire = Wire::start(&[("\r\n0\r\n", ""), ("\r\n\r\n", OK)]).await;
    let reply = wire
        .router()
        .client()
        .await
        .ask(
            "POST / HTTP/1.1\r\nhost: test\r\ntrailer: x-sum, x-more, host, x-forwarded-for\r\ntransfer-encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\nX-Sum: 9\r\nx-more: 1\r\nx-more: 2\r\nhost: evil\r\nx-forwarded-for: 6.6.6.6\r\n\
             x-sluice-variant: canary\r\nauthorization: x\r\n\r\n",
        )
        .await;
    assert_eq!(reply.status, 200);
    let sent = wire.sent().remove(0);
    assert!(sent.contains("trailer: x-sum, x-more") && sent.contains("transfer-encoding: chunked\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n3\r\nabc\r\n0\r\nx-sum: 9\r\nx-more: 1\r\nx-more: 2\r\n\r\n"), "{sent}");
}

#[tokio::test]
async fn b17_trailers_that_nobody_announced_are_dropped_and_the_body_ends() {
    let wire = Wire::start(&[("\r\n0\r\n\r\n", OK), ("\r\n0\r\n\r\n", OK)]).await;
    let router = wire.router();
    let mut client = router.client().await;
    for _ in 0..2 {
        let request =
            "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n";
        assert_eq!(client.ask(request).await.status, 200);
    }
    assert_eq!(wire.sent().len(), 1, "the connection stays in use");
    assert!(!wire.sent()[0].contains("x-sum"));
}

#[tokio::test]
async fn b17_trailers_of_a_response_reach_who_takes_them() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ntrailer: grpc-status, x-sum, content-length\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\ngrpc-status: 5\r\nX-Sum: 9\r\ncontent-length: 7\r\nset-cookie: a=1\r\n\r\n";
    let wire = Wire::start(&[("\r\n\r\n", ANSWER), ("\r\n\r\n", ANSWER), (NEVER, "")]).await;
    let router = wire.router();
    let mut taking = router.client().await;
    taking.send("GET / HTTP/1.1\r\nhost: test\r\nte: gzip, trailers\r\nconnection: te\r\n\r\n").await;
    let seen = taking.until("grpc-status: 5\r\nx-sum: 9\r\n\r\n").await;
    assert!(seen.ends_with("\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 5\r\nx-sum: 9\r\n\r\n"), "{seen}");
    let sent = wire.sent().remove(0);
    assert!(sent.contains("te: trailers\r\n") && sent.contains("connection: te\r\n"), "it is asked for: {sent}");

    let mut other = router.client().await;
    other.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let seen = other.until("0\r\n\r\n").await;
    assert!(seen.ends_with("\r\n\r\n2\r\nok\r\n0\r\n\r\n") && !seen.contains("x-sum: 9"), "{seen}");
    assert_eq!(wire.sent().len(), 1, "the connection stays in use");
    assert!(!wire.sent()[0][sent.len()..].contains("te: trailers"));
}

#[tokio::test]
async fn b17_a_client_of_http_1_0_gets_no_trailers() {
    let wire = Wire::start(&[(
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n",
    )])
    .await;
    let mut client = wire.router().client().await;
    let reply = client.ask("GET / HTTP/1.0\r\nhost: test\r\nte: trailers\r\n\r\n").await;
    assert_eq!((reply.status, reply.text(), reply.header("trailer")), (200, "ok", None));
}

#[tokio::test]
async fn b17_bad_trailers_are_bad_framing() {
    let wire = Wire::start(&[("\r\n0\r\n\r\n", OK)]).await;
    let router = wire.router();
    let mut client = router.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: test\r\ntrailer: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx : 9\r\n\r\n")
        .await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
    assert!(client.is_closed().await);
}
