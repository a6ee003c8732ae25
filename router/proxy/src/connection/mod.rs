//! Step of the path: one client connection, as long as it lives. Which protocol it speaks is seen from its first bytes.
//!
//! The codecs parse what the client sends; `clock` keeps the time (heads, idling, clients that do not read), and the
//! drivers in `http1` and `http2` end the connection in a drain.

mod clock;
mod frames;
mod http1;
pub(crate) mod http2;
mod timed;

use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use sluice_policy::ListenerConfig;
use sluice_snapshot::Reason;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use self::clock::{Clock, Due};
use self::frames::PREFACE;
use self::timed::TimedStream;
use crate::drain::{OpenConnection, Stage};
use crate::error::Error;
use crate::peer::Peer;
use crate::stream::SharedStream;
use crate::worker::Worker;
use crate::{linger, panics, record};

/// What a client gets that did not finish its head in time (RFC 9110 section 15.5.9). hyper only closes.
const HEAD_TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\
    proxy-status: sluice; error=http_request_error; details=\"head_timeout\"\r\n\r\n";
/// Connections that were opened together do not end together: each is up to a tenth younger than the bound when it ends.
const AGE_JITTER_PARTS: u64 = 10;
/// How finely that tenth is divided.
const AGE_JITTER_STEPS: u64 = 1_000;

/// One client connection.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    /// The listener that it came in by.
    pub(crate) listener: Rc<ListenerConfig>,
    pub(crate) peer: Peer,
    clock: Clock,
    /// Requests that it has brought.
    requests: Cell<u64>,
    /// When it is told to go.
    old_at: Instant,
    is_http2: Cell<bool>,
    /// It is one too many.
    is_refused: bool,
    /// The client has closed its sending half.
    is_read_out: Cell<bool>,
}

impl Connection {
    fn new(worker: Rc<Worker>, listener: Rc<ListenerConfig>, peer: Peer, is_refused: bool) -> Self {
        let now = Instant::now();
        let old_at = now + jittered(worker.settings.connection_age_max, worker.random());
        Self {
            worker,
            listener,
            peer,
            clock: Clock::new(now),
            requests: Cell::new(0),
            old_at,
            is_http2: Cell::new(false),
            is_refused,
            is_read_out: Cell::new(false),
        }
    }

    /// A request begins.
    pub(crate) fn begin_request(&self) {
        self.requests.set(self.requests.get() + 1);
        if !self.is_http2() {
            self.clock.head_over();
        }
        self.clock.busy();
    }

    /// A request is over, one way or another.
    pub(crate) fn end_request(&self) {
        self.clock.answered();
    }

    /// Whether its requests are served at all.
    pub(crate) const fn admit(&self) -> Result<(), Error> {
        if self.is_refused { Err(Error::Overloaded) } else { Ok(()) }
    }

    /// True if it may bring no more than the `requests` that it has brought.
    fn is_enough(&self, requests: u64) -> bool {
        self.is_refused || requests >= self.worker.settings.requests_per_connection_max
    }

    /// True if its requests share it, so that closing it is no way to end one of them.
    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.get()
    }

    /// True if the answer that is due at `now` must say that it is the last one. Over HTTP/2 the connection says so itself.
    pub(crate) fn is_last_answer(&self, now: Instant) -> bool {
        !self.is_http2()
            && (self.worker.connections.stage() > Stage::Serving
                || now >= self.old_at
                || self.is_enough(self.requests.get()))
    }
}

fn jittered(age: Duration, random: u64) -> Duration {
    let step = u32::try_from(random % AGE_JITTER_STEPS).unwrap_or_default();
    let steps = u32::try_from(AGE_JITTER_PARTS * AGE_JITTER_STEPS).unwrap_or(u32::MAX);
    age - age / steps * step
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    listener: Rc<ListenerConfig>,
    open: OpenConnection,
    stream: TcpStream,
    peer: SocketAddr,
) {
    worker.counters().connections.fetch_add(1, Ordering::Relaxed);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay refused");
    }
    let peer = Peer::new(peer, stream.local_addr().unwrap_or(listener.address), &listener);
    let stream = SharedStream::new(stream);
    let connection = Rc::new(Connection::new(Rc::clone(&worker), listener, peer, open.is_beyond()));
    // A panic outside of a request ends this connection, and no other.
    let _ended = panics::caught(worker.counters(), "connection", drive(&connection, stream, &open)).await;
    worker.counters().connections.fetch_sub(1, Ordering::Relaxed);
}

