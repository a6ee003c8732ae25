//! Origins that fail at a chosen place of their answer, in a chosen way, on every connection alike.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::frames::{self, INTERNAL_ERROR, METHOD_POST, STATUS_200};
use crate::h2wire::{DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, frame, literals};
use crate::origin::{Notes, Origin, Request, fill, read_request};

/// Where an answer fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before anything of the request was read.
    Connect,
    /// In the middle of the head of the response.
    Head,
    /// In the middle of its body.
    Body,
    /// In the middle of its trailers.
    Trailer,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// Nothing comes any more.
    Stall,
    /// `RST_STREAM`; the connection lives on.
    StreamReset,
}

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// The body before the fault.
pub(crate) const HALF: &str = "half";
/// Connections to a listener with a backlog of 0 that leave room for no other (`listen(2)`).
const FILLING: usize = 4;

/// A faulty origin; gone with its drop.
pub(crate) enum FaultyOrigin {
    Serving(Origin),
    /// Nobody listens.
    Gone(SocketAddr),
    /// The backlog is full, so the kernel drops what comes and refuses nothing.
    Full {
        listener: Socket,
        _waiting: Vec<Socket>,
    },
}

impl FaultyOrigin {
    pub(crate) async fn start(protocol: Protocol, place: Place, fault: Fault) -> Self {
        match (place, fault) {
            (Place::Connect, Fault::Reset) => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                Self::Gone(listener.local_addr().unwrap())
            }
            (Place::Connect, Fault::Stall) => Self::full(),
            _ => Self::Serving(
                Origin::raw(move |mut stream, notes| async move {
                    let mut buffer = Vec::new();
                    let told = match (place, protocol) {
                        (Place::Connect, _) => Some(()),
                        (_, Protocol::Http1) => fail_http1(&mut stream, &mut buffer, &notes, place).await,
                        (_, Protocol::Http2) => fail_http2(&mut stream, &mut buffer, &notes, place, fault).await,
                    };
                    if told.is_some() {
                        break_off(stream, buffer, fault, protocol).await;
                    }
                })
                .await,
            ),
        }
    }

    fn full() -> Self {
        let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = tcp();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let fill = || {
            let waiting = tcp();
            waiting.set_nonblocking(true).unwrap();
            // The first ones are in progress, the others for ever.
            let _in_progress = waiting.connect(&address);
            waiting
        };
        let waiting = (0..FILLING).map(|_| fill()).collect();
        Self::Full { listener, _waiting: waiting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Serving(origin) => origin.address,
            Self::Gone(address) => *address,
            Self::Full { listener, .. } => listener.local_addr().unwrap().as_socket().unwrap(),
        }
    }

    /// Whole requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        match self {
            Self::Serving(origin) => origin.requests(),
            Self::Gone(_) | Self::Full { .. } => Vec::new(),
        }
    }

    pub(crate) fn open_connections(&self) -> usize {
        match self {
            Self::Serving(origin) => origin.open_connections(),
            Self::Gone(_) | Self::Full { .. } => 0,
        }
    }
}

async fn fail_http1(stream: &mut TcpStream, buffer: &mut Vec<u8>, notes: &Notes, place: Place) -> Option<()> {
    notes.note(read_request(stream, buffer, 0).await?);
    let half: &[u8] = match place {
        Place::Connect => b"",
        Place::Head => b"HTTP/1.1 200 OK\r\ncontent-le",
        Place::Body => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        Place::Trailer => {
            b"HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nx-su"
        }
    };
    stream.write_all(half).await.ok()
}

async fn fail_http2(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    notes: &Notes,
    place: Place,
    fault: Fault,
) -> Option<()> {
    frames::greet(stream, buffer).await?;
    let whole = frames::read_whole(stream, buffer).await?;
    let method = if whole.block.contains(&METHOD_POST) { "POST" } else { "GET" };
    notes.note(Request { head: format!("{method} HTTP/2\r\n\r\n"), body: whole.body, place: 0 });
    let id = whole.stream;
    if matches!(place, Place::Body | Place::Trailer) {
        let answer = [frame(HEADERS, END_HEADERS, id, STATUS_200), frame(DATA, 0, id, HALF.as_bytes())].concat();
        stream.write_all(&[answer, frame(PING, 0, 0, &[0; 8])].concat()).await.ok()?;
        // Answered once all before it was read: a reset takes with it what was not (RFC 9293 section 3.10.7.4).
        while frames::read_frame(stream, buffer).await?.kind != PING {}
    }
    let half = match (place, fault) {
        // No other frame may stand within a block of fields (RFC 9113 section 4.3), so this one stands in its place.
        (_, Fault::StreamReset) => frame(RST_STREAM, 0, id, &INTERNAL_ERROR),
        (Place::Head, _) => frame(HEADERS, 0, id, STATUS_200),
        (Place::Trailer, _) => frame(HEADERS, END_STREAM, id, &literals([("x-sum", "1")])),
        (Place::Connect | Place::Body, _) => Vec::new(),
    };
    stream.write_all(&half).await.ok()
}

/// Ends the connection as `fault` says. One that stalls waits until the other side has had enough.
async fn break_off(mut stream: TcpStream, mut buffer: Vec<u8>, fault: Fault, protocol: Protocol) {
    match (fault, protocol) {
        (Fault::Close, _) => {}
        (Fault::Reset, _) => stream.set_zero_linger().unwrap(),
        (Fault::Stall | Fault::StreamReset, Protocol::Http1) => while fill(&mut stream, &mut buffer).await.is_some() {},
        (Fault::Stall, Protocol::Http2) => {
            while let Some(frame) = frames::read_frame(&mut stream, &mut buffer).await
                && frame.kind != RST_STREAM
            {}
        }
        (Fault::StreamReset, Protocol::Http2) => {}
    }
}
