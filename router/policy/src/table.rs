//! The route table: finds the route of a request at a cost that does not grow with the number of routes.
//!
//! Host -> path -> the few matches that share both. Hosts and paths are looked up in hash maps, most specific first;
//! how many look-ups that takes is bounded by the deepest wildcard and the deepest prefix of the policy, so a long host
//! or path of a client costs nothing more. Paths by regular expression are one more list per host, after the prefixes.

use std::cmp::Reverse;
use std::collections::HashMap;

use http::{HeaderName, Method};

use crate::pattern::Pattern;
use crate::query::query_has;
use crate::route::{Found, HostPattern, NameValue, PathPattern, RequestLine, Route};

#[cfg(test)]
mod tests;

/// Index over all routes of a policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RouteTable {
    exact: HashMap<String, HostRoutes>,
    /// Keyed by what follows `*.`.
    wildcard: HashMap<String, HostRoutes>,
    /// Labels in the longest key of `wildcard`.
    wildcard_labels_max: usize,
    any: HostRoutes,
}

/// The routes of one host pattern.
#[derive(Clone, Debug, Default, PartialEq)]
struct HostRoutes {
    exact: HashMap<String, Vec<Candidate>>,
    /// Keyed without a trailing slash, so `/` is the empty string.
    prefix: HashMap<String, Vec<Candidate>>,
    /// Segments in the deepest key of `prefix`.
    prefix_segments_max: usize,
    /// Tried one after the other, best first.
    regex: Vec<(Pattern, Candidate)>,
}

/// One way to take a route, host and path being right; candidates of one host and path are sorted, best first.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    found: Found,
    method: Option<Method>,
    headers: Vec<NameValue<HeaderName>>,
    query: Vec<NameValue<String>>,
}

impl RouteTable {
    pub(crate) fn new(routes: &[Route]) -> Self {
        let mut table = Self::default();
        for (index, route) in routes.iter().enumerate() {
            for host in &route.hosts {
                table.host_mut(host).insert(index, route);
            }
        }
        table.any.sort();
        table.exact.values_mut().chain(table.wildcard.values_mut()).for_each(HostRoutes::sort);
        table
    }

    fn host_mut(&mut self, host: &HostPattern) -> &mut HostRoutes {
        match host {
            HostPattern::Any => &mut self.any,
            HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
            HostPattern::Wildcard(suffix) => {
                self.wildcard_labels_max = self.wildcard_labels_max.max(suffix.split('.').count());
                self.wildcard.entry(suffix.clone()).or_default()
            }
        }
    }

    /// See [`crate::Policy::find`].
    pub(crate) fn find(&self, request: &RequestLine<'_>) -> Option<Found> {
        let exact = self.exact.get(request.host).and_then(|routes| routes.find(request));
        exact.or_else(|| self.find_wildcard(request)).or_else(|| self.any.find(request))
    }

    fn find_wildcard(&self, request: &RequestLine<'_>) -> Option<Found> {
        let mut suffix = longest_suffix(request.host, self.wildcard_labels_max)?;
        loop {
            if let Some(route) = self.wildcard.get(suffix).and_then(|routes| routes.find(request)) {
                return Some(route);
            }
            suffix = suffix.split_once('.')?.1;
        }
    }
}

/// The longest proper suffix of `host` with at most `labels_max` labels, or `None`.
fn longest_suffix(host: &str, labels_max: usize) -> Option<&str> {
    let dots = host.rmatch_indices('.').take(labels_max);
    dots.map(|(at, _)| at).take_while(|&at| at > 0).last().map(|at| &host[at + 1..])
}

impl HostRoutes {
    fn insert(&mut self, index: usize, route: &Route) {
        for (matched, found) in route.matches.iter().enumerate() {
            let any = found.methods.is_empty().then_some(None);
            let candidates = any.into_iter().chain(found.methods.iter().cloned().map(Some)).map(|method| Candidate {
                found: Found { route: index, matched },
                method,
                headers: found.headers.clone(),
                query: found.query.clone(),
            });
            match &found.path {
                PathPattern::Exact(path) => self.exact.entry(path.clone()).or_default().extend(candidates),
                PathPattern::Prefix(prefix) => {
                    let key = prefix.trim_end_matches('/');
                    let segments = key.bytes().filter(|&byte| byte == b'/').count();
                    self.prefix_segments_max = self.prefix_segments_max.max(segments);
                    self.prefix.entry(key.to_owned()).or_default().extend(candidates);
                }
                PathPattern::Regex(pattern) => {
                    self.regex.extend(candidates.map(|candidate| (pattern.clone(), candidate)));
                }
            }
        }
    }

    fn sort(&mut self) {
        for bucket in self.exact.values_mut().chain(self.prefix.values_mut()) {
            bucket.sort_by_key(Candidate::rank);
        }
        self.regex.sort_by_key(|(_, candidate)| candidate.rank());
    }

    fn find(&self, request: &RequestLine<'_>) -> Option<Found> {
        let exact = self.exact.get(request.path).and_then(|bucket| first(bucket, request));
        exact.or_else(|| self.find_prefix(request)).or_else(|| self.find_regex(request))
    }

    /// The conditions go first: most of them are cheaper than a pattern.
    fn find_regex(&self, request: &RequestLine<'_>) -> Option<Found> {
        let path = request.path.as_bytes();
        let accepts =
            |(pattern, candidate): &&(Pattern, Candidate)| candidate.accepts(request) && pattern.matches(path);
        self.regex.iter().find(accepts).map(|(_, candidate)| candidate.found)
    }

    fn find_prefix(&self, request: &RequestLine<'_>) -> Option<Found> {
        if self.prefix.is_empty() {
            return None;
        }
        let mut prefix = longest_prefix(request.path, self.prefix_segments_max);
        loop {
            if let Some(route) = self.prefix.get(prefix).and_then(|bucket| first(bucket, request)) {
                return Some(route);
            }
            prefix = &prefix[..prefix.rfind('/')?];
        }
    }
}

/// The first `segments_max` segments of `path`, without a trailing slash.
fn longest_prefix(path: &str, segments_max: usize) -> &str {
    let end = path.match_indices('/').nth(segments_max).map_or(path.len(), |(at, _)| at);
    path[..end].trim_end_matches('/')
}

fn first(bucket: &[Candidate], request: &RequestLine<'_>) -> Option<Found> {
    bucket.iter().find(|candidate| candidate.accepts(request)).map(|candidate| candidate.found)
}

impl Candidate {
    /// The smaller, the better.
    const fn rank(&self) -> (bool, Reverse<usize>, Reverse<usize>, usize) {
        let Self { found, method, headers, query } = self;
        (method.is_none(), Reverse(headers.len()), Reverse(query.len()), found.route)
    }

    fn accepts(&self, request: &RequestLine<'_>) -> bool {
        self.method.as_ref().is_none_or(|method| method == request.method)
            && self.headers.iter().all(|header| header.is_in(request.headers))
            && self.query.iter().all(|parameter| query_has(request.query.unwrap_or(""), parameter))
    }
}