async fn drive(connection: &Rc<Connection>, stream: SharedStream, open: &OpenConnection) {
    let worker = &connection.worker;
    let mut timed = TimedStream::new(stream.clone(), Rc::clone(connection));
    let mut timer = pin!(sleep_until(Instant::now() + worker.settings.header_read));
    let ending = match begin(connection, &mut timed, open, timer.as_mut()).await {
        Ok(Protocol::Http1) => http1::serve(connection, timed, timer).await,
        Ok(Protocol::Http2) => {
            connection.is_http2.set(true);
            Box::pin(http2::serve(connection, timed, timer)).await
        }
        Err(ending) => ending,
    };
    if ending == Ending::HeadLate && !connection.is_http2() {
        record::refused_unread(connection, 408, Reason::HeadTimeout);
        stream.write_now(HEAD_TIMED_OUT);
    }
    let is_ours = ending == Ending::Closed && !connection.is_read_out.get();
    if is_ours && !connection.is_http2() && worker.connections.stage() == Stage::Serving {
        linger::close(stream).await;
    }
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    /// By prior knowledge (RFC 9113 section 3.3).
    Http2,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Closed by either side, or broken; the codec has said what there was to say.
    Closed,
    /// It idled for too long, or its client stopped reading.
    Idle,
    /// A head was begun and not finished.
    HeadLate,
    /// Its client sent too many frames that ask for nothing.
    Flood,
}

/// Waits for the first bytes, until they are the preface of HTTP/2 or cannot become it.
async fn begin(
    connection: &Connection,
    stream: &mut TimedStream,
    open: &OpenConnection,
    mut timer: Pin<&mut Sleep>,
) -> Result<Protocol, Ending> {
    let worker = &connection.worker;
    let mut is_registered = false;
    poll_fn(|cx| {
        if !is_registered {
            open.register(cx.waker());
            is_registered = true;
        }
        if worker.connections.stage() >= Stage::Closing {
            return Poll::Ready(Err(Ending::Closed));
        }
        while let Poll::Ready(read) = stream.poll_read_ahead(cx) {
            if !matches!(read, Ok(bytes) if bytes > 0) {
                return Poll::Ready(Err(Ending::Closed));
            }
            connection.clock.head_begun();
            if let Some(protocol) = protocol_of(stream.ahead()) {
                return Poll::Ready(Ok(protocol));
            }
        }
        connection
            .clock
            .poll_due(cx, timer.as_mut(), &worker.settings)
            .map(|due| Err(if due == Due::HeadLate { Ending::HeadLate } else { Ending::Idle }))
    })
    .await
}

/// The protocol that begins like this, once it is certain.
fn protocol_of(first: &[u8]) -> Option<Protocol> {
    if first.starts_with(PREFACE) {
        return Some(Protocol::Http2);
    }
    (!PREFACE.starts_with(first)).then_some(Protocol::Http1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_told_from_a_request_at_the_first_byte_that_differs() {
        assert_eq!(protocol_of(b"G"), Some(Protocol::Http1));
        assert_eq!(protocol_of(b"PRI * HTTP/1.1\r\n"), Some(Protocol::Http1));
        for bytes in 0..PREFACE.len() {
            assert_eq!(protocol_of(&PREFACE[..bytes]), None);
        }
        assert_eq!(protocol_of(&[&PREFACE[..], b"more"].concat()), Some(Protocol::Http2));
    }

    #[test]
    fn ages_are_spread_below_the_bound() {
        let age = Duration::from_secs(3_600);
        assert_eq!(jittered(age, 0), age);
        let youngest = jittered(age, AGE_JITTER_STEPS - 1);
        assert!(youngest > age * 9 / 10 && youngest < age * 91 / 100, "{youngest:?}");
    }
}
