//! Step of the path, first half of `forward`: a server is chosen, its turn awaited, and a connection to it taken or made.

use std::sync::atomic::Ordering;

use rustix::io::Errno;
use sluice_policy::Route;
use sluice_snapshot::upstream::Failure;
use tokio::time::{Instant, timeout_at};

use crate::client::{Lease, ServerConnection};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::pick::Choice;
use crate::respond;
use crate::upstream::{Outcome, Pass};

/// Servers that one attempt may try to connect to.
const SERVERS_TRIED_MAX: usize = 4;

/// A connection for one attempt.
pub(crate) struct Acquired {
    pub(crate) lease: Lease,
    /// The upstream's breaker let it through.
    pub(crate) pass: Option<Pass>,
    /// It served a request before: the server may be closing it right now.
    pub(crate) is_reused: bool,
    /// When the attempt at this server began.
    pub(crate) began: Instant,
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
        let permit = timeout_at(deadline.min(now + patience), group.permit()).await;
        let Ok(Ok(permit)) = permit else {
            group.stats().pending_refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Busy);
        };
        let began = Instant::now();
        let in_flight = server.enter(began);
        exchange.trail.tries(&server);
        if !wants_fresh && let Some(connection) = server.idle_connection() {
            let lease = Lease { connection, server: in_flight, permit };
            return Ok(Acquired { is_reused: lease.is_reused(), lease, pass, began });
        }
        counters.upstream_connects.fetch_add(1, Ordering::Relaxed);
        group.make_room();
        let patience = patience.min(deadline.saturating_duration_since(began));
        let error = match ServerConnection::open(&server.address, patience).await {
            Ok(connection) => {
                let lease = Lease { connection: Box::new(connection), server: in_flight, permit };
                return Ok(Acquired { lease, pass, is_reused: false, began });
            }
            Err(error) => error,
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

/// True if this machine could not connect, whatever the server (`connect(2)`, `socket(2)`).
fn is_ours(error: &Error) -> bool {
    let Error::Connect(error) = error else { return false };
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM)
    )
}
