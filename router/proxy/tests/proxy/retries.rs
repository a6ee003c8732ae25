//! B20, B21: what is sent again, how often, and what never is.

use std::time::Duration;

use crate::origin::{Origin, Plan};
use crate::router::{Router, balanced};

const FAILING: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad";
const BY_STATUS: &str = "retries = { attempts = 2, statuses = [503], backoff = \"1ms\" }";
/// So that every failed attempt leaves its server in turn, and the budget allows everything.
const IN_TURN: &str = "balance = \"round-robin\"\nejection = { consecutive_failures = 0 }\n\
                       retry_budget = { percent = 100, per_second_min = 100 }";

async fn failing() -> Origin {
    Origin::start(|_| Plan::keep(FAILING)).await
}

#[tokio::test]
async fn b21_a_status_is_tried_again_on_another_server() {
    let (bad, good) = (failing().await, Origin::saying("ok").await);
    let router = Router::start(&balanced(&[&bad, &good], IN_TURN, BY_STATUS));
    let mut client = router.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    assert_eq!(good.requests().len(), 10, "the failed server is not asked twice for one request");
    assert!(!bad.requests().is_empty());
    assert_eq!(router.upstream().retries, bad.requests().len() as u64);
    assert_eq!(bad.connections(), 1, "an answer that nobody wants does not cost its connection");
}

#[tokio::test]
async fn b20_a_post_and_what_was_begun_are_not_tried_again() {
    let bad = failing().await;
    let router = Router::start(&balanced(&[&bad], IN_TURN, BY_STATUS));
    let mut client = router.client().await;
    let with_body = |method: &str| format!("{method} / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nonce");
    for (request, attempts) in [
        (with_body("POST"), 1),
        ("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n".to_owned(), 1),
        ("PATCH / HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 1),
        (with_body("PUT"), 1),
        ("DELETE / HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 3),
        ("GET / HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 3),
    ] {
        let before = bad.requests().len();
        let reply = client.ask(&request).await;
        assert_eq!((reply.status, reply.text()), (503, "bad"), "{request:?} gets the last answer");
        assert_eq!(bad.requests().len() - before, attempts, "{request:?}");
    }
}

#[tokio::test]
async fn b20_a_put_whose_body_nobody_read_goes_elsewhere_whole() {
    // Answers the head and never reads on, so nothing of the body was taken from the client.
    let bad = failing_at_the_head().await;
    let good = Origin::start(|request| Plan::ok(std::str::from_utf8(&request.body).unwrap())).await;
    let router = Router::start(&balanced(&[&bad, &good], IN_TURN, BY_STATUS));
    let mut client = router.client().await;
    client.send("PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\n").await;
    crate::client::eventually("both were asked", || !bad.requests().is_empty() && good.connections() == 1).await;
    client.send("whole").await;
    assert_eq!(client.reply().await.text(), "whole");
}

async fn failing_at_the_head() -> Origin {
    Origin::raw(|mut stream, notes| async move {
        let mut buffer = Vec::new();
        while let Some(head) = crate::origin::read_head(&mut stream, &mut buffer).await {
            notes.note(crate::origin::Request { head, body: Vec::new(), place: 0 });
            if tokio::io::AsyncWriteExt::write_all(&mut stream, FAILING.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn b21_retries_keep_to_their_budget_and_the_client_gets_the_answer_there_is() {
    let bad = failing().await;
    let lines = "ejection = { consecutive_failures = 0 }\nretry_budget = { percent = 20, per_second_min = 0 }";
    let router = Router::start(&balanced(&[&bad], lines, BY_STATUS));
    let mut client = router.client().await;
    for _ in 0..50 {
        let reply = client.get("/").await;
        assert_eq!((reply.status, reply.text()), (503, "bad"));
    }
    let retries = bad.requests().len() as u64 - 50;
    assert!((1..=10).contains(&retries), "20 % of 50, less if the test took long: {retries}");
    let totals = router.upstream();
    assert_eq!((totals.requests, totals.retries), (50 + retries, retries));
    assert!(totals.retries_denied >= 40);
}

#[tokio::test]
async fn b20_a_lost_connection_counts_towards_the_budget_only_if_it_was_fresh() {
    // Answers the first request of each connection, and closes on the second: the race of an idle connection, always.
    let racing = Origin::start(|request| if request.place == 0 { Plan::ok("ok") } else { Plan::close("") }).await;
    let lines = "retry_budget = { percent = 0, per_second_min = 0 }";
    let router = Router::start(&balanced(&[&racing], lines, ""));
    let mut client = router.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "ok", "the race costs the client nothing");
    }
    let closing = Origin::start(|_| Plan::close("")).await;
    drop(router.publish(&balanced(&[&closing], lines, "")));
    assert_eq!(client.get("/").await.status, 502);
    assert_eq!(closing.requests().len(), 1, "there is no budget for a server that fails");
}

#[tokio::test]
async fn b20_nothing_is_tried_again_after_the_first_byte_of_an_answer() {
    let origin = Origin::start(|_| Plan::close("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")).await;
    let router = Router::start(&balanced(&[&origin], IN_TURN, ""));
    let reply = router.client().await.get("/").await;
    assert!(reply.is_truncated && reply.body == b"half", "{reply:?}");
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn b21_no_attempts_means_none_and_the_deadline_ends_the_pauses() {
    let bad = failing().await;
    let router = Router::start(&balanced(&[&bad], IN_TURN, "retries = { attempts = 0, statuses = [503] }"));
    assert_eq!(router.client().await.get("/").await.status, 503);
    assert_eq!(bad.requests().len(), 1);

    let route = "retries = { attempts = 10, statuses = [503], backoff = \"10s\" }\ntimeouts = { request = \"4s\" }";
    drop(router.publish(&balanced(&[&bad], IN_TURN, route)));
    let began = std::time::Instant::now();
    let reply = router.client().await.get("/").await;
    assert_eq!((reply.status, reply.text()), (503, "bad"), "a pause that ends too late is not begun");
    assert_eq!(bad.requests().len(), 2);
    assert!(began.elapsed() < Duration::from_secs(4), "and nobody waits for it");
}
