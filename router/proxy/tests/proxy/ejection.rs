//! Servers and whole upstreams that are left alone for a while, and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sluice_snapshot::upstream::Failure;
use tokio::net::TcpListener;

use crate::client::eventually;
use crate::origin::{Origin, Plan};
use crate::router::{Router, balanced};

const FAILING: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad";
/// Long enough for every test.
const LONG: &str = "base = \"50s\", max = \"50s\"";

async fn failing() -> Origin {
    Origin::start(|_| Plan::keep(FAILING)).await
}

/// An origin that fails until it is told not to.
async fn mending() -> (Origin, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_mended);
    let origin =
        Origin::start(move |_| if seen.load(Ordering::SeqCst) { Plan::ok("mended") } else { Plan::keep(FAILING) });
    (origin.await, is_mended)
}

#[tokio::test]
async fn a_server_that_fails_in_a_row_is_left_alone() {
    let (bad, good) = (failing().await, Origin::saying("ok").await);
    let lines = format!("balance = \"round-robin\"\nejection = {{ consecutive_failures = 3, {LONG} }}");
    let router = Router::start(&balanced(&[&bad, &good], &lines, ""));
    let mut client = router.client().await;
    let mut failed = 0;
    for _ in 0..40 {
        failed += usize::from(client.get("/").await.status == 503);
    }
    assert_eq!((failed, bad.requests().len(), good.requests().len()), (3, 3, 37));
    let totals = router.upstream();
    assert_eq!((totals.ejections, totals.failures[Failure::Status as usize]), (1, 3));
    assert_eq!(totals.servers[&bad.address.to_string()].ejected_by, 1);
    assert_eq!(totals.servers[&good.address.to_string()].ejected_by, 0);
}

#[tokio::test]
async fn the_cap_keeps_servers_that_answer_and_one_always_stays() {
    let origins = [failing().await, failing().await];
    let lines = |share| format!("ejection = {{ consecutive_failures = 2, {LONG}, share_max = {share} }}");
    for (share, ejections) in [(50, 1), (100, 1), (49, 0)] {
        let router = Router::start(&balanced(&[&origins[0], &origins[1]], &lines(share), ""));
        let mut client = router.client().await;
        for _ in 0..30 {
            let reply = client.get("/").await;
            assert_eq!((reply.status, reply.text()), (503, "bad"), "a server answers, whatever it says");
        }
        assert_eq!(router.upstream().ejections, ejections, "share_max = {share}");
    }
}

#[tokio::test]
async fn a_refused_connection_ejects_at_once_and_the_last_resort_is_asked() {
    let good = Origin::saying("ok").await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let lines = format!("balance = \"round-robin\"\nejection = {{ {LONG} }}");
    let policy = balanced(&[&good], &lines, "").replace("servers = [", &format!("servers = [\"{dead}\", "));
    let router = Router::start(&policy);
    let mut client = router.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "ok", "no client notices");
    }
    let totals = router.upstream();
    assert_eq!((totals.failures[Failure::Connect as usize], totals.ejections), (1, 1));

    // Now the only server: ejected or not, it is asked.
    let policy = balanced(&[], &lines, "").replace("servers = []", &format!("servers = [\"{dead}\"]"));
    drop(router.publish(&policy));
    assert_eq!(client.get("/").await.status, 503);
    let mended = Origin::at(dead, |_| Plan::ok("back")).await;
    assert_eq!(client.get("/").await.text(), "back", "the last resort");
    assert_eq!(mended.requests().len(), 1);
}

#[tokio::test]
async fn an_ejected_server_is_tried_and_comes_back() {
    let (bad, is_mended) = mending().await;
    let good = Origin::saying("ok").await;
    let lines = "balance = \"round-robin\"\n\
                 ejection = { consecutive_failures = 1, base = \"10ms\", max = \"20ms\" }";
    let router = Router::start(&balanced(&[&bad, &good], lines, ""));
    let mut client = router.client().await;
    while router.upstream().ejections < 3 {
        client.get("/").await;
    }
    is_mended.store(true, Ordering::SeqCst);
    while client.get("/").await.text() != "mended" {}
    let before = bad.requests().len();
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(bad.requests().len(), before + 5, "its turns are its own again");
    assert_eq!(router.upstream().servers[&bad.address.to_string()].ejected_by, 0);
}

#[tokio::test]
async fn b20_an_open_breaker_answers_at_once_and_one_request_closes_it() {
    let (origin, is_mended) = mending().await;
    let breaker =
        |open: &str| format!("breaker = {{ failures = 50, requests_min = 4, window = \"50s\", open = \"{open}\" }}");
    let router = Router::start(&balanced(&[&origin], &breaker("50s"), ""));
    let mut client = router.client().await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.text(), "bad");
    }
    let reply = client.get("/").await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("proxy-status").unwrap().contains("breaker_open"), "{reply:?}");
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=51).contains(&seconds), "{seconds}");
    assert_eq!(origin.requests().len(), 4, "nothing is sent");
    assert_eq!((router.upstream().breaker_opens, router.upstream().breaker_refused), (1, 1));

    let router = Router::start(&balanced(&[&origin], &breaker("10ms"), ""));
    let mut client = router.client().await;
    while router.upstream().breaker_opens < 2 {
        client.get("/").await;
    }
    is_mended.store(true, Ordering::SeqCst);
    while client.get("/").await.status != 200 {}
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "mended");
    }
}

#[tokio::test]
async fn what_failed_is_remembered_over_a_reload() {
    let (bad, good) = (failing().await, Origin::saying("ok").await);
    let lines = format!("ejection = {{ consecutive_failures = 1, {LONG} }}");
    let policy = balanced(&[&bad, &good], &lines, "");
    let router = Router::start(&policy);
    let mut client = router.client().await;
    while router.upstream().ejections == 0 {
        client.get("/").await;
    }
    let before = bad.requests().len();
    drop(router.publish(&format!("{policy}\n# another revision\n")));
    eventually("the worker has it", || router.shared.published.generation() == 2).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    assert_eq!(bad.requests().len(), before);
}
