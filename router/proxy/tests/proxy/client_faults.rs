//! Faults of clients: {head, upload, download} x {close, reset, stall}, over both protocols; over HTTP/2 also the reset of a
//! stream. In every row: nothing whole reaches the origin that was not, what was begun there is broken off, nothing stays
//! in flight, and the only place for a client is free again (B19, B22).

use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_proxy::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::eventually;
use crate::faulty::{Fault, Protocol};
use crate::h2wire::{CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Wire, literals};
use crate::origin::{Notes, Origin, Request, fill, read_head};
use crate::router::{Router, everything_to, settings};

/// The limit that ends what stalls.
const SHORT: Duration = Duration::from_millis(200);
/// Bytes of an upload that never all come.
const UPLOAD_BYTES: usize = 1_000_000;

/// Where the client fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    Upload,
    Download,
}

/// Answers `/`, sends without end to whoever asks for another path, and takes uploads.
async fn origin() -> Origin {
    Origin::raw(|mut stream, notes| async move {
        let mut buffer = Vec::new();
        while let Some(head) = read_head(&mut stream, &mut buffer).await {
            if answer(&mut stream, &mut buffer, &notes, head).await.is_none() {
                return;
            }
        }
    })
    .await
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>, notes: &Notes, head: String) -> Option<()> {
    let line = head.lines().next().unwrap_or_default().to_owned();
    notes.note(Request { head, body: Vec::new(), place: 0 });
    match &*line {
        "GET / HTTP/1.1" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok(),
        "GET /endless HTTP/1.1" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n").await.ok()?;
            let chunk = vec![b'x'; 64 << 10];
            loop {
                stream.write_all(&chunk).await.ok()?;
            }
        }
        _ => loop {
            fill(stream, buffer).await?;
            assert!(buffer.len() < UPLOAD_BYTES, "the upload looks whole");
            assert!(!buffer.ends_with(b"\r\n0\r\n\r\n"), "the upload looks whole");
        },
    }
}

/// A client of either protocol that has come as far as `place`.
async fn begin(protocol: Protocol, place: Place, router: &Router) -> TcpStream {
    match protocol {
        Protocol::Http1 => {
            let mut stream = TcpStream::connect(router.address).await.unwrap();
            let request = match place {
                Place::Head => "GET / HTTP/1.1\r\nhost: te".to_owned(),
                Place::Upload => {
                    format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {UPLOAD_BYTES}\r\n\r\nhalf")
                }
                Place::Download => "GET /endless HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(),
            };
            stream.write_all(request.as_bytes()).await.unwrap();
            if place == Place::Download {
                let mut some = [0; 4_000];
                stream.read_exact(&mut some).await.unwrap();
            }
            stream
        }
        Protocol::Http2 => {
            let mut wire = Wire::connect(router.address).await;
            let fields = |method, path| {
                literals([(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)])
            };
            match place {
                Place::Head => wire.frame(HEADERS, END_STREAM, 1, &fields("GET", "/")).await,
                Place::Upload => {
                    wire.frame(HEADERS, END_HEADERS, 1, &fields("POST", "/")).await;
                    wire.frame(DATA, 0, 1, b"half").await;
                }
                Place::Download => {
                    wire.frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields("GET", "/endless")).await;
                    let _first = wire.until(DATA, 1).await;
                }
            }
            wire.stream
        }
    }
}

async fn check(protocol: Protocol, place: Place, fault: Fault) {
    let what = format!("{protocol:?} {place:?} {fault:?}");
    let origin = origin().await;
    // Only what stalls has a limit so short, so that it is not the limit that ends the others.
    let plain = Settings { connections_max: 1, ..settings() };
    let limits = match fault {
        Fault::Stall => Settings { header_read: SHORT, body_idle: SHORT, keep_alive_idle: SHORT, ..plain },
        Fault::Close | Fault::Reset | Fault::StreamReset => plain,
    };
    let router = Router::start_with(&everything_to(&[&origin]), limits);
    let mut client = begin(protocol, place, &router).await;
    let counters = router.shared.traffic.worker(0);
    eventually(&format!("{what}: accepted"), || counters.accepted.load(Ordering::Relaxed) == 1).await;
    let begun = usize::from(place != Place::Head);
    eventually(&format!("{what}: begun upstream"), || origin.requests().len() == begun).await;
    match fault {
        Fault::Close | Fault::Stall => {}
        Fault::Reset => client.set_zero_linger().unwrap(),
        Fault::StreamReset => {
            let reset = crate::h2wire::frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
            client.write_all(&reset).await.unwrap();
        }
    }
    let held = matches!(fault, Fault::Stall | Fault::StreamReset).then_some(client);
    eventually(&format!("{what}: broken off upstream"), || origin.open_connections() == 0).await;
    eventually(&format!("{what}: nothing in flight"), || router.in_flight() == 0).await;
    if fault == Fault::StreamReset {
        // The connection lives on; it is its client that ends it.
        drop(held);
    }
    eventually(&format!("{what}: its place is free"), || counters.connections.load(Ordering::Relaxed) == 0).await;
    assert_eq!(router.client().await.get("/").await.status, 200, "after {what}");
    assert_eq!(origin.requests().len(), begun + 1, "{what}: sent once");
    eventually(&format!("{what}: nothing in flight after all"), || router.in_flight() == 0).await;
}

async fn check_all(protocol: Protocol, fault: Fault) {
    for place in [Place::Head, Place::Upload, Place::Download] {
        // The head of a stream that is not whole has no stream to reset (RFC 9113 section 4.3).
        if (place, fault) != (Place::Head, Fault::StreamReset) {
            check(protocol, place, fault).await;
        }
    }
}

#[tokio::test]
async fn b19_http1_clients_that_close() {
    check_all(Protocol::Http1, Fault::Close).await;
}

#[tokio::test]
async fn b19_http1_clients_that_reset() {
    check_all(Protocol::Http1, Fault::Reset).await;
}

#[tokio::test]
async fn b22_http1_clients_that_stall() {
    check_all(Protocol::Http1, Fault::Stall).await;
}

#[tokio::test]
async fn b19_http2_clients_that_close() {
    check_all(Protocol::Http2, Fault::Close).await;
}

#[tokio::test]
async fn b19_http2_clients_that_reset() {
    check_all(Protocol::Http2, Fault::Reset).await;
}

#[tokio::test]
async fn b22_http2_clients_that_stall() {
    check_all(Protocol::Http2, Fault::Stall).await;
}

#[tokio::test]
async fn b19_http2_clients_that_reset_a_stream() {
    check_all(Protocol::Http2, Fault::StreamReset).await;
}
