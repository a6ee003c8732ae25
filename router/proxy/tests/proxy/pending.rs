//! B23: connections to an upstream are bounded, and so are the requests that wait for one.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::client::eventually;
use crate::origin::{Origin, Request, read_head};
use crate::router::{Router, balanced};

/// Answers a request for each permit that is given.
async fn held() -> (Origin, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let given = Arc::clone(&permits);
    let origin = Origin::raw(move |mut stream, notes| {
        let given = Arc::clone(&given);
        async move {
            let mut buffer = Vec::new();
            while let Some(head) = read_head(&mut stream, &mut buffer).await {
                notes.note(Request { head, body: Vec::new(), place: 0 });
                given.acquire().await.unwrap().forget();
                let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    });
    (origin.await, permits)
}

fn get(path: u64) -> String {
    format!("GET /{path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

#[tokio::test]
async fn b23_who_waits_is_served_in_order_and_one_more_is_refused_at_once() {
    const PENDING_MAX: u64 = 3;
    let (origin, permits) = held().await;
    let lines = format!("connections_max = 1\npending_max = {PENDING_MAX}");
    let router = Router::start(&balanced(&[&origin], &lines, "timeouts = { connect = \"60s\" }"));
    let mut clients = Vec::new();
    for place in 0..=PENDING_MAX {
        let mut client = router.client().await;
        client.send(get(place)).await;
        clients.push(client);
        eventually("it waits", || router.upstream().pending == place && origin.requests().len() == 1).await;
    }
    let reply = router.client().await.get("/refused").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert!(reply.header("proxy-status").unwrap().contains("upstream_busy"));
    assert_eq!(router.upstream().pending_refused, 1);

    permits.add_permits(clients.len());
    for client in &mut clients {
        assert_eq!(client.reply().await.status, 200);
    }
    let order: Vec<String> = origin.requests().iter().map(|request| request.line().to_owned()).collect();
    assert_eq!(order, ["GET /0 HTTP/1.1", "GET /1 HTTP/1.1", "GET /2 HTTP/1.1", "GET /3 HTTP/1.1"]);
    assert_eq!((origin.connections(), router.upstream().pending), (1, 0));
}

#[tokio::test]
async fn b23_a_place_in_the_queue_is_given_up_by_who_leaves_or_waits_too_long() {
    let (origin, permits) = held().await;
    let policy = |connect: &str| {
        balanced(
            &[&origin],
            "connections_max = 1\npending_max = 1",
            &format!("timeouts = {{ connect = \"{connect}\" }}"),
        )
    };
    let router = Router::start(&policy("60s"));
    let mut first = router.client().await;
    first.send(get(1)).await;
    eventually("the connection is in use", || origin.requests().len() == 1).await;
    let mut second = router.client().await;
    second.send(get(2)).await;
    eventually("the queue is full", || router.upstream().pending == 1).await;
    drop(second);
    eventually("its place is free", || router.upstream().pending == 0).await;

    drop(router.publish(&policy("30ms")));
    let reply = router.client().await.get("/3").await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("proxy-status").unwrap().contains("upstream_busy"), "{reply:?}");
    permits.add_permits(2);
    assert_eq!(first.reply().await.status, 200);
    assert_eq!(router.client().await.get("/4").await.status, 200);
    assert_eq!(origin.requests().len(), 2, "who left was not sent");
}

#[tokio::test]
async fn b23_idle_connections_count_and_make_room() {
    let origins = [Origin::saying("a").await, Origin::saying("b").await];
    let lines = "connections_max = 1\nbalance = \"round-robin\"";
    let router = Router::start(&balanced(&[&origins[0], &origins[1]], lines, ""));
    let mut client = router.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), "a");
        eventually("one is open", || (origins[0].open_connections(), origins[1].open_connections()) == (1, 0)).await;
        assert_eq!(client.get("/").await.text(), "b");
        eventually("one is open", || (origins[0].open_connections(), origins[1].open_connections()) == (0, 1)).await;
    }
}
