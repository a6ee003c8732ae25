//! Counters of the traffic: one shard per worker, keyed by names, so that they survive every swap.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::decisions::Decisions;
use crate::latency::{Latency, LatencyTotals};
use crate::reason::Reason;

/// Status classes that are counted apart: 1xx to 5xx, and requests that got no answer (the client left).
pub const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "aborted"];

/// Counters of all routes, and of the process.
#[derive(Debug)]
pub struct Traffic {
    workers: usize,
    routes: Mutex<BTreeMap<RouteKey, Arc<RouteTraffic>>>,
    shards: Vec<WorkerTraffic>,
    decisions: Decisions,
    /// Lines of the access log that its writer could not write.
    access_log_unwritten: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RouteKey {
    route: String,
    variants: Vec<String>,
}

/// Gauges and counters of one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerTraffic {
    /// Client connections open now.
    pub connections: AtomicU64,
    /// Client connections accepted.
    pub accepted: AtomicU64,
    /// Requests being answered now.
    pub in_flight: AtomicU64,
    /// Requests sent to a second server or a fresh connection.
    pub retries: AtomicU64,
    /// Connections opened to servers.
    pub upstream_connects: AtomicU64,
    /// Requests and connections that a fault of this program ended.
    pub panics: AtomicU64,
    /// Requests that no route matched.
    pub unrouted: AtomicU64,
    /// Answers of the router's own, and responses that broke off, by reason.
    pub reasons: ReasonCounts,
    /// Client connections refused because there were too many.
    pub refused: AtomicU64,
    /// Copies of requests that mirrors took and answered.
    pub mirrored: AtomicU64,
    /// Copies of requests that were not sent because too many were on their way, were broken off, or not answered.
    pub mirrors_dropped: AtomicU64,
    /// Lines of the access log dropped because too many waited for its writer.
    pub access_log_dropped: AtomicU64,
}

/// A count for each reason.
#[derive(Debug)]
pub struct ReasonCounts([AtomicU64; Reason::ALL.len()]);

impl Default for ReasonCounts {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Reason::ALL.len()])
    }
}

impl ReasonCounts {
    /// Counts one.
    pub fn count(&self, reason: Reason) {
        self.0[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason.index()].load(Ordering::Relaxed)
    }
}

impl Traffic {
    /// Counters for `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let shards = (0..workers).map(|_| WorkerTraffic::default()).collect();
        Self {
            workers,
            routes: Mutex::default(),
            shards,
            decisions: Decisions::new(workers),
            access_log_unwritten: AtomicU64::new(0),
        }
    }

    /// The counters of a route with these variants, the same ones for as long as the process lives.
    #[must_use]
    pub fn route(&self, route: &str, variants: &[String]) -> Arc<RouteTraffic> {
        let key = RouteKey { route: route.to_owned(), variants: variants.to_vec() };
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let traffic = routes.entry(key).or_insert_with(|| Arc::new(RouteTraffic::new(route, variants, self.workers)));
        Arc::clone(traffic)
    }

    /// Forgets routes that no snapshot names any more.
    pub fn prune(&self) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, route| Arc::strong_count(route) > 1);
    }

    /// Counters of all routes.
    #[must_use]
    pub fn routes(&self) -> Vec<Arc<RouteTraffic>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Counters of one worker.
    #[must_use]
    pub fn worker(&self, worker: usize) -> &WorkerTraffic {
        &self.shards[worker]
    }

    /// Counters of all workers.
    #[must_use]
    pub fn workers(&self) -> &[WorkerTraffic] {
        &self.shards
    }

    /// What became of the last requests.
    #[must_use]
    pub const fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// Counts lines of the access log that could not be written.
    pub fn access_log_unwritten(&self, lines: u64) {
        self.access_log_unwritten.fetch_add(lines, Ordering::Relaxed);
    }

    /// Lines of the access log that got lost, for whatever reason.
    #[must_use]
    pub fn access_log_dropped(&self) -> u64 {
        let dropped = self.shards.iter().map(|worker| worker.access_log_dropped.load(Ordering::Relaxed));
        dropped.sum::<u64>() + self.access_log_unwritten.load(Ordering::Relaxed)
    }
}

