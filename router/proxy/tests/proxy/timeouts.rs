//! B22: every wait for a server has its own bound, status and reason.

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::client::{Reply, eventually};
use crate::origin::{Origin, Plan, read_head};
use crate::router::{Router, balanced};

/// Takes requests and never answers.
async fn silent() -> Origin {
    Origin::raw(|mut stream, notes| async move {
        let mut buffer = Vec::new();
        while let Some(head) = read_head(&mut stream, &mut buffer).await {
            notes.note(crate::origin::Request { head, body: Vec::new(), place: 0 });
        }
    })
    .await
}

fn outcome(reply: &Reply) -> (u16, &str) {
    let said = reply.header("proxy-status").unwrap_or_default();
    (reply.status, said.split("details=").nth(1).unwrap_or_default().trim_matches('"'))
}

#[tokio::test]
async fn b22_a_server_that_takes_no_connection_is_504() {
    // A backlog that is full: the kernel drops what else comes.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _queued = TcpStream::connect(address).await.unwrap();
    let route = "timeouts = { connect = \"50ms\" }";
    let policy = balanced(&[], "", route).replace("servers = []", &format!("servers = [\"{address}\"]"));
    let router = Router::start(&policy);
    let reply = router.client().await.get("/").await;
    assert_eq!(outcome(&reply), (504, "connection_timeout"));
    let failures = router.upstream().failures;
    assert_eq!(failures[sluice_snapshot::upstream::Failure::ConnectTimeout as usize], 1);
}

#[tokio::test]
async fn b22_a_server_that_is_not_there_is_503() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let policy = balanced(&[], "", "").replace("servers = []", &format!("servers = [\"{gone}\"]"));
    let reply = Router::start(&policy).client().await.get("/").await;
    assert_eq!(outcome(&reply), (503, "connection_refused"));
    assert!(reply.header("retry-after").is_some());
}

#[tokio::test]
async fn b22_a_server_that_does_not_answer_is_504_by_the_bound_that_was_met() {
    let origin = silent().await;
    for (timeouts, reason, attempts) in [
        ("first_byte = \"30ms\"", "first_byte_timeout", 1),
        ("request = \"30ms\"", "request_timeout", 1),
        ("per_try = \"30ms\"", "per_try_timeout", 3),
    ] {
        let before = origin.requests().len();
        let lines = "retry_budget = { percent = 100, per_second_min = 100 }";
        let route = format!("timeouts = {{ {timeouts} }}\nretries = {{ attempts = 2, backoff = \"1ms\" }}");
        let router = Router::start(&balanced(&[&origin], lines, &route));
        let reply = router.client().await.get("/").await;
        assert_eq!(outcome(&reply), (504, reason));
        assert_eq!(origin.requests().len() - before, attempts, "{reason}");
        assert_eq!(router.upstream().failures[sluice_snapshot::upstream::Failure::Timeout as usize], attempts as u64);
        eventually("its connections are closed", || origin.open_connections() == 0).await;
        eventually("nothing is in flight", || router.in_flight() == 0).await;
    }
}

#[tokio::test]
async fn b21_an_attempt_that_takes_too_long_goes_elsewhere_unless_it_is_a_post() {
    let (slow, quick) = (silent().await, Origin::start(|_| Plan::ok("quick")).await);
    let lines = "balance = \"round-robin\"\nejection = { consecutive_failures = 0 }\n\
                 retry_budget = { percent = 100, per_second_min = 100 }";
    // Long for a server that answers, short for a test.
    let route = "timeouts = { per_try = \"700ms\" }\nretries = { attempts = 10, backoff = \"0ms\" }";
    let router = Router::start(&balanced(&[&slow, &quick], lines, route));
    let mut client = router.client().await;
    for _ in 0..2 {
        assert_eq!(client.get("/").await.text(), "quick");
    }
    assert!(!slow.requests().is_empty());
    let before = slow.requests().len();
    let post = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nonce";
    let mut replies = Vec::new();
    while slow.requests().len() == before {
        replies.push(client.ask(post).await);
    }
    assert_eq!(outcome(replies.last().unwrap()), (504, "per_try_timeout"));
    assert_eq!(slow.requests().len(), before + 1, "a POST is sent once");
}

#[tokio::test]
async fn b22_the_deadline_of_the_whole_ends_all_attempts() {
    let origin = silent().await;
    let lines = "retry_budget = { percent = 100, per_second_min = 100 }\nejection = { consecutive_failures = 0 }";
    let route =
        "timeouts = { per_try = \"50ms\", request = \"400ms\" }\nretries = { attempts = 10, backoff = \"0ms\" }";
    let router = Router::start(&balanced(&[&origin], lines, route));
    let reply = router.client().await.get("/").await;
    assert_eq!(outcome(&reply), (504, "request_timeout"));
    assert!((2..=8).contains(&origin.requests().len()), "{} attempts", origin.requests().len());
}
