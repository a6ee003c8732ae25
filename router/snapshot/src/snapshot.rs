//! The immutable snapshot: everything a request reads, complete or not published.

use std::sync::Arc;

use sluice_policy::{FailurePolicy, Policy};

use crate::cells::Cells;
use crate::limiter::RouteLimiter;
use crate::plugin::{Plugin, Seat};
use crate::rollout::RolloutCell;
use crate::traffic::{RouteTraffic, Traffic};

/// One revision of the operator's input, resolved, compiled and probed.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows with each publication, over restarts too.
    pub revision: u64,
    /// The checked policy; `routes` and `seats` below are parallel to its routes and plugins.
    pub policy: Arc<Policy>,
    /// What a route needs besides its policy, by route index.
    pub routes: Vec<Route>,
    /// Who serves for each plugin of the policy.
    pub seats: Vec<Seat>,
    /// The live cells.
    pub cells: Arc<Cells>,
}

/// One place in a route's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Position in the chain, from 0. A response made at a position enters the response phase there.
    pub position: usize,
    /// Index of the policy's plugins and of [`Snapshot::seats`].
    pub plugin: usize,
}

/// A plugin of a chain that could not be loaded, and without which nothing goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Index of the policy's plugins.
    pub plugin: usize,
    /// What every request of the route is answered.
    pub status: u16,
}

/// The resolved parts of one route.
#[derive(Debug)]
pub struct Route {
    /// The first plugin of the chain whose absence closes the route.
    pub missing: Option<Missing>,
    /// Plugins that take part in the request phase, in chain order. In a seat with a trial, what either of the two takes
    /// part in counts.
    pub request_phase: Vec<Link>,
    /// Plugins that watch the body's size, in chain order.
    pub body_size_phase: Vec<Link>,
    /// Plugins that look at the body's bytes, in chain order.
    pub body_chunk_phase: Vec<Link>,
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
    /// Joins a checked policy with those who serve for its plugins (parallel to `policy.plugins`).
    #[must_use]
    pub fn new(revision: u64, policy: Arc<Policy>, seats: Vec<Seat>, cells: &Arc<Cells>, traffic: &Traffic) -> Self {
        let routes = policy.routes.iter().map(|route| Route::new(route, &policy, &seats, cells, traffic)).collect();
        Self { revision, policy, routes, seats, cells: Arc::clone(cells) }
    }

    /// No routes, no plugins: what a router has before it read anything.
    #[must_use]
    pub fn empty(cells: &Arc<Cells>) -> Self {
        let policy = Arc::new(Policy::empty());
        Self { revision: 0, policy, routes: Vec::new(), seats: Vec::new(), cells: Arc::clone(cells) }
    }

    /// The plugins that serve, those in trial not among them.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.seats.iter().filter_map(Seat::plugin)
    }
}

impl Route {
    fn new(route: &sluice_policy::Route, policy: &Policy, seats: &[Seat], cells: &Cells, traffic: &Traffic) -> Self {
        let rollout = route.rollout.map(|index| &policy.rollouts[index]);
        let variants: Vec<String> =
            rollout.map(|rollout| rollout.variants.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
        let chain = |wanted: fn(&sluice_wasm::Phases) -> bool| {
            let links = route.chain.iter().enumerate().map(|(position, plugin)| Link { position, plugin: *plugin });
            links.filter(move |link| seats[link.plugin].occupants().any(|plugin| wanted(&plugin.activation.phases)))
        };
        let missing = route.chain.iter().find_map(|plugin| match seats[*plugin] {
            Seat::Empty(FailurePolicy::Closed { status }) => Some(Missing { plugin: *plugin, status }),
            Seat::Empty(FailurePolicy::Open) | Seat::Taken { .. } => None,
        });
        Self {
            missing,
            request_phase: chain(|phases| phases.request).collect(),
            body_size_phase: chain(|phases| phases.body_size).collect(),
            body_chunk_phase: chain(|phases| phases.body_chunk).collect(),
            response_phase: chain(|phases| phases.response).rev().collect(),
            rollout: rollout.map(|rollout| cells.rollout(&rollout.name, rollout.into())),
            traffic: traffic.route(&route.name, rollout.map(|rollout| &*rollout.name), &variants),
            limiter: cells.limiters().route(&route.name, &route.limits),
        }
    }
}
