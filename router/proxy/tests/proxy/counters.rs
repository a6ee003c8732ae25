//! After a storm of requests that fail on either side, every counter and every bound is back where it was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{PATIENCE, eventually};
use crate::origin::{Notes, Origin, Request, fill, read_request};
use crate::router::Router;

const CLIENTS: u64 = 24;
const REQUESTS: u64 = 30;
/// Connections to the origin: fewer than clients, so that some requests wait and some are given up while they do.
const CONNECTIONS_MAX: usize = 6;
/// How long a client that leaves has patience at the most.
const LEAVES_AFTER_MAX: Duration = Duration::from_millis(20);

/// What the clients of the storm ask for.
const PATHS: [&str; 5] = ["ok", "close", "half", "endless", "held"];

async fn origin() -> Origin {
    Origin::raw(|mut stream, notes| async move {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer, 0).await {
            if answer(&mut stream, &mut buffer, &notes, request).await.is_none() {
                return;
            }
        }
    })
    .await
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>, notes: &Notes, request: Request) -> Option<()> {
    let path = request.line().split(' ').nth(1).unwrap_or_default().to_owned();
    notes.note(request);
    match &*path {
        "/ok" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.ok(),
        "/half" => {
            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
            None
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
            loop {
                stream.write_all(b"4\r\nmore\r\n").await.ok()?;
            }
        }
        "/held" => {
            fill(stream, buffer).await;
            None
        }
        _ => None,
    }
}

/// What the clients know.
#[derive(Default)]
struct Tally {
    /// Whole heads.
    sent: AtomicU64,
    /// Requests of which at least some of the answer came.
    answered: AtomicU64,
}

/// One request of the storm: of a random kind, and given up at a random time if it does not end by itself.
async fn gust(router: &Router, random: &mut SmallRng, tally: &Tally) {
    let path = PATHS[random.random_range(0..PATHS.len())];
    let kind = random.random_range(0..4);
    // What ends by itself is waited for, so that however slow the machine is, some are answered.
    let is_waited_for = kind == 3 && path == "ok";
    let patience = if is_waited_for { PATIENCE } else { LEAVES_AFTER_MAX.mul_f64(random.random()) };
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    let request = match kind {
        // A head that never ends is no request.
        0 => format!("GET /{path} HTTP/1.1\r\nhost: te"),
        1 => format!("POST /{path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody"),
        2 => format!("POST /{path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nha"),
        _ => format!("GET /{path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"),
    };
    tally.sent.fetch_add(u64::from(request.contains("\r\n\r\n")), Ordering::Relaxed);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _given_up = timeout(patience, stream.read_to_end(&mut answer)).await;
    tally.answered.fetch_add(u64::from(answer.starts_with(b"HTTP/1.1 ")), Ordering::Relaxed);
}

#[tokio::test]
async fn b19_after_a_storm_of_faults_nothing_is_in_flight_and_no_place_is_lost() {
    let origin = origin().await;
    let policy = format!(
        "[upstreams.app]\nservers = [\"{}\"]\nconnections_max = {CONNECTIONS_MAX}\n[[routes]]\nname = \"app\"\nto = \"app\"\n",
        origin.address
    );
    let router = Router::start(&policy);
    let tally = Tally::default();
    let storm = (0..CLIENTS).map(|seed| {
        let (router, tally) = (&router, &tally);
        async move {
            let mut random = SmallRng::seed_from_u64(seed);
            for _ in 0..REQUESTS {
                gust(router, &mut random, tally).await;
            }
        }
    });
    assert!(timeout(PATIENCE, join_all(storm)).await.is_ok(), "somebody is never answered");

    let counters = router.shared.traffic.worker(0);
    eventually("no connection is open", || counters.connections.load(Ordering::Relaxed) == 0).await;
    eventually("nothing is in flight", || router.in_flight() == 0).await;
    assert_eq!(counters.accepted.load(Ordering::Relaxed), CLIENTS * REQUESTS);
    let counted: u64 = router.shared.traffic.routes()[0].totals().iter().flat_map(|totals| totals.classes).sum();
    // A client that has left before its request was looked at was not served, and is not counted.
    let known = tally.answered.load(Ordering::Relaxed)..=tally.sent.load(Ordering::Relaxed);
    assert!(known.contains(&counted), "{counted} requests are counted, of {known:?}");
    assert!(*known.start() > 0, "some are answered");
    eventually("nothing is begun upstream", || origin.open_connections() <= CONNECTIONS_MAX).await;

    // As many as may be upstream at once still can be: nobody has left with a place.
    let before = origin.requests().len();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut client = router.client().await;
        client.send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n").await;
        clients.push(client);
    }
    eventually("all places are taken at once", || origin.requests().len() == before + CONNECTIONS_MAX).await;
    drop(clients);
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}
