//! A client connection over HTTP/2, with many requests in flight: `h2` keeps its state; this file hands each request to a
//! task of its own, keeps the time, and ends the connection with GOAWAY.
//!
//! `h2` is used without hyper on top, which can neither say why it closes a connection nor see that a client leaves its
//! window closed.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version, header, uri};
use http_body::Body as _;
use tokio::time::{Instant, Sleep};

use super::clock::Due;
use super::frames::Frames;
use super::timed::TimedStream;
use super::{Connection, Ending};
use crate::answer::ResponseBody;
use crate::codec::{Incoming, KeepAlive, Outgoing, OutgoingFault};
use crate::drain::Stage;
use crate::exchange;
use crate::proxy::Settings;

/// What a client may send of one body before it is read, and of all bodies together: the window of a connection over
/// 10 ms at 50 Mbit/s, small enough for [`Settings::streams_max`] of them.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// What is kept for a client that reads slowly, per stream.
const SEND_BUFFER_BYTES_MAX: usize = 64 << 10;
/// Streams that the client has reset and nobody has taken up yet (CVE-2023-44487).
const UNSEEN_RESETS_MAX: usize = 20;
/// Streams that are reset for what the client sends on them (RUSTSEC-2024-0003).
const OUR_RESETS_MAX: usize = 100;
/// Largest frame taken in, the least that must be (RFC 9113 section 6.5.2): more would only make streams wait.
const FRAME_BYTES_MAX: u32 = 16 << 10;

/// The codec of client connections.
pub(crate) fn builder(settings: &Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(settings.streams_max)
        .max_header_list_size(u32::try_from(settings.head_bytes_max).unwrap_or(u32::MAX))
        .max_frame_size(FRAME_BYTES_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
        .max_local_error_reset_streams(Some(OUR_RESETS_MAX));
    builder
}

/// Serves the connection to its end.
pub(super) async fn serve(connection: &Rc<Connection>, mut stream: TimedStream, mut timer: Pin<&mut Sleep>) -> Ending {
    let (worker, clock) = (&connection.worker, &connection.clock);
    let frames = Rc::new(Frames::new(Instant::now()));
    stream.watch(&frames);
    let mut handshake = pin!(worker.http2.handshake(stream));
    let shaken = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Ready(http) => Poll::Ready(http.map_err(|_| Ending::Closed)),
        Poll::Pending => clock.poll_due(cx, timer.as_mut(), &worker.settings).map(|_| Err(Ending::Idle)),
    });
    let mut http = match shaken.await {
        Ok(http) => http,
        Err(ending) => return ending,
    };
    let Some(pings) = http.ping_pong() else { return Ending::Closed };
    let keep_alive = KeepAlive::new(pings, worker.settings.ping_interval, worker.settings.ping_timeout);
    clock.set_old_at(Some(connection.old_at));
    let mut driver = Driver { connection, http, frames, keep_alive, farewell: Farewell::None, taken: 0 };
    poll_fn(|cx| {
        clock.set_driver(cx.waker());
        driver.poll(cx, timer.as_mut())
    })
    .await
}

struct Driver<'a> {
    connection: &'a Rc<Connection>,
    http: h2::server::Connection<TimedStream, Bytes>,
    frames: Rc<Frames>,
    keep_alive: KeepAlive,
    farewell: Farewell,
    /// Requests handed to tasks, which may not have begun yet.
    taken: u64,
}

/// How the client was told to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    None,
    /// Open no more streams (RFC 9113 section 6.8).
    Graceful,
    /// At once, and how the connection ends when it was told.
    Abrupt(Ending),
}

