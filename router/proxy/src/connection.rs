//! Step of the path: one client connection, as long as it lives. hyper parses what the client sends; this file keeps the
//! time (heads, idling, clients that do not read) and ends the connection in a drain.
//!
//! One timer per connection serves all limits. It is moved only when a limit comes closer, so a request that arrives in
//! one piece and is answered at once touches no timer at all.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sluice_policy::ListenerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::drain::{OpenConnection, Stage};
use crate::exchange;
use crate::proxy::Settings;
use crate::stream::SharedStream;
use crate::worker::Worker;

/// What a client gets that did not finish its head in time (RFC 9110 section 15.5.9). hyper only closes.
const HEAD_TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// One client connection.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    /// The listener that it came in by.
    pub(crate) listener: Rc<ListenerConfig>,
    pub(crate) peer: Peer,
    pub(crate) clock: Clock,
}

/// Who is at the other end, in the forms that requests need.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The address without port.
    pub(crate) address_field: HeaderValue,
    /// `Forwarded` (RFC 7239).
    pub(crate) forwarded_field: HeaderValue,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        let node = if ip.is_ipv6() { format!("\"[{ip}]\"") } else { ip.to_string() };
        let field = |text: String| HeaderValue::try_from(text).expect("invariant: an address is visible ASCII");
        Self { address_field: field(ip.to_string()), forwarded_field: field(format!("for={node};proto=http")) }
    }
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
    let stream = SharedStream::new(stream);
    let (peer, clock) = (Peer::new(peer), Clock::new(Instant::now()));
    let connection = Rc::new(Connection { worker: Rc::clone(&worker), listener, peer, clock });
    let ending = drive(&connection, &stream, &open).await;
    if ending == Ending::HeadLate {
        stream.write_now(HEAD_TIMED_OUT);
    }
    worker.counters().connections.fetch_sub(1, Ordering::Relaxed);
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Closed by either side, or broken; hyper has said what there was to say.
    Closed,
    /// It idled for too long, or its client stopped reading.
    Idle,
    /// A head was begun and not finished.
    HeadLate,
}

async fn drive(connection: &Rc<Connection>, stream: &SharedStream, open: &OpenConnection) -> Ending {
    let worker = &connection.worker;
    let io = TokioIo::new(TimedStream { stream: stream.clone(), connection: Rc::clone(connection) });
    let service = service_fn(|request| exchange::answer(Rc::clone(connection), request));
    let mut http = pin!(worker.http.serve_connection(io, service));
    let mut timer = pin!(sleep_until(Instant::now() + worker.settings.header_read));
    let (mut is_registered, mut is_told) = (false, false);
    poll_fn(|cx| {
        if !is_registered {
            open.register(cx.waker());
            is_registered = true;
        }
        // One that waits for a request is told by the answer to it, or when that does not come.
        let is_last = match worker.connections.stage() {
            Stage::Serving => false,
            Stage::LastAnswers => connection.clock.is_busy(),
            Stage::Closing | Stage::Over => true,
        };
        if is_last && !is_told {
            is_told = true;
            http.as_mut().graceful_shutdown();
        }
        if http.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ending::Closed);
        }
        connection.clock.poll_late(cx, timer.as_mut(), &worker.settings)
    })
    .await
}

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(crate) struct Clock {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// When the client stopped taking what we write.
    blocked_since: Cell<Option<Instant>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Accepted, nothing came yet.
    Fresh,
    /// Between two requests.
    Idle,
    /// A head has begun.
    Head,
    /// A request is being answered.
    Busy,
}

impl Clock {
    fn new(now: Instant) -> Self {
        Self { phase: Cell::new(Phase::Fresh), since: Cell::new(now), blocked_since: Cell::new(None) }
    }

    /// A head is complete.
    pub(crate) fn busy(&self) {
        self.phase.set(Phase::Busy);
    }

    fn is_busy(&self) -> bool {
        self.phase.get() == Phase::Busy
    }

    /// A response is out.
    pub(crate) fn idle(&self) {
        self.phase.set(Phase::Idle);
        self.since.set(Instant::now());
    }

    fn received(&self) {
        if matches!(self.phase.get(), Phase::Fresh | Phase::Idle) {
            self.phase.set(Phase::Head);
            self.since.set(Instant::now());
        }
    }

    fn wrote(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// When the present state has lasted too long, and what the connection ends with then.
    fn limit(&self, settings: &Settings) -> Option<(Instant, Ending)> {
        if let Some(since) = self.blocked_since.get() {
            return Some((since + settings.body_idle, Ending::Idle));
        }
        let since = self.since.get();
        match self.phase.get() {
            Phase::Fresh => Some((since + settings.header_read, Ending::Idle)),
            Phase::Head => Some((since + settings.header_read, Ending::HeadLate)),
            Phase::Idle => Some((since + settings.keep_alive_idle, Ending::Idle)),
            Phase::Busy => None,
        }
    }

    /// Completes when the present state has lasted too long.
    fn poll_late(&self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, settings: &Settings) -> Poll<Ending> {
        loop {
            let Some((limit, ending)) = self.limit(settings) else { return Poll::Pending };
            if limit < timer.deadline() {
                timer.as_mut().reset(limit);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if limit <= Instant::now() {
                return Poll::Ready(ending);
            }
            // It was set for a state that is over.
            timer.as_mut().reset(limit);
        }
    }
}

/// The client's stream as hyper sees it: each byte that moves moves the clock.
struct TimedStream {
    stream: SharedStream,
    connection: Rc<Connection>,
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.connection.clock.received();
        }
        polled
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.connection.clock.wrote(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.connection.clock.wrote(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
