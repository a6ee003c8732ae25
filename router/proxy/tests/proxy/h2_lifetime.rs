//! How long connections over HTTP/2 live: silence, age, drains (B22, B26).

use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_proxy::Settings;

use crate::client::eventually;
use crate::h2client::{self, H2Client};
use crate::h2wire::{
    ACK, END_STREAM, End, GOAWAY, GOOD, HEADERS, NO_ERROR, PING, PREFACE, SETTINGS, Wire, frame, literals,
};
use crate::origin::Origin;
use crate::router::{Router, everything_to, settings};

/// Connections and requests at a time, and reloads, of the test under load.
const CONNECTIONS: usize = 4;
const STREAMS: usize = 8;
const RELOADS: usize = 100;

const SHORT: Duration = Duration::from_millis(100);
/// How long an answer to a PING may take: the one that a test does give must be in time on a busy machine, too.
const PATIENT: Duration = Duration::from_secs(3);

/// The last stream that a GOAWAY says is served.
fn last_stream(goaway: &[u8]) -> u32 {
    u32::from_be_bytes(goaway[..4].try_into().unwrap())
}

#[tokio::test]
async fn b22_a_preface_or_a_head_that_is_not_finished_ends_the_connection() {
    let origin = Origin::saying("ok").await;
    let settings = Settings { header_read: SHORT, ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);
    let head = frame(HEADERS, END_STREAM, 1, &literals(GOOD));
    let settings_frame = frame(SETTINGS, 0, 0, &[]);
    for sent in [&b""[..], &PREFACE[..1], &PREFACE[..23], PREFACE, &[PREFACE, &settings_frame, &head].concat()] {
        let mut wire = Wire::silent(router.address).await;
        wire.send(sent).await;
        let _end = wire.end().await;
    }
    eventually("no connection is left", || connections(&router) == 0).await;
}

fn connections(router: &Router) -> u64 {
    router.shared.traffic.worker(0).connections.load(Ordering::Relaxed)
}

#[tokio::test]
async fn b22_a_connection_may_idle_longer_than_a_head_may_take_but_not_for_ever() {
    let origin = Origin::saying("ok").await;
    let settings = Settings { header_read: SHORT, keep_alive_idle: SHORT * 4, ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);
    let mut unused = Wire::connect(router.address).await;
    let begun = std::time::Instant::now();
    assert_eq!(unused.end().await, Some(NO_ERROR));
    assert!(begun.elapsed() >= SHORT * 4);
    let mut used = Wire::connect(router.address).await;
    used.request(1, &GOOD).await;
    assert_eq!(used.end_of(1).await, End::Answered(200));
    assert_eq!(used.end().await, Some(NO_ERROR));
    let mut reset = Wire::connect(router.address).await;
    reset.frame(HEADERS, crate::h2wire::END_HEADERS, 1, &literals(GOOD)).await;
    reset.frame(crate::h2wire::RST_STREAM, 0, 1, &crate::h2wire::CANCEL.to_be_bytes()).await;
    assert_eq!(reset.end().await, Some(NO_ERROR), "the clock runs on after a reset");
}

#[tokio::test]
async fn b22_a_client_that_answers_no_ping_is_dead() {
    let (origin, _release) = Origin::held().await;
    let settings = Settings { ping_interval: SHORT, ping_timeout: PATIENT, ..settings() };
    let router = Router::start_with(&everything_to(&[&origin]), settings);
    let mut dead = Wire::connect(router.address).await;
    dead.request(1, &GOOD).await;
    eventually("the request is upstream", || origin.requests().len() == 1).await;
    let ping = dead.until(PING, 0).await;
    assert_eq!(ping.flags, 0);
    // One answer buys one more interval; then silence.
    dead.frame(PING, ACK, 0, &ping.payload).await;
    let _again = dead.until(PING, 0).await;
    assert_eq!(router.in_flight(), 1);
    let _closed = dead.end().await;
    eventually("its request is given up", || router.in_flight() == 0).await;
    eventually("its connection is gone", || connections(&router) == 0).await;
}

