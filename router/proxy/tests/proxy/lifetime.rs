//! Start, reload and drain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_policy::ListenerConfig;
use sluice_proxy::{Settings, StartError};
use tokio::net::TcpStream;

use crate::client::eventually;
use crate::origin::Origin;
use crate::router::{Router, everything_to, settings};

/// Clients at a time, and requests of each, while something changes.
const CLIENTS: usize = 32;
const REQUESTS: usize = 100;

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_closes_the_rest() {
    let (origin, release) = Origin::held().await;
    let router = Router::before(&origin);
    let mut idle = router.client().await;
    release.notify_one();
    assert_eq!(idle.get("/").await.status, 200);
    let mut silent = router.client().await;
    let mut busy = router.client().await;
    busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("the request is upstream", || origin.requests().len() == 2).await;
    let accepted = || router.shared.traffic.worker(0).accepted.load(Ordering::Relaxed);
    eventually("all are accepted", || accepted() == 3).await;

    let address = router.address;
    let ((), ()) = tokio::join!(router.proxy.drain(), async {
        assert!(idle.is_closed().await && silent.is_closed().await);
        assert!(TcpStream::connect(address).await.is_err(), "nothing listens");
        release.notify_one();
        let reply = busy.reply().await;
        assert_eq!((reply.status, reply.text(), reply.header("connection")), (200, "ok", Some("close")));
        assert!(busy.is_closed().await);
    });
}

#[tokio::test]
async fn a_request_that_meets_a_drain_on_its_way_is_answered() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut idle = router.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut silent = router.client().await;
    let ((), ()) = tokio::join!(router.proxy.drain(), async {
        for client in [&mut idle, &mut silent] {
            assert_eq!(client.get("/").await.status, 200);
            assert!(client.is_closed().await);
        }
    });
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let (origin, _release) = Origin::held().await;
    let settings = Settings { drain: Duration::from_millis(50), workers: 2, ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);
    let mut busy = router.client().await;
    busy.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("the request is upstream", || origin.requests().len() == 1).await;
    router.proxy.drain().await;
    assert!(busy.is_closed().await);
}

#[tokio::test]
async fn a_second_router_on_the_address_is_refused() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let again = Settings { listeners: vec![ListenerConfig::new(router.address)], ..settings() };
    let error = sluice_proxy::start(again.clone(), router.shared.clone()).unwrap_err();
    assert!(matches!(&error, StartError::Bind(error) if error.address == router.address), "{error:?}");
    router.proxy.drain().await;
    let second = sluice_proxy::start(again, router.shared).unwrap();
    second.drain().await;
}

#[tokio::test]
async fn workers_must_be_as_many_as_the_snapshot_serves() {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let more = Settings { workers: 2, ..settings() };
    let error = sluice_proxy::start(more, router.shared.clone()).unwrap_err();
    assert!(matches!(error, StartError::Workers { workers: 2, published: 1, counted: 1 }), "{error:?}");
}

#[tokio::test]
async fn a_request_keeps_its_snapshot_and_an_idle_worker_keeps_none() {
    let (old, release) = Origin::held().await;
    let new = Origin::saying("new").await;
    let router = Router::before(&old);
    let mut before = router.client().await;
    before.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("the request is upstream", || old.requests().len() == 1).await;

    let replaced = router.publish(&everything_to(&[&new]));
    assert_eq!(router.client().await.get("/").await.text(), "new", "live at once");
    assert!(Arc::strong_count(&replaced) > 1, "the first request still reads it");
    release.notify_one();
    assert_eq!(before.reply().await.text(), "ok");
    eventually("the old snapshot is let go", || Arc::strong_count(&replaced) == 1).await;

    let replaced = router.publish(&everything_to(&[&old]));
    eventually("an idle worker lets go too", || Arc::strong_count(&replaced) == 1).await;
}

#[tokio::test]
async fn no_request_fails_while_snapshots_change() {
    let origin = Origin::saying("ok").await;
    let settings = Settings { workers: 2, ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);
    let clients = (0..CLIENTS).map(|_| async {
        let mut client = router.client().await;
        for _ in 0..REQUESTS {
            assert_eq!(client.get("/").await.text(), "ok");
        }
    });
    let reloads = async {
        for _ in 0..REQUESTS {
            drop(router.publish(&everything_to(&[&origin])));
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(futures_util::future::join_all(clients), reloads);
    assert_eq!(origin.requests().len(), CLIENTS * REQUESTS);
    assert!(origin.connections() <= CLIENTS, "the pools survive every snapshot");
    assert_eq!(router.in_flight(), 0);
}
