//! Which route a request takes, by which of its hosts and matches, and why the nearest others lose.

use sluice_policy::{Policy, RequestLine};

use crate::explain::question::Head;
use crate::explain::report::{RouteLost, RouteTaken};

/// What matching says of a request.
pub(crate) struct Found {
    /// Index of the route, and what of it matched.
    pub(crate) taken: Option<(usize, RouteTaken)>,
    pub(crate) others: Vec<RouteLost>,
}

/// Finds the route as the request path does.
pub(crate) fn find(policy: &Policy, head: &Head) -> Found {
    let request = RequestLine {
        host: &head.host,
        path: head.path(),
        query: head.query.as_deref(),
        method: &head.method,
        headers: &head.headers,
    };
    let taken = policy.find(&request).map(|index| (index, describe(policy, index)));
    Found { taken, others: Vec::new() }
}

fn describe(policy: &Policy, index: usize) -> RouteTaken {
    let route = &policy.routes[index];
    let list = |texts: Vec<String>| texts.join(" | ");
    RouteTaken {
        name: route.name.clone(),
        host: list(route.hosts.iter().map(ToString::to_string).collect()),
        matched: list(route.matches.iter().map(ToString::to_string).collect()),
    }
}
