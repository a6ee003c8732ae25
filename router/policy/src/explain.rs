//! Why a request takes the route it takes, and no other. Slow and complete: for people, never for the request path.

use std::cmp::Reverse;
use std::fmt;

use http::HeaderName;
use serde::{Serialize, Serializer};

use crate::policy::Policy;
use crate::query::query_has;
use crate::route::{HostPattern, Match, PathPattern, RequestLine, Route};

/// Most routes that an explanation goes through; a person reads the first ones.
pub const OTHERS_MAX: usize = 1_000;

/// Where a request leads and why. Indexes are those of [`Policy::routes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The route that the request takes; `None` = 404.
    pub winner: Option<Winner>,
    /// The other routes in their order, the first [`OTHERS_MAX`] of them.
    pub others: Vec<Other>,
    /// Routes beyond those.
    pub others_left_out: usize,
}

/// What of a route fits the request best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Winner {
    /// The route.
    pub route: usize,
    /// Index in its `hosts`.
    pub host: usize,
    /// Index in its `matches`.
    pub matched: usize,
}

/// A route that the request does not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Other {
    /// The route.
    pub route: usize,
    /// Why not.
    pub reason: Reason,
}

/// Why a request does not take a route: the first thing that does not fit, of the match that fits furthest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// None of its hosts is the request's.
    Host,
    /// None of its paths fits.
    Path,
    /// Another method.
    Method,
    /// This header field is absent or has another value.
    Header(#[serde(serialize_with = "as_text")] HeaderName),
    /// This query parameter is absent or has another value.
    Query(String),
    /// All of it fits, but the winner is more specific; the first aspect in which it is.
    LessSpecific(Aspect),
}

/// In which way one match is more specific than another, in order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Exact host, longer wildcard.
    Host,
    /// Exact path, longer prefix, prefix before regular expression.
    Path,
    /// Names the method.
    Method,
    /// More header fields.
    Headers,
    /// More query parameters.
    Query,
    /// Listed first.
    Order,
}

fn as_text<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

/// Specificity of what fits; the smaller, the better. One part for each [`Aspect`] but the order.
type Rank = ((u8, Reverse<usize>), (u8, Reverse<usize>), bool, Reverse<usize>, Reverse<usize>);

impl Policy {
    /// Which route `request` takes, by which of its hosts and matches, and why not the others.
    #[must_use]
    pub fn explain(&self, request: &RequestLine<'_>) -> Explanation {
        let fits: Vec<Result<Fit, Reason>> = self.routes.iter().map(|route| best(route, request)).collect();
        let best = fits.iter().enumerate().filter_map(|(route, fit)| fit.as_ref().ok().map(|fit| (route, fit)));
        let winner = best.min_by_key(|(route, fit)| (fit.rank, *route)).map(|(route, fit)| (route, *fit));
        let others: Vec<Other> = fits
            .into_iter()
            .enumerate()
            .filter(|(route, _)| winner.is_none_or(|(winner, _)| winner != *route))
            .map(|(route, fit)| {
                let lost =
                    |fit: Fit| winner.map_or(Aspect::Order, |(_, winner)| first_difference(fit.rank, winner.rank));
                Other { route, reason: fit.map_or_else(|reason| reason, |fit| Reason::LessSpecific(lost(fit))) }
            })
            .collect();
        let others_left_out = others.len().saturating_sub(OTHERS_MAX);
        let winner = winner.map(|(route, Fit { host, matched, .. })| Winner { route, host, matched });
        Explanation { winner, others: others.into_iter().take(OTHERS_MAX).collect(), others_left_out }
    }
}

/// A host and a match of a route that both fit.
#[derive(Clone, Copy)]
struct Fit {
    rank: Rank,
    host: usize,
    matched: usize,
}

/// The most specific combination of host and match that fits, or why none does.
fn best(route: &Route, request: &RequestLine<'_>) -> Result<Fit, Reason> {
    let hosts =
        route.hosts.iter().enumerate().filter_map(|(index, host)| Some((host_rank(host, request.host)?, index)));
    let Some((host_rank, host)) = hosts.min() else { return Err(Reason::Host) };
    let tried = route.matches.iter().enumerate().map(|(matched, found)| {
        let (path, method, headers, query) = match_rank(found, request)?;
        Ok(Fit { rank: (host_rank, path, method, headers, query), host, matched })
    });
    let (fits, reasons): (Vec<_>, Vec<_>) = tried.partition(Result::is_ok);
    let best = fits.into_iter().flatten().min_by_key(|fit| (fit.rank, fit.matched));
    best.ok_or_else(|| reasons.into_iter().filter_map(Result::err).max_by_key(progress).unwrap_or(Reason::Path))
}

/// How far a match fits; of equal ones the last stands for all.
const fn progress(reason: &Reason) -> u8 {
    match reason {
        Reason::Host => 0,
        Reason::Path => 1,
        Reason::Method => 2,
        Reason::Header(_) => 3,
        Reason::Query(_) => 4,
        Reason::LessSpecific(_) => 5,
    }
}

fn host_rank(pattern: &HostPattern, host: &str) -> Option<(u8, Reverse<usize>)> {
    match pattern {
        HostPattern::Exact(exact) => (exact == host).then_some((0, Reverse(0))),
        HostPattern::Wildcard(suffix) => {
            let labels = host.strip_suffix(suffix.as_str())?.strip_suffix('.')?;
            (!labels.is_empty()).then_some((1, Reverse(suffix.len())))
        }
        HostPattern::Any => Some((2, Reverse(0))),
    }
}