/// Counters of one route.
#[derive(Debug)]
pub struct RouteTraffic {
    route: String,
    variants: Vec<String>,
    shards: Vec<Shard>,
}

/// Rows of a shard: no variant first, then the route's variants in order.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    rows: Vec<Row>,
}

#[derive(Debug, Default)]
struct Row {
    classes: [AtomicU64; CLASSES.len()],
    latency: Latency,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// A request that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Its status; `None` = the client left first.
    pub status: Option<u16>,
    /// From its head to the last byte of the response.
    pub took: Duration,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
}

/// What one route did with one variant, summed over the workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariantTotals {
    /// The variant; `None` = no variant was chosen.
    pub variant: Option<String>,
    /// Requests by [`CLASSES`].
    pub classes: [u64; CLASSES.len()],
    /// From a request's head to its response's last byte.
    pub latency: LatencyTotals,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}

impl VariantTotals {
    /// Adds the figures of `other`; the variant stays.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.classes.iter_mut().zip(other.classes) {
            *sum += count;
        }
        self.latency.add(&other.latency);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

impl RouteTraffic {
    fn new(route: &str, variants: &[String], workers: usize) -> Self {
        let shard = || Shard { rows: (0..=variants.len()).map(|_| Row::default()).collect() };
        let shards = (0..workers).map(|_| shard()).collect();
        Self { route: route.to_owned(), variants: variants.to_vec(), shards }
    }

    /// Name of the route.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Counts a finished request: `variant` indexes the route's variants.
    pub fn finished(&self, worker: usize, variant: Option<usize>, finished: &Finished) {
        let row = &self.shards[worker].rows[variant.map_or(0, |index| index + 1)];
        let class = finished.status.map_or(CLASSES.len() - 1, |status| usize::from(status / 100).clamp(1, 5) - 1);
        row.classes[class].fetch_add(1, Ordering::Relaxed);
        row.latency.observe(finished.took);
        row.bytes_in.fetch_add(finished.bytes_in, Ordering::Relaxed);
        row.bytes_out.fetch_add(finished.bytes_out, Ordering::Relaxed);
    }

    /// The totals, no variant first.
    #[must_use]
    pub fn totals(&self) -> Vec<VariantTotals> {
        let mut totals: Vec<VariantTotals> = std::iter::once(None)
            .chain(self.variants.iter().cloned().map(Some))
            .map(|variant| VariantTotals { variant, ..VariantTotals::default() })
            .collect();
        for shard in &self.shards {
            for (total, row) in totals.iter_mut().zip(&shard.rows) {
                add(&mut total.classes, &row.classes);
                row.latency.add_to(&mut total.latency);
                total.bytes_in += row.bytes_in.load(Ordering::Relaxed);
                total.bytes_out += row.bytes_out.load(Ordering::Relaxed);
            }
        }
        totals
    }
}

fn add<const N: usize>(sums: &mut [u64; N], values: &[AtomicU64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_variant_class_and_latency() {
        let traffic = Traffic::new(2);
        let route = traffic.route("app", &["stable".to_owned(), "canary".to_owned()]);
        let of = |status, took| Finished { status, took, bytes_in: 3, bytes_out: 4 };
        route.finished(0, Some(1), &of(Some(200), Duration::from_micros(500)));
        route.finished(1, Some(1), &of(Some(503), Duration::from_micros(501)));
        route.finished(1, None, &of(None, Duration::from_secs(60)));
        let totals = route.totals();
        assert_eq!(totals[2].variant.as_deref(), Some("canary"));
        assert_eq!((totals[2].classes[1], totals[2].classes[4]), (1, 1));
        assert_eq!((totals[2].latency.count(), totals[2].latency.micros), (2, 1_001));
        assert_eq!((totals[2].bytes_in, totals[2].bytes_out), (6, 8));
        assert_eq!((totals[0].classes[5], totals[0].latency.count()), (1, 1));
    }

    #[test]
    fn a_route_keeps_its_counters_until_nobody_names_it() {
        let traffic = Traffic::new(1);
        let route = traffic.route("app", &[]);
        route.finished(0, None, &Finished { status: Some(204), ..Finished::default() });
        assert_eq!(traffic.route("app", &[]).totals(), route.totals());
        drop(route);
        traffic.prune();
        assert!(traffic.routes().is_empty());
    }
}
