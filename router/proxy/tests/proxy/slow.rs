//! Clients that are slow on purpose: each loses its place in time, and the origin behind it is held back, not buffered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_proxy::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, timeout};

use crate::client::{PATIENCE, eventually};
use crate::h2wire::{DATA, END_HEADERS, END_STREAM, Frame, HEADERS, RST_STREAM, Wire, frame, literals, status_of};
use crate::origin::{Origin, read_head};
use crate::router::{Router, everything_to, settings};

/// The limit under test; nothing that behaves comes near it.
const SHORT: Duration = Duration::from_millis(300);
/// Pause of a client that drips: far below [`SHORT`], so that only a limit of the whole can end it.
const DRIP: Duration = Duration::from_millis(10);
/// Opens a window (RFC 9113 section 6.9).
const WINDOW_UPDATE: u8 = 8;
/// What kernel and codec may hold of a download that nobody reads: `tcp_wmem` (4 MiB) and `tcp_rmem` (6 MiB) of both
/// connections at the most, and less than a MiB in between.
const HELD_BYTES_MAX: usize = 21 << 20;
/// Far more than that.
const DOWNLOAD_BYTES: usize = 256 << 20;

/// One place for clients, and short limits.
fn narrow() -> Settings {
    Settings { header_read: SHORT, body_idle: SHORT, keep_alive_idle: SHORT, connections_max: 1, ..settings() }
}

/// The only place is free again: another client is served.
async fn is_free(router: &Router, what: &str) {
    let connections = || router.shared.traffic.worker(0).connections.load(Ordering::Relaxed);
    eventually(&format!("{what}: the connection is counted out"), || connections() == 0).await;
    assert_eq!(router.client().await.get("/").await.status, 200, "after {what}");
    eventually(&format!("{what}: nothing is in flight"), || router.in_flight() == 0).await;
}

