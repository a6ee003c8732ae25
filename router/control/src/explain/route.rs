//! Which route a request takes, by which of its hosts and matches, and why the nearest others lose.

use sluice_policy::explain::{Aspect, Reason, Winner};
use sluice_policy::filter::announced_method;
use sluice_policy::{Found, Policy, RequestLine};

use crate::explain::question::Head;
use crate::explain::report::{RouteLost, RouteTaken};

/// Routes that are told of beside the one that is taken: those that fit furthest.
const OTHERS_TOLD_MAX: usize = 5;

/// What matching says of a request.
pub(crate) struct Taken {
    /// The route and the match, and what of them matched.
    pub(crate) taken: Option<(Found, RouteTaken)>,
    pub(crate) others: Vec<RouteLost>,
    /// Routes that are not told of.
    pub(crate) left_out: usize,
}

/// Finds the route as the request path does.
pub(crate) fn find(policy: &Policy, head: &Head) -> Taken {
    let request = RequestLine {
        host: &head.host,
        path: head.path(),
        query: head.query.as_deref(),
        method: &head.method,
        headers: &head.headers,
    };
    let found = policy.find_preflight_too(&request);
    let announced = announced_method(&head.method, &head.headers).filter(|_| is_preflight(policy, found, head));
    let explained = policy.explain(&RequestLine { method: announced.as_ref().unwrap_or(&head.method), ..request });
    let taken = found.map(|found| (found, describe(policy, found, explained.winner)));
    let mut others = explained.others;
    others.sort_by_key(|other| (distance(&other.reason), other.route));
    let left_out = others.len().saturating_sub(OTHERS_TOLD_MAX) + explained.others_left_out;
    others.truncate(OTHERS_TOLD_MAX);
    let lost = |other: sluice_policy::explain::Other| RouteLost {
        name: policy.routes[other.route].name.clone(),
        reason: reason(policy, other.route, &other.reason, head),
    };
    Taken { taken, others: others.into_iter().map(lost).collect(), left_out }
}

/// True if the route answers a preflight by itself.
pub(crate) fn is_preflight(policy: &Policy, found: Option<Found>, head: &Head) -> bool {
    found.is_some_and(|found| policy.routes[found.route].filters.cors.is_some())
        && announced_method(&head.method, &head.headers).is_some()
}

fn describe(policy: &Policy, found: Found, winner: Option<Winner>) -> RouteTaken {
    let route = &policy.routes[found.route];
    let host = winner.map_or(0, |winner| winner.host);
    RouteTaken {
        name: route.name.clone(),
        host: route.hosts.get(host).map(ToString::to_string).unwrap_or_default(),
        matched: route.matches[found.matched].to_string(),
    }
}

/// How far from being taken a route is: what fails last is the nearest.
const fn distance(reason: &Reason) -> u8 {
    match reason {
        Reason::LessSpecific(_) => 0,
        Reason::Query(_) => 1,
        Reason::Header(_) => 2,
        Reason::Method => 3,
        Reason::Path => 4,
        Reason::Host => 5,
    }
}

fn reason(policy: &Policy, route: usize, reason: &Reason, head: &Head) -> String {
    let route = &policy.routes[route];
    let list = |texts: Vec<String>| texts.join(" or ");
    match reason {
        Reason::Host => format!("it is for host {}", list(route.hosts.iter().map(ToString::to_string).collect())),
        Reason::Path => {
            format!("its path is {}", list(route.matches.iter().map(|found| found.path.to_string()).collect()))
        }
        Reason::Method => format!("its path fits, but not for {}", head.method),
        Reason::Header(name) => format!("the header {name} is missing or has another value"),
        Reason::Query(name) => format!("the query parameter {name} is missing or has another value"),
        Reason::LessSpecific(aspect) => {
            let what = match aspect {
                Aspect::Host => "its host is less specific",
                Aspect::Path => "its path is less specific",
                Aspect::Method => "it names no method",
                Aspect::Headers => "it names fewer headers",
                Aspect::Query => "it names fewer query parameters",
                Aspect::Order => "it is listed later",
            };
            format!("it would match too, but {what}")
        }
    }
}
