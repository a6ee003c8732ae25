//! The immutable snapshot: everything a request reads, complete or not published.

use std::sync::Arc;

use sluice_policy::Policy;

use crate::cells::Cells;
use crate::limiter::RouteLimiter;
use crate::plugin::Plugin;
use crate::rollout::RolloutCell;
use crate::traffic::{RouteTraffic, Traffic};

/// One revision of the operator's input, resolved, compiled and probed.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows with each publication, over restarts too.
    pub revision: u64,
    /// The checked policy; `routes`, `plugins` below are parallel to its lists.
    pub policy: Arc<Policy>,
    /// What a route needs besides its policy, by route index.
    pub routes: Vec<Route>,
    /// Loaded plugins, by plugin index.
    pub plugins: Vec<Arc<Plugin>>,
    /// The live cells.
    pub cells: Arc<Cells>,
}

/// One place in a route's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Position in the chain, from 0. A response made at a position enters the response phase there.
    pub position: usize,
    /// Index of [`Snapshot::plugins`].
    pub plugin: usize,
}

/// The resolved parts of one route.
#[derive(Debug)]
pub struct Route {
    /// Plugins that take part in the request phase, in chain order.
    pub request_phase: Vec<Link>,
    /// Plugins that watch the body's size, in chain order.
    pub body_size_phase: Vec<Link>,
    /// Plugins that take part in the response phase, last of the chain first.
    pub response_phase: Vec<Link>,
    /// The route's rollout.
    pub rollout: Option<Arc<RolloutCell>>,
    /// Its counters.
    pub traffic: Arc<RouteTraffic>,
    /// Its limits.
    pub limiter: RouteLimiter,
}

impl Snapshot {
    /// Joins a checked policy with its loaded plugins (parallel to `policy.plugins`).
    #[must_use]
    pub fn new(
        revision: u64,
        policy: Arc<Policy>,
        plugins: Vec<Arc<Plugin>>,
        cells: &Arc<Cells>,
        traffic: &Traffic,
    ) -> Self {
        let routes = policy.routes.iter().map(|route| Route::new(route, &policy, &plugins, cells, traffic)).collect();
        Self { revision, policy, routes, plugins, cells: Arc::clone(cells) }
    }

    /// No routes, no plugins: what a router has before it read anything.
    #[must_use]
    pub fn empty(cells: &Arc<Cells>) -> Self {
        let policy = Arc::new(Policy::empty());
        Self { revision: 0, policy, routes: Vec::new(), plugins: Vec::new(), cells: Arc::clone(cells) }
    }
}

impl Route {
    fn new(
        route: &sluice_policy::Route,
        policy: &Policy,
        plugins: &[Arc<Plugin>],
        cells: &Cells,
        traffic: &Traffic,
    ) -> Self {
        let rollout = route.rollout.map(|index| &policy.rollouts[index]);
        let variants: Vec<String> =
            rollout.map(|rollout| rollout.variants.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
        let chain = |wanted: fn(&sluice_wasm::Phases) -> bool| {
            let links = route.chain.iter().enumerate().map(|(position, plugin)| Link { position, plugin: *plugin });
            links.filter(move |link| wanted(&plugins[link.plugin].activation.phases))
        };
        Self {
            request_phase: chain(|phases| phases.request).collect(),
            body_size_phase: chain(|phases| phases.body_size).collect(),
            response_phase: chain(|phases| phases.response).rev().collect(),
            rollout: rollout.map(|rollout| cells.rollout(&rollout.name, &rollout.stable, &rollout.canary)),
            traffic: traffic.route(&route.name, &variants),
            limiter: cells.limiters().route(&route.name, &route.limits),
        }
    }
}
