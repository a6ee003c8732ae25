//! One server, as one worker knows it: its idle connections, what is on its way to it, and whether it is left alone.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_snapshot::upstream::ServerStats;
use tokio::time::Instant;

use super::ejection::Standing;
use crate::client::{Http2Connections, ServerConnection};
use crate::pool::Pool;

/// Weights are counted in this fraction, so that slow start can grow in small steps.
pub(super) const WEIGHT_UNIT: u64 = 1_000;
/// Share of its weight, of [`WEIGHT_UNIT`], that a server starts with: a tenth, as Envoy's `min_weight_percent`.
const SLOW_START_FIRST: u64 = WEIGHT_UNIT / 10;

/// One server of one upstream, of one worker.
pub(crate) struct Server {
    /// `host:port`.
    pub(crate) address: Box<str>,
    /// Idle connections over HTTP/1.1.
    pub(crate) pool: Pool<ServerConnection>,
    /// Connections over HTTP/2, idle or in use.
    pub(crate) http2: Http2Connections,
    pub(super) standing: Standing,
    /// Its place among the servers for consistent hashing.
    pub(super) hash: u64,
    /// What smooth weighted round robin owes it.
    pub(super) turn: Cell<i64>,
    /// When it came, or came back.
    since: Cell<Instant>,
    is_member: Cell<bool>,
    in_flight: Cell<u64>,
    stats: Arc<ServerStats>,
}

impl Server {
    pub(super) fn new(address: &str, idle_max: Duration, now: Instant) -> Self {
        Self {
            address: address.into(),
            pool: Pool::new(idle_max),
            http2: Http2Connections::default(),
            standing: Standing::default(),
            hash: super::balance::hash(address.as_bytes()),
            turn: Cell::new(0),
            since: Cell::new(now),
            is_member: Cell::new(true),
            in_flight: Cell::new(0),
            stats: Arc::new(ServerStats::new(address)),
        }
    }

    /// Counts a request in.
    pub(crate) fn enter(self: &Rc<Self>, now: Instant) -> InFlight {
        self.set_in_flight(self.in_flight.get() + 1);
        InFlight { server: Rc::clone(self), entry: self.standing.enter(now), began: now }
    }

    /// Requests on their way.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.get()
    }

    fn set_in_flight(&self, in_flight: u64) {
        self.in_flight.set(in_flight);
        // This worker alone writes it: a plain store is enough, and costs no locked instruction.
        self.stats.in_flight.store(in_flight, Ordering::Relaxed);
    }

    /// It came, or came back: slow start begins.
    pub(super) fn begin(&self, now: Instant) {
        self.since.set(now);
    }

    /// What it weighs now, in [`WEIGHT_UNIT`]s: grows from a tenth over `slow_start`.
    pub(super) fn weight_now(&self, weight: u32, slow_start: Duration, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.since.get());
        let factor = if age >= slow_start {
            WEIGHT_UNIT
        } else {
            let share = age.as_micros() * u128::from(WEIGHT_UNIT) / slow_start.as_micros().max(1);
            u64::try_from(share).unwrap_or(WEIGHT_UNIT).clamp(SLOW_START_FIRST, WEIGHT_UNIT)
        };
        u64::from(weight) * factor
    }

    /// Tells whoever looks whether it is ejected, and for how long still.
    pub(super) fn show_ejected(&self, left: Option<Duration>) {
        let until_ms = left.map_or(0, |left| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from((since_epoch + left).as_millis()).unwrap_or(u64::MAX)
        });
        self.stats.ejected_until_ms.store(until_ms, Ordering::Relaxed);
    }

    /// Gets requests from now on, or none any more: then its idle connections are closed, and those in use after them.
    pub(super) fn set_member(&self, is_member: bool) {
        self.is_member.set(is_member);
        self.pool.set_open(is_member);
        if !is_member {
            self.http2.forget();
        }
        self.stats.draining.store(!is_member, Ordering::Relaxed);
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.pool.len() + self.http2.idle()
    }

    /// Since when the oldest idle connection is idle.
    pub(super) fn oldest_idle(&self) -> Option<Instant> {
        self.pool.oldest().or_else(|| self.http2.oldest_idle())
    }

    /// Closes the oldest idle connection.
    pub(super) fn drop_oldest_idle(&self) {
        if self.pool.oldest().is_some() {
            self.pool.drop_oldest();
        } else {
            self.http2.drop_oldest_idle();
        }
    }

    /// Closes connections that were idle for too long.
    pub(super) fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
        self.http2.sweep(now, self.pool.idle_max());
    }

    /// True if the newest snapshot sends requests there.
    pub(super) fn is_member(&self) -> bool {
        self.is_member.get()
    }

    pub(super) fn stats(&self) -> &Arc<ServerStats> {
        &self.stats
    }
}

/// A request on its way to a server; ends with its drop.
pub(crate) struct InFlight {
    server: Rc<Server>,
    entry: super::ejection::Entry,
    began: Instant,
}

impl InFlight {
    /// The server.
    pub(crate) fn server(&self) -> &Rc<Server> {
        &self.server
    }

    /// When it turned to the server, after its turn had come.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    pub(super) const fn entry(&self) -> super::ejection::Entry {
        self.entry
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.server.set_in_flight(self.server.in_flight.get() - 1);
        self.server.standing.leave(self.entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_comes_grows_from_a_tenth_to_its_weight() {
        let (now, slow) = (Instant::now(), Duration::from_secs(30));
        let server = Server::new("a:1", slow, now);
        let at = |seconds| server.weight_now(4, slow, now + Duration::from_secs(seconds));
        assert_eq!([at(0), at(3), at(15), at(30), at(99)], [400, 400, 2_000, 4_000, 4_000]);
        assert_eq!(server.weight_now(4, Duration::ZERO, now), 4_000, "without slow start at once");
        server.begin(now + Duration::from_secs(60));
        assert_eq!(at(75), 2_000);
    }
}
