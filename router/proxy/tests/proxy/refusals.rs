//! B28: whatever the router answers by itself says why, and repeats nothing that it was sent.

use std::time::Duration;

use sluice_snapshot::Reason;
use tokio::net::TcpListener;

use crate::origin::Origin;
use crate::router::{Router, everything_to, settings};

const ECHO: &str = "TellTale";

#[tokio::test]
async fn b28_every_refusal_names_its_reason_and_repeats_nothing() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&everything_to(&[&origin]).replace("[[routes]]", "[[routes]]\nhosts = [\"test\"]"));
    let long = "x".repeat(70_000);
    for (head, status, error, reason) in [
        ("GET / HTTP/1.1\r\nhost: TellTale, b\r\n\r\n", 400, "http_request_error", "invalid_host"),
        ("GET /TellTale%zz HTTP/1.1\r\nhost: test\r\n\r\n", 400, "http_request_error", "invalid_path"),
        ("GET ftp://TellTale/ HTTP/1.1\r\nhost: test\r\n\r\n", 400, "http_request_error", "invalid_target"),
        ("TRACE /TellTale HTTP/1.1\r\nhost: test\r\n\r\n", 501, "http_request_denied", "method_refused"),
        ("GET /TellTale HTTP/1.1\r\nhost: TellTale\r\n\r\n", 404, "destination_not_found", "no_route"),
        ("GET / HTTP/1.1\r\nhost: test\r\nexpect: TellTale\r\n\r\n", 417, "http_request_error", "unknown_expectation"),
        ("GET /TellTale HTTP/1.1\r\nhost: test\r\nTellTale\r\n\r\n", 400, "http_request_error", "malformed_head"),
        ("TellTale\r\n\r\n", 400, "http_request_error", "malformed_head"),
        (
            &format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", &long[..17_000]),
            414,
            "http_request_error",
            "target_too_long",
        ),
        (&format!("GET / HTTP/1.1\r\nhost: test\r\nx: {long}\r\n\r\n"), 431, "http_request_error", "head_too_large"),
        (
            &format!("GET / HTTP/1.1\r\nhost: test\r\n{}\r\n", "x: y\r\n".repeat(200)),
            431,
            "http_request_error",
            "head_too_large",
        ),
    ] {
        let reply = router.client().await.ask(head).await;
        let said = format!("sluice; error={error}; details=\"{reason}\"");
        let line = &head[..head.len().min(60)];
        assert_eq!((reply.status, reply.header("proxy-status")), (status, Some(&*said)), "{line:?}");
        assert!(
            !reply.text().contains(ECHO) && !reply.headers.iter().any(|(_, value)| value.contains(ECHO)),
            "{line:?}"
        );
    }
    assert!(origin.requests().is_empty());
    let counted = |reason| router.shared.traffic.worker(0).reasons.of(reason);
    assert_eq!(
        (counted(Reason::MalformedHead), counted(Reason::HeadTooLarge), counted(Reason::InvalidHost)),
        (2, 2, 1)
    );
}

#[tokio::test]
async fn b28_a_head_that_cannot_be_read_is_refused_with_its_reason_after_other_requests_too() {
    let origin = Origin::saying("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    for _ in 0..3 {
        // What looks like a refusal in a body is none.
        assert_eq!(client.get("/").await.text(), "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    }
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\nnonsense\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
    let reply = client.reply().await;
    let said = Some("sluice; error=http_request_error; details=\"malformed_head\"");
    assert_eq!((reply.status, reply.header("proxy-status"), reply.header("connection")), (400, said, Some("close")));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn b28_a_head_that_comes_too_late_and_a_server_that_is_down_say_so() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let policy = format!("[upstreams.app]\nservers = [\"{dead}\"]\n[[routes]]\nname = \"app\"\nto = \"app\"\n");
    let settings = sluice_proxy::Settings { header_read: Duration::from_millis(100), ..settings() };
    let router = Router::start_with(&policy, settings);
    let mut late = router.client().await;
    late.send("GET / HTTP/1.1\r\nhost: te").await;
    let reply = late.reply().await;
    let said = Some("sluice; error=http_request_error; details=\"head_timeout\"");
    assert_eq!((reply.status, reply.header("proxy-status")), (408, said));
    let reply = router.client().await.get("/").await;
    let said = Some("sluice; error=connection_refused; details=\"connection_refused\"");
    assert_eq!((reply.status, reply.header("proxy-status"), reply.header("retry-after")), (503, said, Some("1")));
}
