//! Step of the path, first half of `forward`: a server is chosen, its turn awaited, and a connection to it taken or made.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;
use sluice_policy::{Protocol, Route};
use sluice_snapshot::upstream::Failure;
use tokio::time::{Instant, timeout_at};

use crate::client::{Door, Lease, ServerConnection};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::pick::Choice;
use crate::respond;
use crate::trail::Trail;
use crate::upstream::{Group, InFlight, Outcome, Pass, Server};
use crate::worker::Worker;

/// Servers that one attempt may try to connect to.
const SERVERS_TRIED_MAX: usize = 4;

/// A connection for one attempt.
pub(crate) struct Acquired {
    pub(crate) lease: Lease,
    /// The upstream's breaker let it through.
    pub(crate) pass: Option<Pass>,
    /// It served a request before: the server may be closing it right now.
    pub(crate) is_reused: bool,
}

/// A connection to some server of the choice: an idle one, or a fresh one if that is wanted or none is idle. A server
/// that cannot be connected to is left for the next one at once.
pub(crate) async fn acquire(
    exchange: &Exchange,
    route: &Route,
    choice: &mut Choice,
    wants_fresh: bool,
    deadline: Instant,
) -> Result<Acquired, Error> {
    let counters = exchange.connection.worker.counters();
    let mut last = None;
    for _ in 0..SERVERS_TRIED_MAX {
        let now = Instant::now();
        if now >= deadline {
            return Err(Error::RequestTimeout);
        }
        let server = match choice.next_server(exchange, now) {
            Ok(server) => server,
            Err(error) => return Err(last.unwrap_or(error)),
        };
        let group = choice.group(exchange);
        let pass = group.pass();
        let patience = route.timeouts.connect.min(route.timeouts.per_try);
        let worker = &exchange.connection.worker;
        let trail = Some(&exchange.trail);
        let entrance = Entrance { worker, group, server: &server, patience, deadline, trail };
        let opened = entrance.open(wants_fresh).await;
        let (in_flight, error) = match opened {
            Ok(lease) => return Ok(Acquired { is_reused: lease.is_reused(), lease, pass }),
            Err(Closed::Busy) => {
                group.stats().pending_refused.fetch_add(1, Ordering::Relaxed);
                return Err(Error::Busy);
            }
            Err(Closed::Unreachable(in_flight, error)) => (in_flight, error),
        };
        tracing::debug!(server = &*server.address, error = &error as &dyn std::error::Error, "connecting failed");
        exchange.trail.failed(respond::reason(&error));
        if !is_ours(&error) {
            let failure =
                if matches!(error, Error::ConnectTimeout) { Failure::ConnectTimeout } else { Failure::Connect };
            let now = Instant::now();
            group.judge(&in_flight, Outcome::Failed(failure), now);
            group.settle(pass, Outcome::Failed(failure), now);
        }
        choice.set_unreachable(&server);
        counters.retries.fetch_add(1, Ordering::Relaxed);
        last = Some(error);
    }
    Err(last.unwrap_or(Error::NoServer))
}

/// The way to one server.
pub(crate) struct Entrance<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) group: &'a Group,
    pub(crate) server: &'a Rc<Server>,
    /// For waiting in the queue, and again for connecting.
    pub(crate) patience: Duration,
    pub(crate) deadline: Instant,
    /// Where the attempt is noted, if it is one of an exchange.
    pub(crate) trail: Option<&'a Trail>,
}

/// Why there is no way in.
pub(crate) enum Closed {
    /// Too many wait already, or the turn did not come in time.
    Busy,
    /// No connection could be opened.
    Unreachable(InFlight, Error),
}

impl Entrance<'_> {
    /// The right to send one request.
    pub(crate) async fn open(&self, wants_fresh: bool) -> Result<Lease, Closed> {
        match self.group.protocol() {
            Protocol::Http1 => self.http1(wants_fresh).await,
            Protocol::H2c => self.http2().await,
        }
    }

    fn enter(&self, now: Instant) -> InFlight {
        if let Some(trail) = self.trail {
            trail.tries(self.server);
        }
        self.server.enter(now)
    }

    /// A connection of its own: an idle one, or a fresh one.
    async fn http1(&self, wants_fresh: bool) -> Result<Lease, Closed> {
        let turn = timeout_at(self.deadline.min(Instant::now() + self.patience), self.group.permit()).await;
        let Ok(Ok(permit)) = turn else { return Err(Closed::Busy) };
        let began = Instant::now();
        let in_flight = self.enter(began);
        if !wants_fresh && let Some(connection) = self.server.idle_connection() {
            return Ok(Lease::http1(connection, permit, in_flight));
        }
        self.worker.counters().upstream_connects.fetch_add(1, Ordering::Relaxed);
        self.group.make_room();
        let patience = self.patience.min(self.deadline.saturating_duration_since(began));
        match ServerConnection::open(&self.server.address, patience).await {
            Ok(connection) => Ok(Lease::http1(Box::new(connection), permit, in_flight)),
            Err(error) => Err(Closed::Unreachable(in_flight, error)),
        }
    }

    /// A stream of a connection that others use too. One that was lost is noticed, so there is no need to want a fresh one.
    async fn http2(&self) -> Result<Lease, Closed> {
        let began = Instant::now();
        let in_flight = self.enter(began);
        let door = Door {
            worker: self.worker,
            group: self.group,
            address: &self.server.address,
            connect_max: self.patience,
            deadline: self.deadline,
        };
        match self.server.http2.stream(&door).await {
            Ok(stream) => Ok(Lease::http2(stream, in_flight)),
            Err(Error::Busy) => Err(Closed::Busy),
            Err(error) => Err(Closed::Unreachable(in_flight, error)),
        }
    }
}

/// True if this machine could not connect, whatever the server (`connect(2)`, `socket(2)`).
fn is_ours(error: &Error) -> bool {
    let Error::Connect(error) = error else { return false };
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM)
    )
}
