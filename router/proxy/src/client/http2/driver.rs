//! The task behind a connection to a server over HTTP/2: it moves the bytes of all its streams.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::codec::KeepAlive;
use crate::gate::Permit;

/// Streams of one connection, if the server allows more: the usual bound of servers (nginx 128, hyper 200, Go 250), and
/// few enough that one lost connection is no disaster.
const STREAMS_MAX: usize = 100;
/// Stands for "the server has not said yet": no server can say that many.
pub(super) const STREAMS_UNKNOWN: usize = usize::MAX - 1;

/// What driver and users tell each other.
pub(super) struct State {
    /// In use.
    pub(super) streams: Cell<usize>,
    /// That may be in use at a time.
    pub(super) streams_max: Cell<usize>,
    pub(super) served: Cell<u64>,
    pub(super) is_over: Cell<bool>,
    pub(super) idle_since: Cell<Instant>,
    /// Held while any stream is in use.
    pub(super) permit: RefCell<Option<Permit>>,
    pub(super) changed: Rc<Notify>,
}

impl State {
    pub(super) fn is_idle(&self) -> bool {
        self.streams.get() == 0
    }
}

/// The sole right to open a connection; ends with its drop.
pub(super) struct Opening {
    pub(super) is_opening: Rc<Cell<bool>>,
    pub(super) changed: Rc<Notify>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.is_opening.set(false);
        self.changed.notify_waiters();
    }
}

/// The task behind a connection.
pub(super) struct Driver {
    pub(super) codec: h2::client::Connection<TcpStream, Bytes>,
    pub(super) pings: Option<KeepAlive>,
    pub(super) state: Rc<State>,
    /// Until the server has said how many streams it takes, nobody opens another connection.
    pub(super) opening: Option<Opening>,
}

impl Driver {
    /// Moves bytes until the connection ends. `settings_max`: how long the server may take to show that it speaks HTTP/2.
    pub(super) async fn run(mut self, settings_max: Duration) {
        let born = Instant::now();
        let mut late = pin!(sleep(settings_max));
        poll_fn(|cx| {
            if Pin::new(&mut self.codec).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match self.codec.max_concurrent_send_streams() {
                STREAMS_UNKNOWN => {
                    if late.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                }
                allowed => self.allow(allowed.min(STREAMS_MAX)),
            }
            let is_needed = !self.state.is_idle();
            match &mut self.pings {
                // It is asked even if it was heard of: that costs less than to listen.
                Some(pings) => pings.poll(cx, born, is_needed),
                None => Poll::Pending,
            }
        })
        .await;
        self.state.is_over.set(true);
        // With the codec every stream ends, and with the opening somebody else may try.
        self.state.changed.notify_waiters();
    }

    fn allow(&mut self, streams_max: usize) {
        if self.state.streams_max.replace(streams_max) < streams_max {
            self.state.changed.notify_waiters();
        }
        self.opening = None;
    }
}