fn path_rank(pattern: &PathPattern, path: &str) -> Option<(u8, Reverse<usize>)> {
    match pattern {
        PathPattern::Exact(exact) => (exact == path).then_some((0, Reverse(0))),
        PathPattern::Prefix(prefix) => {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then_some((1, Reverse(prefix.len())))
        }
        PathPattern::Regex(pattern) => pattern.matches(path.as_bytes()).then_some((2, Reverse(0))),
    }
}

type MatchRank = ((u8, Reverse<usize>), bool, Reverse<usize>, Reverse<usize>);

fn match_rank(found: &Match, request: &RequestLine<'_>) -> Result<MatchRank, Reason> {
    let path = path_rank(&found.path, request.path).ok_or(Reason::Path)?;
    if !found.methods.is_empty() && !found.methods.contains(request.method) {
        return Err(Reason::Method);
    }
    if let Some(header) = found.headers.iter().find(|header| !header.is_in(request.headers)) {
        return Err(Reason::Header(header.name.clone()));
    }
    let query = request.query.unwrap_or("");
    if let Some(parameter) = found.query.iter().find(|parameter| !query_has(query, parameter)) {
        return Err(Reason::Query(parameter.name.clone()));
    }
    Ok((path, found.methods.is_empty(), Reverse(found.headers.len()), Reverse(found.query.len())))
}

fn first_difference(lost: Rank, won: Rank) -> Aspect {
    let differs = [
        (lost.0 != won.0, Aspect::Host),
        (lost.1 != won.1, Aspect::Path),
        (lost.2 != won.2, Aspect::Method),
        (lost.3 != won.3, Aspect::Headers),
        (lost.4 != won.4, Aspect::Query),
    ];
    differs.into_iter().find(|(differs, _)| *differs).map_or(Aspect::Order, |(_, aspect)| aspect)
}

/// As a half-sentence after the name of the route: `its path does not match`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("its hosts do not match"),
            Self::Path => f.write_str("its path does not match"),
            Self::Method => f.write_str("its method does not match"),
            Self::Header(name) => write!(f, "header `{name}` does not match"),
            Self::Query(name) => write!(f, "query parameter `{name}` does not match"),
            Self::LessSpecific(Aspect::Order) => f.write_str("matches as well, but is listed later"),
            Self::LessSpecific(aspect) => write!(f, "matches as well, but {aspect}"),
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "its host is less specific",
            Self::Path => "its path is less specific",
            Self::Method => "names no method",
            Self::Headers => "matches fewer header fields",
            Self::Query => "matches fewer query parameters",
            Self::Order => "is listed later",
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::{Source, parse};

    const POLICY: &str = r#"
[upstreams.up]
servers = ["a:1"]
[[routes]]
name = "host"
hosts = ["other.org", "*.other.org"]
to = "up"
[[routes]]
name = "path"
match = { path.prefix = "/dogs" }
to = "up"
[[routes]]
name = "method"
match = [{ path.exact = "/dog" }, { path.prefix = "/cats", method = "PUT" }]
to = "up"
[[routes]]
name = "header"
match = { headers = { x-user = "tom" } }
to = "up"
[[routes]]
name = "query"
match = { query = { kind = { regex = "t.*" } } }
to = "up"
[[routes]]
name = "shorter"
to = "up"
[[routes]]
name = "regex"
match = { path.regex = "/cats/.*" }
to = "up"
[[routes]]
name = "cats"
hosts = ["*.org", "a.org"]
match = [{ path.exact = "/" }, { path.prefix = "/cats" }]
to = "up"
[[routes]]
name = "wildcard"
hosts = ["*.org"]
match = { path.exact = "/cats/1" }
to = "up"
"#;

    #[test]
    fn every_route_says_why_it_lost() {
        let policy =
            parse(&[Source { file: "a.toml".into(), text: POLICY.into() }]).unwrap_or_else(|faults| panic!("{faults}"));
        let headers = HeaderMap::new();
        let line =
            RequestLine { host: "a.org", path: "/cats/1", query: Some("a"), method: &Method::GET, headers: &headers };
        let explanation = policy.explain(&line);
        assert_eq!(explanation.winner, Some(Winner { route: 7, host: 1, matched: 1 }));
        assert_eq!(policy.find_match(&line).map(|found| (found.route, found.matched)), Some((7, 1)));
        let shown: Vec<String> = explanation
            .others
            .iter()
            .map(|other| format!("{}: {}", policy.routes[other.route].name, other.reason))
            .collect();
        let host = "matches as well, but its host is less specific";
        let expected = [
            "host: its hosts do not match",
            "path: its path does not match",
            "method: its method does not match",
            "header: header `x-user` does not match",
            "query: query parameter `kind` does not match",
            &format!("shorter: {host}"),
            &format!("regex: {host}"),
            &format!("wildcard: {host}"),
        ];
        assert_eq!(shown, expected);

        let other = RequestLine { host: "x", ..line };
        let explanation = policy.explain(&other);
        assert_eq!(explanation.winner.map(|winner| winner.route), Some(5), "a prefix goes before a regular expression");
        let regex = explanation.others.iter().find(|other| other.route == 6).unwrap();
        assert_eq!(regex.reason, Reason::LessSpecific(Aspect::Path));
        assert_eq!(serde_json::to_value(&regex.reason).unwrap(), serde_json::json!({"less_specific": "path"}));
    }
}