/// Sends `bytes` over and over, one at a time, until the router ends the connection; what it said by then.
async fn drip(mut client: TcpStream, bytes: &[u8]) -> String {
    let mut answer = Vec::new();
    let mut pace = interval(DRIP);
    let dripped = timeout(PATIENCE, async {
        for byte in bytes.iter().cycle() {
            tokio::select! {
                read = client.read_buf(&mut answer) => if read.is_ok_and(|bytes| bytes > 0) { continue } else { return },
                _ = pace.tick() => if client.write_all(&[*byte]).await.is_err() { break },
            }
        }
        let _rest = client.read_to_end(&mut answer).await;
    });
    assert!(dripped.await.is_ok(), "the router lets it drip for ever");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn b22_a_head_that_comes_a_byte_at_a_time_frees_its_place() {
    let origin = Origin::saying("ok").await;
    let router = Router::start_with(&everything_to(&[&origin]), narrow());
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\nx-slow: ").await;
    let answer = drip(client.stream, b"a").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    is_free(&router, "slowloris").await;
    assert_eq!(origin.requests().len(), 1, "only the request that was whole");
}

#[tokio::test]
async fn b22_a_second_head_that_comes_a_byte_at_a_time_frees_its_place() {
    let origin = Origin::saying("ok").await;
    let router = Router::start_with(&everything_to(&[&origin]), narrow());
    let mut client = router.client().await;
    assert_eq!(client.get("/").await.status, 200);
    client.send("GET / HTTP/1.1\r\n").await;
    let answer = drip(client.stream, b"x: y\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    is_free(&router, "slowloris on a kept connection").await;
}

#[tokio::test]
async fn b22_an_upload_that_comes_a_byte_at_a_time_ends_with_its_request() {
    let origin = Origin::saying("ok").await;
    let policy = format!("{}timeouts = {{ request = \"300ms\" }}\n", everything_to(&[&origin]));
    let router = Router::start_with(&policy, narrow());
    for framing in ["content-length: 1000000000", "transfer-encoding: chunked"] {
        let mut client = router.client().await;
        client.send(format!("POST / HTTP/1.1\r\nhost: test\r\n{framing}\r\n\r\n")).await;
        let answer = drip(client.stream, b"1\r\na\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("504 request timed out"), "{answer}");
        is_free(&router, framing).await;
    }
    assert!(origin.requests().iter().all(|request| request.line().starts_with("GET")), "no upload was whole");
}

#[tokio::test]
async fn b22_a_connection_that_idles_frees_its_place() {
    let origin = Origin::saying("ok").await;
    let router = Router::start_with(&everything_to(&[&origin]), narrow());
    let mut silent = router.client().await;
    assert!(silent.is_closed().await);
    is_free(&router, "silence").await;
    let mut idle = router.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    assert!(idle.is_closed().await);
    is_free(&router, "idling").await;
}

/// An origin whose `/big` is a download; tells how many bytes of it the router took.
async fn big(length: usize) -> (Origin, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let origin = Origin::raw(move |mut stream, _| {
        let taken = Arc::clone(&counter);
        async move {
            let mut buffer = Vec::new();
            let chunk = vec![b'x'; 64 << 10];
            while let Some(head) = read_head(&mut stream, &mut buffer).await {
                let length = if head.starts_with("GET /big ") { length } else { 0 };
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let mut sent = stream.write_all(answer.as_bytes()).await;
                let mut left = length;
                while left > 0 && sent.is_ok() {
                    let part = left.min(chunk.len());
                    sent = stream.write_all(&chunk[..part]).await;
                    taken.fetch_add(part, Ordering::Relaxed);
                    left -= part;
                }
                if sent.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (origin, taken)
}

/// A client whose kernel buffers little.
async fn small_client(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test]
async fn b22_a_client_that_stops_reading_holds_the_origin_back_and_frees_its_place() {
    let (origin, taken) = big(DOWNLOAD_BYTES).await;
    let router = Router::start_with(&everything_to(&[&origin]), narrow());
    let mut client = small_client(router.address).await;
    client.write_all(b"GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut first = [0; 17];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK\r\n");
    eventually("the connection upstream ends", || origin.open_connections() == 0).await;
    is_free(&router, "a stopped download").await;
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken < HELD_BYTES_MAX, "{taken} bytes were taken from the origin");
}

#[tokio::test]
async fn b22_a_client_that_reads_a_little_at_a_time_ends_with_its_request() {
    let (origin, taken) = big(DOWNLOAD_BYTES).await;
    let policy = format!("{}timeouts = {{ request = \"600ms\" }}\n", everything_to(&[&origin]));
    let router = Router::start_with(&policy, narrow());
    let mut client = small_client(router.address).await;
    client.write_all(b"GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut sip = vec![0; 64 << 10];
    let mut pace = interval(DRIP);
    let drunk = timeout(PATIENCE, async {
        let mut drunk = 0;
        loop {
            pace.tick().await;
            match client.read(&mut sip).await {
                Ok(bytes) if bytes > 0 => drunk += bytes,
                _ => return drunk,
            }
        }
    });
    let drunk = drunk.await.expect("the download ends with its request");
    assert!(drunk < DOWNLOAD_BYTES, "it was not cut");
    eventually("the connection upstream ends", || origin.open_connections() == 0).await;
    is_free(&router, "a slow download").await;
    assert!(taken.load(Ordering::Relaxed) < drunk + HELD_BYTES_MAX);
}

/// Sends `nudge` over and over until stream 1 has ended; the frames of that stream.
async fn keep_busy(wire: &mut Wire, nudge: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut pace = interval(DRIP);
    let kept = timeout(PATIENCE, async {
        loop {
            tokio::select! {
                frame = wire.next() => {
                    let frame = frame.expect("the stream ends before its connection");
                    let is_end = frame.kind == RST_STREAM || matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
                    let is_ours = frame.stream == 1;
                    frames.extend(is_ours.then_some(frame));
                    if is_end && is_ours {
                        return;
                    }
                }
                _ = pace.tick() => wire.send(nudge).await,
            }
        }
    });
    assert!(kept.await.is_ok(), "the router lets it go on for ever");
    frames
}

#[tokio::test]
async fn b22_streams_that_drip_or_sip_end_with_their_requests() {
    let (origin, taken) = big(DOWNLOAD_BYTES).await;
    let whole = Origin::saying("whole").await;
    let timeouts = "timeouts = { request = \"600ms\" }\n";
    let policy = format!(
        "{}{timeouts}[upstreams.whole]\nservers = [\"{}\"]\n[[routes]]\nname = \"upload\"\nto = \"whole\"\n\
         match = {{ path = {{ exact = \"/upload\" }} }}\n{timeouts}",
        everything_to(&[&origin]),
        whole.address
    );
    let router = Router::start_with(&policy, narrow());
    let fields =
        |method, path| literals([(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)]);
    let mut dripping = Wire::connect(router.address).await;
    dripping.frame(HEADERS, END_HEADERS, 1, &fields("POST", "/upload")).await;
    let frames = keep_busy(&mut dripping, &frame(DATA, 0, 1, b"a")).await;
    assert_eq!(frames.iter().find(|frame| frame.kind == HEADERS).map(|head| status_of(&head.payload)), Some(504));
    drop(dripping);
    is_free(&router, "a dripping stream").await;

    let mut sipping = Wire::connect(router.address).await;
    sipping.frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields("GET", "/big")).await;
    let sip = 1_000_u32.to_be_bytes();
    let nudge = [frame(WINDOW_UPDATE, 0, 0, &sip), frame(WINDOW_UPDATE, 0, 1, &sip)].concat();
    let frames = keep_busy(&mut sipping, &nudge).await;
    assert_eq!(frames.last().map(|last| last.kind), Some(RST_STREAM), "cut, and not ended");
    drop(sipping);
    is_free(&router, "a sipping stream").await;
    assert!(taken.load(Ordering::Relaxed) < HELD_BYTES_MAX);
}

#[tokio::test]
async fn an_origin_that_does_not_read_holds_the_client_back() {
    let origin = Origin::raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        let _head = read_head(&mut stream, &mut buffer).await;
        std::future::pending::<()>().await;
    })
    .await;
    let policy = format!("{}timeouts = {{ request = \"2s\" }}\n", everything_to(&[&origin]));
    let router = Router::start(&policy);
    let mut client = router.client().await;
    client.send(format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {DOWNLOAD_BYTES}\r\n\r\n")).await;
    let chunk = vec![b'x'; 64 << 10];
    let mut sent = 0;
    // Where a write is not taken for a while, everything in between is full.
    while sent < DOWNLOAD_BYTES && matches!(timeout(SHORT, client.stream.write_all(&chunk)).await, Ok(Ok(()))) {
        sent += chunk.len();
    }
    assert!(sent < HELD_BYTES_MAX, "{sent} bytes were taken from the client");
    assert_eq!(client.reply().await.text(), "504 request timed out\n");
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}