#[tokio::test]
async fn b26_a_drain_says_goodbye_twice_and_loses_no_stream() {
    let (origin, release) = Origin::held().await;
    let router = Router::before(&origin);
    let mut wire = Wire::connect(router.address).await;
    wire.request(1, &GOOD).await;
    eventually("the request is upstream", || origin.requests().len() == 1).await;
    let mut silent = Wire::connect(router.address).await;
    silent.until(SETTINGS, 0).await;
    let ((), ()) = tokio::join!(router.proxy.drain(), async {
        let first = wire.until(GOAWAY, 0).await;
        assert_eq!(last_stream(&first.payload), u32::MAX >> 1, "streams on their way are still taken");
        wire.request(3, &GOOD).await;
        let ping = wire.until(PING, 0).await;
        wire.frame(PING, ACK, 0, &ping.payload).await;
        let second = wire.until(GOAWAY, 0).await;
        assert_eq!(last_stream(&second.payload), 3);
        release.notify_one();
        eventually("the second is upstream", || origin.requests().len() == 2).await;
        release.notify_one();
        assert_eq!(wire.end_of(3).await, End::Answered(200));
        let _closed = wire.end().await;
        assert_eq!(silent.end().await, Some(NO_ERROR), "one that answers nothing is closed");
    });
}

#[tokio::test]
async fn b26_a_drain_ends_at_its_deadline_with_streams_in_flight() {
    let (origin, _release) = Origin::held().await;
    let router = Router::start_with(&everything_to(&[&origin]), Settings { drain: SHORT, ..settings() });
    let client = H2Client::connect(router.address).await;
    let (response, _) = client.open(h2client::get("/"), true).await.unwrap();
    eventually("the request is upstream", || origin.requests().len() == 1).await;
    router.proxy.drain().await;
    assert!(response.await.is_err());
}

#[tokio::test]
async fn b26_a_connection_that_served_enough_or_is_old_is_told_to_go() {
    let origin = Origin::saying("ok").await;
    let many = Settings { requests_per_connection_max: 3, ..settings() };
    let old = Settings { connection_age_max: SHORT, ..settings() };
    for (settings, answered) in [(many, 3), (old, 1)] {
        let router = Router::start_with(&everything_to(&[&origin]), settings);
        let client = H2Client::connect(router.address).await;
        for _ in 0..answered {
            assert_eq!(client.get("/").await.unwrap().status, 200);
        }
        client.ended().await.unwrap();
    }
    for settings in [
        Settings { requests_per_connection_max: 1, ..settings() },
        Settings { connection_age_max: Duration::ZERO, ..settings() },
    ] {
        let router = Router::start_with(&everything_to(&[&origin]), settings);
        let mut client = router.client().await;
        assert_eq!(client.get("/").await.header("connection"), Some("close"), "over HTTP/1.1 the answer says so");
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn b26_no_stream_fails_over_a_hundred_reloads() {
    let origin = Origin::saying("ok").await;
    let router = Router::start_with(&everything_to(&[&origin]), Settings { workers: 2, ..settings() });
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(H2Client::connect(router.address).await);
    }
    let is_over = std::cell::Cell::new(false);
    let streams = clients.iter().flat_map(|client| std::iter::repeat_n(client, STREAMS)).map(|client| async {
        let mut answered = 0_usize;
        while !is_over.get() {
            assert_eq!(client.get("/").await.unwrap().text(), "ok");
            answered += 1;
        }
        answered
    });
    let reloads = async {
        for round in 0..RELOADS {
            drop(router.publish(&everything_to(&[&origin])));
            eventually("requests between two reloads", || origin.requests().len() > round * STREAMS).await;
        }
        is_over.set(true);
    };
    let (answered, ()) = tokio::join!(futures_util::future::join_all(streams), reloads);
    assert_eq!(origin.requests().len(), answered.iter().sum::<usize>());
    assert_eq!(router.in_flight(), 0);
}
