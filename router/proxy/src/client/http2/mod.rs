//! Connections to a server over HTTP/2, by prior knowledge: each is driven by one task of the worker and shared by the
//! requests of many clients.
//!
//! One connection is opened at a time. Who comes meanwhile waits for it, and for a stream on it, up to what the server
//! allows; only then is there another one. A connection counts towards the upstream's bound while any stream of it is in
//! use.

mod driver;
mod stream;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use self::driver::{Driver, Opening, STREAMS_UNKNOWN, State};
pub(crate) use self::stream::Http2Stream;
use super::connect;
use crate::codec::{self, KeepAlive};
use crate::error::Error;
use crate::gate::Full;
use crate::proxy::Settings;
use crate::upstream::Group;
use crate::worker::Worker;

/// What a server may send of one body before the client takes it, and of all bodies together: enough for all streams, so
/// that a client that does not read holds up nobody else.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// What is kept for a server that reads slowly, per stream.
const SEND_BUFFER_BYTES_MAX: usize = 64 << 10;
/// The connections to one server, of one worker.
#[derive(Default)]
pub(crate) struct Http2Connections {
    open: RefCell<Vec<Connection>>,
    is_opening: Rc<Cell<bool>>,
    /// Requests that wait for a stream.
    waiting: Cell<usize>,
    /// A stream may be free now.
    changed: Rc<Notify>,
}

/// One connection, as those who use it see it. When the last of these is gone, its driver says goodbye.
#[derive(Clone)]
struct Connection {
    requests: SendRequest<Bytes>,
    state: Rc<State>,
}

/// A place in the queue for a stream.
struct Turn<'a>(&'a Cell<usize>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What opening a connection takes.
pub(crate) struct Door<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) group: &'a Group,
    /// `host:port`.
    pub(crate) address: &'a str,
    /// For waiting in the queue, again for connecting, and again until the server has shown that it speaks HTTP/2.
    pub(crate) connect_max: Duration,
    /// Of the whole request.
    pub(crate) deadline: Instant,
}

impl Http2Connections {
    /// A stream, as soon as there is one: on a connection in use, on an idle one, or on a new one. Cancel safe.
    pub(crate) async fn stream(&self, door: &Door<'_>) -> Result<Http2Stream, Error> {
        let mut turn = None;
        let turn_by = door.deadline.min(Instant::now() + door.connect_max);
        loop {
            if let Some(connection) = self.find(|state| !state.is_idle()) {
                return Ok(connection.stream(door));
            }
            let Some(opening) = self.begin_opening() else {
                if turn.is_none() {
                    turn = Some(self.queue(door.group.pending_max())?);
                }
                timeout_at(turn_by, self.changed.notified()).await.map_err(|_| Error::Busy)?;
                continue;
            };
            let permit = tokio::select! {
                permit = timeout_at(turn_by, door.group.permit()) => match permit {
                    Ok(Ok(permit)) => permit,
                    Ok(Err(Full)) | Err(_) => return Err(Error::Busy),
                },
                () = self.changed.notified() => continue,
            };
            let connection = match self.find(State::is_idle) {
                Some(connection) => connection,
                None => self.open(door, opening).await?,
            };
            *connection.state.permit.borrow_mut() = Some(permit);
            return Ok(connection.stream(door));
        }
    }

    /// Forgets connections that were idle for too long, and with that closes them.
    pub(crate) fn sweep(&self, now: Instant, idle_max: Duration) {
        let is_fresh = |state: &State| !state.is_idle() || now.duration_since(state.idle_since.get()) <= idle_max;
        self.open.borrow_mut().retain_mut(|connection| connection.is_usable() && is_fresh(&connection.state));
    }

    /// Gives no stream of these connections away any more; each ends with its last one.
    pub(crate) fn forget(&self) {
        self.open.borrow_mut().clear();
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.open.borrow().iter().filter(|connection| connection.state.is_idle()).count()
    }

    /// Since when the oldest idle connection is idle.
    pub(crate) fn oldest_idle(&self) -> Option<Instant> {
        let open = self.open.borrow();
        open.iter().filter(|connection| connection.state.is_idle()).map(|idle| idle.state.idle_since.get()).min()
    }

    /// Closes the oldest idle connection.
    pub(crate) fn drop_oldest_idle(&self) {
        if let Some(oldest) = self.oldest_idle() {
            self.open.borrow_mut().retain(|open| !open.state.is_idle() || open.state.idle_since.get() != oldest);
        }
    }

    /// A usable connection with room; those that are of no use any more are forgotten on the way.
    fn find(&self, is_wanted: impl Fn(&State) -> bool) -> Option<Connection> {
        let mut open = self.open.borrow_mut();
        open.retain_mut(Connection::is_usable);
        let has_room = |state: &State| state.streams.get() < state.streams_max.get();
        // The oldest first, so that younger ones run dry when there is less to do.
        open.iter().find(|connection| has_room(&connection.state) && is_wanted(&connection.state)).cloned()
    }

    fn begin_opening(&self) -> Option<Opening> {
        let is_free = !self.is_opening.replace(true);
        is_free.then(|| Opening { is_opening: Rc::clone(&self.is_opening), changed: Rc::clone(&self.changed) })
    }

    fn queue(&self, pending_max: usize) -> Result<Turn<'_>, Error> {
        if self.waiting.get() >= pending_max {
            return Err(Error::Busy);
        }
        self.waiting.set(self.waiting.get() + 1);
        Ok(Turn(&self.waiting))
    }

    async fn open(&self, door: &Door<'_>, opening: Opening) -> Result<Connection, Error> {
        let settings = &door.worker.settings;
        door.worker.counters().upstream_connects.fetch_add(1, Ordering::Relaxed);
        door.group.make_room();
        let connect_max = door.connect_max.min(door.deadline.saturating_duration_since(Instant::now()));
        let stream = connect(door.address, connect_max).await?;
        let shaken = builder(settings).handshake(stream).await;
        let (requests, mut codec) = shaken.map_err(|error| Error::ServerClosed(codec::Error::Http2(error)))?;
        let state = Rc::new(State {
            streams: Cell::new(0),
            streams_max: Cell::new(1),
            served: Cell::new(0),
            is_over: Cell::new(false),
            idle_since: Cell::new(Instant::now()),
            permit: RefCell::default(),
            changed: Rc::clone(&self.changed),
        });
        let pings = codec.ping_pong().map(|pings| KeepAlive::new(pings, settings.ping_interval, settings.ping_timeout));
        let driver = Driver { codec, pings, state: Rc::clone(&state), opening: Some(opening) };
        door.worker.spawn_driver(driver.run(door.connect_max));
        let connection = Connection { requests, state };
        self.open.borrow_mut().push(connection.clone());
        Ok(connection)
    }
}

fn builder(settings: &Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(STREAMS_UNKNOWN)
        .max_header_list_size(u32::try_from(settings.head_bytes_max).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX);
    builder
}

impl Connection {
    /// False once the connection is lost, or the server has said that it takes no more.
    fn is_usable(&mut self) -> bool {
        let ready = self.requests.poll_ready(&mut Context::from_waker(Waker::noop()));
        !self.state.is_over.get() && matches!(ready, Poll::Ready(Ok(())))
    }

    fn stream(self, door: &Door<'_>) -> Http2Stream {
        self.state.streams.set(self.state.streams.get() + 1);
        let is_reused = self.state.served.get() > 0;
        self.state.served.set(self.state.served.get() + 1);
        Http2Stream { connection: self, is_reused, upload: None, body_idle: door.worker.settings.body_idle }
    }
}
