//! What a policy by itself makes of a request: what `[[tests]]` are held against. Plugins and servers are not asked.

use http::{HeaderMap, Method};

use crate::filter::{PathChange, Scheme};
use crate::location::Address;
use crate::policy::Policy;
use crate::route::{Found, RequestLine, Route, Target};

/// Status of a request whose path has no normal form.
const BAD_REQUEST: u16 = 400;
/// Status of a request that takes no route.
const NOT_FOUND: u16 = 404;

/// A request as a test writes it.
#[derive(Clone, Debug)]
pub(crate) struct TestRequest {
    pub(crate) method: Method,
    pub(crate) scheme: Scheme,
    /// Lower case, without port and without a trailing dot.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// In normal form; `None` if it has none.
    pub(crate) path: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// What becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) found: Option<Found>,
    /// Indexes of the upstreams that it may go to.
    pub(crate) upstreams: Vec<usize>,
    /// Path that a server gets.
    pub(crate) path: Option<String>,
    /// Where it is redirected to.
    pub(crate) redirect: Option<String>,
    /// Status, if the router answers.
    pub(crate) status: Option<u16>,
}

impl TestRequest {
    /// What of it decides the route; `None` if it never comes that far.
    pub(crate) fn line(&self) -> Option<RequestLine<'_>> {
        let Self { method, host, path, query, headers, .. } = self;
        Some(RequestLine { host, path: path.as_deref()?, query: query.as_deref(), method, headers })
    }
}

impl Policy {
    /// What becomes of `request` where no plugin says otherwise.
    pub(crate) fn outcome(&self, request: &TestRequest) -> Outcome {
        let Some(line) = request.line() else { return Outcome { status: Some(BAD_REQUEST), ..Outcome::default() } };
        let Some(found) = self.find_match(&line) else {
            return Outcome { status: Some(NOT_FOUND), ..Outcome::default() };
        };
        let route = &self.routes[found.route];
        let pattern = &route.matches[found.matched].path;
        let outcome = Outcome { found: Some(found), ..Outcome::default() };
        if let Some(redirect) = &route.filters.redirect {
            let TestRequest { scheme, host, port, query, .. } = request;
            let from = Address { scheme: *scheme, host, port: *port, path: line.path, query: query.as_deref() };
            return Outcome {
                redirect: Some(redirect.location(&from, pattern)),
                status: Some(redirect.status),
                ..outcome
            };
        }
        let change = route.filters.rewrite.as_ref().and_then(|rewrite| rewrite.path.as_ref());
        let changed = |change: &PathChange| change.apply(line.path, pattern);
        let path = change.map_or_else(|| line.path.to_owned(), changed);
        Outcome { upstreams: self.upstreams_of(route), path: Some(path), ..outcome }
    }

    /// Every upstream that `route` may choose: by weight, and those of its rollout's variants.
    fn upstreams_of(&self, route: &Route) -> Vec<usize> {
        let Target::Upstreams(weighted) = &route.target else { return Vec::new() };
        let by_weight = weighted.iter().filter(|to| to.weight > 0).map(|to| to.upstream);
        let variants = route.rollout.iter().flat_map(|rollout| &self.rollouts[*rollout].variants);
        let mut upstreams: Vec<usize> = by_weight.chain(variants.map(|(_, upstream)| *upstream)).collect();
        upstreams.sort_unstable();
        upstreams.dedup();
        upstreams
    }
}
