//! What workers count of the servers of an upstream: one shard per worker, written by that worker alone, summed by
//! whoever shows it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::latency::{Latency, LatencyTotals};

/// How an attempt at a server fails, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection: refused, unreachable.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// The connection was lost before the response's head.
    Closed,
    /// What came is no response.
    Malformed,
    /// The response's head did not come in time.
    Timeout,
    /// The server answered 502, 503 or 504.
    Status,
}

impl Failure {
    /// All of them, in the order of [`UpstreamTotals::failures`].
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::ConnectTimeout, Self::Closed, Self::Malformed, Self::Timeout, Self::Status];

    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Status => "status",
        }
    }
}

/// What one worker counts of one upstream. All loads and stores are relaxed: these are figures, nothing follows from them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct UpstreamStats {
    /// Attempts at a server.
    pub requests: AtomicU64,
    /// Attempts that failed, by [`Failure`].
    pub failures: [AtomicU64; Failure::ALL.len()],
    /// From the begin of an attempt to the head of its response.
    pub latency: Latency,
    /// Requests that were sent again.
    pub retries: AtomicU64,
    /// Requests that were not sent again because the budget was spent.
    pub retries_denied: AtomicU64,
    /// Servers ejected.
    pub ejections: AtomicU64,
    /// How often the breaker opened.
    pub breaker_opens: AtomicU64,
    /// Requests refused by the open breaker.
    pub breaker_refused: AtomicU64,
    /// Requests refused because too many waited for a connection.
    pub pending_refused: AtomicU64,
    /// Requests that wait for a connection now.
    pub pending: AtomicU64,
    /// Connections held, in use and idle, as of the last look around (every 2 s).
    pub connections: AtomicU64,
    servers: RwLock<Arc<[Arc<ServerStats>]>>,
}

/// What one worker counts of one server.
#[derive(Debug)]
pub struct ServerStats {
    address: Box<str>,
    /// Requests on their way.
    pub in_flight: AtomicU64,
    /// Until when the worker leaves it alone, ms since the Unix epoch; 0 = it is not ejected.
    pub ejected_until_ms: AtomicU64,
    /// It gets no new requests: it left the upstream, and what is on its way ends.
    pub draining: AtomicBool,
}

/// What all workers counted of one upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTotals {
    /// See [`UpstreamStats::requests`].
    pub requests: u64,
    /// By [`Failure::ALL`].
    pub failures: [u64; Failure::ALL.len()],
    /// See [`UpstreamStats::latency`].
    pub latency: LatencyTotals,
    /// See [`UpstreamStats::retries`].
    pub retries: u64,
    /// See [`UpstreamStats::retries_denied`].
    pub retries_denied: u64,
    /// See [`UpstreamStats::ejections`].
    pub ejections: u64,
    /// See [`UpstreamStats::breaker_opens`].
    pub breaker_opens: u64,
    /// See [`UpstreamStats::breaker_refused`].
    pub breaker_refused: u64,
    /// See [`UpstreamStats::pending_refused`].
    pub pending_refused: u64,
    /// See [`UpstreamStats::pending`].
    pub pending: u64,
    /// See [`UpstreamStats::connections`].
    pub connections: u64,
    /// By address.
    pub servers: BTreeMap<String, ServerTotals>,
}

/// What all workers know of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerTotals {
    /// Requests on their way.
    pub in_flight: u64,
    /// Workers that leave it alone.
    pub ejected_by: u64,
    /// Workers where it is on its way out.
    pub draining_in: u64,
}

impl UpstreamStats {
    /// Replaces the list of servers that are shown.
    pub fn set_servers(&self, servers: Vec<Arc<ServerStats>>) {
        *self.servers.write().unwrap_or_else(PoisonError::into_inner) = servers.into();
    }

    fn add_to(&self, totals: &mut UpstreamTotals, now_ms: u64) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        totals.requests += of(&self.requests);
        for (sum, failures) in totals.failures.iter_mut().zip(&self.failures) {
            *sum += of(failures);
        }
        self.latency.add_to(&mut totals.latency);
        totals.retries += of(&self.retries);
        totals.retries_denied += of(&self.retries_denied);
        totals.ejections += of(&self.ejections);
        totals.breaker_opens += of(&self.breaker_opens);
        totals.breaker_refused += of(&self.breaker_refused);
        totals.pending_refused += of(&self.pending_refused);
        totals.pending += of(&self.pending);
        totals.connections += of(&self.connections);
        let servers = Arc::clone(&self.servers.read().unwrap_or_else(PoisonError::into_inner));
        for server in servers.iter() {
            let sum = totals.servers.entry(server.address.to_string()).or_default();
            sum.in_flight += of(&server.in_flight);
            sum.ejected_by += u64::from(of(&server.ejected_until_ms) > now_ms);
            sum.draining_in += u64::from(server.draining.load(Ordering::Relaxed));
        }
    }
}

impl ServerStats {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            in_flight: AtomicU64::new(0),
            ejected_until_ms: AtomicU64::new(0),
            draining: AtomicBool::new(false),
        }
    }
}

/// The shards of one upstream, made as workers ask for theirs.
#[derive(Debug, Default)]
pub(super) struct Shards(RwLock<Vec<Arc<UpstreamStats>>>);

impl Shards {
    pub(super) fn of_worker(&self, worker: usize) -> Arc<UpstreamStats> {
        let mut shards = self.0.write().unwrap_or_else(PoisonError::into_inner);
        while shards.len() <= worker {
            shards.push(Arc::default());
        }
        Arc::clone(&shards[worker])
    }

    pub(super) fn totals(&self, now_ms: u64) -> UpstreamTotals {
        let mut totals = UpstreamTotals::default();
        for shard in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            shard.add_to(&mut totals, now_ms);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_summed_by_server() {
        let shards = Shards::default();
        for worker in [1, 0] {
            let stats = shards.of_worker(worker);
            stats.requests.fetch_add(2, Ordering::Relaxed);
            stats.failures[5].fetch_add(1, Ordering::Relaxed);
            let server = ServerStats::new("a:1");
            server.in_flight.store(3, Ordering::Relaxed);
            server.ejected_until_ms.store(10 + worker as u64, Ordering::Relaxed);
            stats.set_servers(vec![Arc::new(server)]);
        }
        let totals = shards.totals(10);
        assert_eq!((totals.requests, totals.failures), (4, [0, 0, 0, 0, 0, 2]));
        assert_eq!(totals.servers["a:1"], ServerTotals { in_flight: 6, ejected_by: 1, draining_in: 0 });
        assert_eq!(shards.of_worker(0).requests.load(Ordering::Relaxed), 2, "a worker keeps its shard");
    }
}
