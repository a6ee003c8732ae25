//! The checked policy: what the operator's files mean, with every name resolved.
//!
//! All cross references are indexes into the vectors of one [`Policy`]; they hold by construction.

use sluice_model::alert_rule::AlertRule;
use sluice_model::field::Field;
use sluice_model::plan::Plan;
use sluice_model::weight::BasisPoints;

use crate::filter::announced_method;
use crate::limits::ErrorPage;
use crate::plugin::Plugin;
use crate::route::{Found, RequestLine, Route};
use crate::table::RouteTable;
use crate::upstream::Upstream;

/// Everything the policy files of one revision declare.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// Routes in order: by file name, then by position in the file.
    pub routes: Vec<Route>,
    /// Upstreams, sorted by name.
    pub upstreams: Vec<Upstream>,
    /// Plugins, sorted by name.
    pub plugins: Vec<Plugin>,
    /// Rollouts, sorted by name.
    pub rollouts: Vec<Rollout>,
    /// Alert rules, sorted by name.
    pub alerts: Vec<AlertRule>,
    /// Error pages, sorted by name.
    pub error_pages: Vec<ErrorPage>,
    /// How many `[[tests]]` hold: all that the files have.
    pub tests: usize,
    pub(crate) table: RouteTable,
}

/// What a rollout moves weight between. State and weight belong to the store; see `sluice_model::rollout`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rollout {
    /// Unique name.
    pub name: String,
    /// The sticky key of a user: the first field that is present.
    pub key: Vec<Field>,
    /// Variant that takes what the canary does not.
    pub stable: String,
    /// Variant that the weight belongs to.
    pub canary: String,
    /// Variant -> index of its upstream, sorted by variant.
    pub variants: Vec<(String, usize)>,
    /// Weight that the rollout is created with; the store owns it from then on.
    pub initial: BasisPoints,
    /// Where a signed override may stand: the first of these fields that is present counts. Empty = there is none.
    pub overrides: Vec<Field>,
    /// Its steps and what they are judged by.
    pub plan: Plan,
}

impl Rollout {
    /// Index of the upstream that serves `variant`.
    #[must_use]
    pub fn upstream_of(&self, variant: &str) -> Option<usize> {
        self.variants.iter().find(|(name, _)| name == variant).map(|&(_, upstream)| upstream)
    }
}

impl Policy {
    /// A policy without any route: every request is answered 404 by the router.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Index of the route that `request` takes, or `None`; see [`Policy::find_match`].
    #[must_use]
    pub fn find(&self, request: &RequestLine<'_>) -> Option<usize> {
        self.find_match(request).map(|found| found.route)
    }

    /// The route that `request` takes and which of its matches took it, or `None`. Does not allocate; the cost depends on
    /// the labels of the host, the segments of the path and the number of regular expressions that its hosts have for
    /// paths, not on the number of routes.
    ///
    /// Precedence is that of the Gateway API: exact host, longest wildcard host, any host; then exact path, longest
    /// path prefix, regular expression; then a method match, more header matches, more query matches; then the first
    /// listed.
    #[must_use]
    pub fn find_match(&self, request: &RequestLine<'_>) -> Option<Found> {
        self.table.find(request)
    }

    /// [`Policy::find_match`], but a preflight takes the route of the request that it announces, if that has CORS: a route
    /// that matches by method would never see it otherwise.
    #[must_use]
    pub fn find_preflight_too(&self, request: &RequestLine<'_>) -> Option<Found> {
        let announced = announced_method(request.method, request.headers).and_then(|method| {
            let found = self.find_match(&RequestLine { method: &method, ..*request })?;
            self.routes[found.route].filters.cors.is_some().then_some(found)
        });
        announced.or_else(|| self.find_match(request))
    }
}