impl Driver<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Ending> {
        let connection = self.connection;
        loop {
            self.follow_drain();
            match self.http.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.take(request, respond);
                    continue;
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    return Poll::Ready(if let Farewell::Abrupt(ending) = self.farewell {
                        ending
                    } else {
                        Ending::Closed
                    });
                }
                Poll::Pending => {}
            }
            if let Farewell::Abrupt(ending) = self.farewell {
                // It does not even take the farewell.
                return Poll::Ready(ending);
            }
            if self.frames.is_flood() {
                self.leave(Reason::ENHANCE_YOUR_CALM, Ending::Flood);
                continue;
            }
            if self.keep_alive.poll(cx, self.frames.last_read(), connection.clock.is_busy()).is_ready() {
                return Poll::Ready(Ending::Idle);
            }
            match ready!(connection.clock.poll_due(cx, timer.as_mut(), &connection.worker.settings)) {
                Due::Old => self.say_last(),
                Due::Idle => self.leave(Reason::NO_ERROR, Ending::Idle),
                Due::HeadLate => self.leave(Reason::NO_ERROR, Ending::HeadLate),
            }
        }
    }

    fn follow_drain(&mut self) {
        match self.connection.worker.connections.stage() {
            Stage::Serving => {}
            Stage::LastAnswers => self.say_last(),
            // The time for requests that were on their way is over.
            Stage::Closing | Stage::Over if !self.connection.clock.is_busy() => {
                self.leave(Reason::NO_ERROR, Ending::Closed);
            }
            Stage::Closing | Stage::Over => self.say_last(),
        }
    }

    /// Tells the client to open no more streams; those that are on their way are still served.
    fn say_last(&mut self) {
        self.connection.clock.set_old_at(None);
        if self.farewell == Farewell::None {
            self.farewell = Farewell::Graceful;
            self.http.graceful_shutdown();
        }
    }

    fn leave(&mut self, reason: Reason, ending: Ending) {
        if !matches!(self.farewell, Farewell::Abrupt(_)) {
            self.farewell = Farewell::Abrupt(ending);
            self.http.abrupt_shutdown(reason);
        }
    }

    fn take(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let connection = self.connection;
        let stream = Stream { connection: Rc::clone(connection), frames: Rc::clone(&self.frames), respond };
        connection.worker.tracker.spawn_local(stream.answer(request));
        self.taken += 1;
        if connection.is_enough(self.taken) {
            self.say_last();
        }
    }
}

/// One request.
struct Stream {
    connection: Rc<Connection>,
    frames: Rc<Frames>,
    respond: SendResponse<Bytes>,
}

impl Stream {
    /// Answers it. Ends early when the client resets the stream or the connection ends; dropping the exchange ends the
    /// request upstream.
    async fn answer(mut self, request: Request<RecvStream>) {
        let (parts, stream) = request.into_parts();
        if is_without_path(&parts) {
            return self.respond.send_reset(Reason::PROTOCOL_ERROR);
        }
        let mut incoming = Incoming::http2(stream, &parts.headers);
        let body_asked = Rc::new(Cell::new(false));
        if is_continue_expected(&parts) {
            incoming.note_when_asked(&body_asked);
        }
        let request = Request::from_parts(parts, incoming);
        let mut answering = pin!(exchange::answer(Rc::clone(&self.connection), request));
        let answered = poll_fn(|cx| {
            if let Poll::Ready(Ok(response)) = answering.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            if body_asked.take() {
                self.say_continue();
            }
            self.respond.poll_reset(cx).map(|_| None)
        });
        if let Some(response) = answered.await {
            self.send(response).await;
        }
    }

    async fn send(&mut self, response: Response<ResponseBody>) {
        let (mut parts, body) = response.into_parts();
        parts.version = Version::HTTP_2;
        to_http2(&mut parts.headers);
        let is_bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if let Some(bytes) = body.size_hint().exact().filter(|bytes| *bytes > 0 && !is_bodiless) {
            parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| bytes.into());
        }
        if !parts.headers.contains_key(header::DATE) {
            parts.headers.insert(header::DATE, self.connection.worker.date());
        }
        let is_over = body.is_over();
        let Ok(stream) = self.respond.send_response(Response::from_parts(parts, ()), is_over) else { return };
        if is_over {
            return self.frames.answered();
        }
        let mut outgoing = Outgoing::new(body, stream, self.connection.worker.settings.body_idle);
        match poll_fn(|cx| outgoing.poll(cx)).await {
            Ok(()) => self.frames.answered(),
            Err(OutgoingFault::Stalled) => {
                outgoing.body.stalled();
                outgoing.reset(Reason::CANCEL);
            }
            Err(OutgoingFault::Body(_)) => outgoing.reset(Reason::INTERNAL_ERROR),
            Err(OutgoingFault::Unwanted) => {}
        }
    }

    fn say_continue(&mut self) {
        let mut interim = Response::new(());
        *interim.status_mut() = StatusCode::CONTINUE;
        // A client that is gone is noticed next.
        let _gone = self.respond.send_informational(interim);
    }
}

/// `h2` lets a request pass that has neither `:path` nor `:authority` (RFC 9113 section 8.3.1).
fn is_without_path(parts: &Parts) -> bool {
    let is_nothing = || Uri::from_parts(uri::Parts::default()).is_ok_and(|nothing| nothing == parts.uri);
    parts.uri.authority().is_none() && is_nothing()
}

/// True if the client waits before it sends its body (RFC 9110 section 10.1.1).
fn is_continue_expected(parts: &Parts) -> bool {
    parts.headers.get(header::EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Takes off what says something of an HTTP/1.1 connection (RFC 9113 section 8.2.2).
fn to_http2(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}
