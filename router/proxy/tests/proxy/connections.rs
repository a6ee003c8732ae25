//! Connections to servers: reused, replaced, and never used to send a POST twice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::client::eventually;
use crate::origin::{Origin, Plan, read_head};
use crate::router::{Router, everything_to};

const POST: &str = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nonce";

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    for _ in 0..5 {
        let mut client = router.client().await;
        for _ in 0..20 {
            assert_eq!(client.get("/").await.text(), "ok");
        }
        assert_eq!(client.ask(POST).await.status, 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_nothing() {
    let origin = Origin::start(|_| Plan::close("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    for round in 1..=20 {
        // Not even a POST notices, for the end of an idle connection is seen before anything is written to it.
        assert_eq!(client.ask(POST).await.status, 200);
        eventually("the origin closes", || origin.open_connections() == 0).await;
        assert_eq!(origin.requests().len(), round);
    }
}

#[tokio::test]
async fn a_get_is_sent_again_and_a_post_is_not() {
    // Takes the second request of each connection and closes instead of answering: the race of an idle connection.
    let origin = Origin::start(|request| if request.place == 0 { Plan::ok("ok") } else { Plan::close("") }).await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 200, "sent again on a fresh connection");
    assert_eq!(origin.requests().len(), 3);
    let reply = client.ask(POST).await;
    assert_eq!(
        (reply.status, reply.header("proxy-status")),
        (502, Some("sluice; error=connection_terminated; details=\"connection_terminated\""))
    );
    let posts = origin.requests().iter().filter(|request| request.head.starts_with("POST")).count();
    assert_eq!(posts, 1);
}

#[tokio::test]
async fn a_request_that_kills_every_server_is_given_up() {
    let origin = Origin::start(|_| Plan::close("")).await;
    let router = Router::before(&origin);
    assert_eq!(router.client().await.get("/").await.status, 502);
    // The first attempt and the two retries of the default policy.
    assert_eq!(origin.requests().len(), 3);
}

#[tokio::test]
async fn a_get_that_fails_on_one_server_goes_to_another() {
    let (broken, sound) = (Origin::start(|_| Plan::close("")).await, Origin::saying("ok").await);
    let policy = everything_to(&[&broken, &sound]);
    // More budget than the failures until the broken one is ejected.
    let router = Router::start(&policy.replace("[[routes]]", "retry_budget = { percent = 100 }\n[[routes]]"));
    let mut client = router.client().await;
    for _ in 0..30 {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    assert_eq!(sound.requests().len(), 30);
    assert!(!broken.requests().is_empty(), "both are asked");
}

#[tokio::test]
async fn a_connection_on_which_the_server_talks_unasked_is_dropped() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_head(&mut stream, &mut buffer).await.is_some() {
            let answer =
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    assert_eq!(origin.connections(), 10);
}

#[tokio::test]
async fn a_server_that_is_down_is_left_for_the_next_one() {
    let origin = Origin::saying("ok").await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let policy = everything_to(&[&origin]).replace("servers = [", &format!("servers = [\"{dead}\", "));
    let router = Router::start(&policy);
    let mut client = router.client().await;
    for _ in 0..30 {
        assert_eq!(client.get("/").await.status, 200);
        assert_eq!(client.ask(POST).await.status, 200, "nothing was sent to the dead one");
    }
}

#[tokio::test]
async fn no_server_at_all_is_a_503_with_a_reason() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let router = Router::start(&format!(
        "[upstreams.dead]\nservers = [\"{dead}\"]\n[upstreams.empty]\ndiscover = {{ app = \"x\", variant = \"y\" }}\n\
         [[routes]]\nname = \"dead\"\nmatch = {{ path = {{ prefix = \"/dead\" }} }}\nto = \"dead\"\n\
         [[routes]]\nname = \"empty\"\nmatch = {{ path = {{ prefix = \"/empty\" }} }}\nto = \"empty\"\n"
    ));
    let mut client = router.client().await;
    for (path, error) in [
        ("/dead", "connection_refused; details=\"connection_refused\""),
        ("/empty", "destination_unavailable; details=\"no_healthy_server\""),
    ] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, 503);
        assert_eq!(reply.header("proxy-status"), Some(&*format!("sluice; error={error}")));
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn connections_to_an_upstream_are_bounded_and_the_rest_wait() {
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    static BUSIEST: AtomicUsize = AtomicUsize::new(0);
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_head(&mut stream, &mut buffer).await.is_some() {
            BUSIEST.fetch_max(BUSY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            BUSY.fetch_sub(1, Ordering::SeqCst);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        }
    })
    .await;
    let policy = everything_to(&[&origin]).replace("[[routes]]", "connections_max = 2\n[[routes]]");
    let router = Router::start(&policy);
    let mut clients = Vec::new();
    for _ in 0..12 {
        let mut client = router.client().await;
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 200);
    }
    assert_eq!(BUSIEST.load(Ordering::SeqCst), 2);
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request_upstream() {
    let origin = Origin::raw(|mut stream, notes| async move {
        let mut buffer = Vec::new();
        let head = read_head(&mut stream, &mut buffer).await.unwrap();
        notes.note(crate::origin::Request { head, body: Vec::new(), place: 0 });
        // Waits for the router to leave.
        let _end = read_head(&mut stream, &mut buffer).await;
    })
    .await;
    let router = Router::before(&origin);
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("the request arrives", || origin.requests().len() == 1).await;
    assert_eq!(router.in_flight(), 1);
    drop(client);
    eventually("the connection upstream ends", || origin.open_connections() == 0).await;
    eventually("nothing is in flight", || router.in_flight() == 0).await;
    let totals = router.shared.traffic.routes()[0].totals();
    assert_eq!(totals[0].classes, [0, 0, 0, 0, 0, 1], "counted as aborted");
}
