//! Counters of the traffic: one shard per worker, keyed by names, so that they survive every swap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_model::stats::VariantStats;

use self::books::Books;
pub use self::route::{CLASSES, Finished, RouteTraffic, VariantTotals};
use crate::decisions::Decisions;
use crate::reason::Reason;
use crate::shadow::Shadows;

mod books;
mod route;

/// Counters of all routes, and of the process.
#[derive(Debug)]
pub struct Traffic {
    workers: usize,
    routes: Mutex<Routes>,
    shards: Vec<WorkerTraffic>,
    decisions: Decisions,
    shadows: Shadows,
    /// Lines of the access log that its writer could not write.
    access_log_unwritten: AtomicU64,
}

#[derive(Debug, Default)]
struct Routes {
    open: BTreeMap<RouteKey, Arc<RouteTraffic>>,
    closed: Books,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RouteKey {
    route: String,
    rollout: Option<String>,
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
    /// Signed overrides that counted.
    pub overrides: AtomicU64,
    /// Signed overrides that did not count.
    pub overrides_refused: AtomicU64,
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
            shadows: Shadows::new(workers),
            access_log_unwritten: AtomicU64::new(0),
        }
    }

    /// The counters of a route with these variants of this rollout, the same ones for as long as the process lives.
    #[must_use]
    pub fn route(&self, route: &str, rollout: Option<&str>, variants: &[String]) -> Arc<RouteTraffic> {
        let named = rollout.map(ToOwned::to_owned);
        let key = RouteKey { route: route.to_owned(), rollout: named, variants: variants.to_vec() };
        let mut routes = self.lock();
        let counters = || Arc::new(RouteTraffic::new(route, rollout, variants, self.workers));
        Arc::clone(routes.open.entry(key).or_insert_with(counters))
    }

    /// Forgets routes that no snapshot names any more, but for what their rollouts did.
    pub fn prune(&self) {
        let mut routes = self.lock();
        let Routes { open, closed } = &mut *routes;
        open.retain(|_, route| {
            let is_named = Arc::strong_count(route) > 1;
            if !is_named {
                closed.close(route);
            }
            is_named
        });
        closed.keep(&open.values().filter_map(|route| route.rollout()).collect::<BTreeSet<_>>());
    }

    /// Counters of all routes.
    #[must_use]
    pub fn routes(&self) -> Vec<Arc<RouteTraffic>> {
        self.lock().open.values().cloned().collect()
    }

    /// What the variants of a rollout did since the start of the process, over all its routes. The sums only grow, until
    /// no route belongs to the rollout any more.
    #[must_use]
    pub fn rollout_stats(&self, rollout: &str) -> BTreeMap<String, VariantStats> {
        let routes = self.lock();
        routes.closed.of(rollout, routes.open.values().map(|route| &**route))
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

    /// How the answers of mirrors compare with those that clients got.
    #[must_use]
    pub const fn shadows(&self) -> &Shadows {
        &self.shadows
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

    fn lock(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: Option<&str> = Some("demo");

    fn variants() -> Vec<String> {
        vec!["stable".to_owned(), "canary".to_owned()]
    }

    fn answered() -> Finished {
        Finished { status: Some(204), ..Finished::default() }
    }

    #[test]
    fn a_route_keeps_its_counters_until_nobody_names_it() {
        let traffic = Traffic::new(1);
        let route = traffic.route("app", None, &[]);
        route.finished(0, None, &answered());
        assert_eq!(traffic.route("app", None, &[]).totals(), route.totals());
        drop(route);
        traffic.prune();
        assert!(traffic.routes().is_empty());
    }

    #[test]
    fn figures_of_a_rollout_are_those_of_all_its_routes() {
        let traffic = Traffic::new(2);
        let (app, api) = (traffic.route("app", DEMO, &variants()), traffic.route("api", DEMO, &variants()));
        let other = traffic.route("app", Some("other"), &variants());
        app.finished(0, Some(1), &answered());
        api.finished(1, Some(1), &Finished { status: Some(500), ..Finished::default() });
        other.finished(0, Some(1), &answered());
        app.finished(0, None, &answered());
        app.add(0, 1, "upload-alert/oversize", 2);
        let stats = traffic.rollout_stats("demo");
        assert_eq!((stats["canary"].requests, stats["canary"].errors), (2, 1));
        assert_eq!(stats["canary"].counters["upload-alert/oversize"], 2);
        assert_eq!(stats["stable"].requests, 0, "a request without a variant belongs to none");
        assert!(traffic.rollout_stats("none").is_empty());
    }

    #[test]
    fn figures_of_a_rollout_outlive_a_route_that_is_no_more() {
        let traffic = Traffic::new(1);
        let (app, api) = (traffic.route("app", DEMO, &variants()), traffic.route("api", DEMO, &variants()));
        app.finished(0, Some(0), &answered());
        drop(app);
        traffic.prune();
        api.finished(0, Some(0), &answered());
        assert_eq!(traffic.rollout_stats("demo")["stable"].requests, 2);
        drop(api);
        traffic.prune();
        assert!(traffic.rollout_stats("demo").is_empty(), "the rollout is no more");
    }
}
