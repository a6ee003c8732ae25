//! Reachability: two routes that ask for exactly the same requests. The second would never see one.

use std::collections::HashMap;

use http::{HeaderName, Method};
use sluice_document::reader::{Reader, quoted};

use super::matching::MatchDraft;
use super::route::RouteDraft;
use crate::route::{HostPattern, Match, NameValue, PathPattern};

/// All that decides between two matches; no two may be equal.
#[derive(PartialEq, Eq, Hash)]
struct Requests<'d> {
    host: &'d HostPattern,
    path: &'d PathPattern,
    method: Option<&'d Method>,
    headers: &'d [NameValue<HeaderName>],
    query: &'d [NameValue<String>],
}

/// Reports every match for which an earlier one takes all requests of some host and method.
pub(crate) fn check(reader: &mut Reader<'_>, routes: &[RouteDraft]) {
    let mut taken: HashMap<Requests<'_>, (&RouteDraft, &MatchDraft)> = HashMap::new();
    for route in routes {
        for draft in &route.matches {
            let mut earlier = None;
            for requests in combinations(route, &draft.found) {
                match taken.get(&requests) {
                    Some(first) => earlier = earlier.or(Some(*first)),
                    None => drop(taken.insert(requests, (route, draft))),
                }
            }
            if let Some((first, place)) = earlier {
                let hint = format!(
                    "route {} at {} matches the same; remove one, or make one more specific",
                    quoted(&first.name),
                    reader.show(&place.place)
                );
                reader.fault(&draft.place, format!("route {} is unreachable here", quoted(&route.name)), hint);
            }
        }
    }
}

fn combinations<'d>(route: &'d RouteDraft, found: &'d Match) -> impl Iterator<Item = Requests<'d>> {
    let Match { path, methods, headers, query } = found;
    let any = methods.is_empty().then_some(None);
    let methods = move || any.into_iter().chain(methods.iter().map(Some));
    route
        .hosts
        .iter()
        .flat_map(move |host| methods().map(move |method| Requests { host, path, method, headers, query }))
}
