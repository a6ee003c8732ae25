//! The table against a slow matcher that follows the words of the Gateway API.

use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use proptest::sample::select;

use crate::route::{Found, HostPattern, Match, PathPattern, ValuePattern};
use crate::{Policy, RequestLine, Source, parse};

/// Sorts before every other rank if it is better; `None` = does not match.
type Rank = (u8, usize, u8, usize, bool, usize, usize, usize, usize);

/// Compares the request with every route, one by one, and takes the best.
fn reference(policy: &Policy, request: &RequestLine<'_>) -> Option<Found> {
    let ranks = policy.routes.iter().enumerate().flat_map(|(index, route)| {
        let matches = route.matches.iter().enumerate();
        matches.flat_map(move |(matched, found)| {
            route.hosts.iter().filter_map(move |host| rank((index, matched), host, found, request))
        })
    });
    ranks.min().map(|rank| Found { route: rank.7, matched: rank.8 })
}

/// True if another implementation of regular expressions says that `pattern` matches all of `text`.
fn is_match(pattern: &str, text: &[u8]) -> bool {
    let whole = regex::bytes::Regex::new(&format!(r"\A(?-u:{pattern})\z")).unwrap();
    whole.is_match(text)
}

fn has_value(wanted: &ValuePattern, value: &[u8]) -> bool {
    match wanted {
        ValuePattern::Exact(exact) => exact.as_bytes() == value,
        ValuePattern::Regex(pattern) => is_match(pattern.as_str(), value),
    }
}

fn rank(
    (index, matched): (usize, usize),
    host: &HostPattern,
    found: &Match,
    request: &RequestLine<'_>,
) -> Option<Rank> {
    let (host_kind, host_length) = match host {
        HostPattern::Exact(host) => (host == request.host).then_some((0, 0))?,
        HostPattern::Wildcard(suffix) => {
            let before = request.host.strip_suffix(suffix)?.strip_suffix('.')?;
            (!before.is_empty()).then_some((1, usize::MAX - suffix.len()))?
        }
        HostPattern::Any => (2, 0),
    };
    let (path_kind, path_length) = match &found.path {
        PathPattern::Exact(path) => (path == request.path).then_some((0, 0))?,
        PathPattern::Prefix(prefix) => {
            let asked: Vec<&str> = prefix.split('/').filter(|segment| !segment.is_empty()).collect();
            let given: Vec<&str> = request.path.split('/').filter(|segment| !segment.is_empty()).collect();
            given.starts_with(&asked).then_some((1, usize::MAX - prefix.len()))?
        }
        PathPattern::Regex(pattern) => is_match(pattern.as_str(), request.path.as_bytes()).then_some((2, 0))?,
    };
    let method = found.methods.is_empty() || found.methods.contains(request.method);
    let headers = found.headers.iter().all(|header| {
        request.headers.get_all(&header.name).iter().any(|value| has_value(&header.value, value.as_bytes()))
    });
    let pairs: Vec<(&str, &str)> =
        request.query.unwrap_or("").split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    let query = found.query.iter().all(|wanted| {
        pairs.iter().any(|(name, value)| *name == wanted.name && has_value(&wanted.value, value.as_bytes()))
    });
    (method && headers && query).then_some((
        host_kind,
        host_length,
        path_kind,
        path_length,
        found.methods.is_empty(),
        usize::MAX - found.headers.len(),
        usize::MAX - found.query.len(),
        index,
        matched,
    ))
}

const HOSTS: [&str; 6] = ["*", "a.org", "b.a.org", "*.a.org", "*.b.a.org", "*.org"];
const PATHS: [&str; 7] = ["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b"];
const PATTERNS: [&str; 6] = ["/a/.*", "/[ab]", "/a(/b)*", "/", "(?i)/A/b", "/a|/ab?"];

/// One `[[routes]]` entry without its name.
fn route_text() -> impl Strategy<Value = String> {
    let plain = (select(&["exact", "prefix"][..]), select(&PATHS[..]));
    let path = prop_oneof![3 => plain, 1 => (Just("regex"), select(&PATTERNS[..]))];
    let method = select(&["", ", method = \"GET\"", ", method = [\"GET\", \"PUT\"]"][..]);
    let headers = select(
        &[
            "",
            ", headers = { x = \"1\" }",
            ", headers = { x = \"1\", y = \"2\" }",
            ", headers = { z = { regex = \"[3-5]\" } }",
        ][..],
    );
    let query = select(&["", ", query = { q = \"1\" }", ", query = { q = { regex = \"1?\" }, r = \"\" }"][..]);
    let found = (path, method, headers, query).prop_map(|((kind, path), method, headers, query)| {
        format!("{{ path = {{ {kind} = \"{path}\" }}{method}{headers}{query} }}")
    });
    (proptest::collection::vec(select(&HOSTS[..]), 1..3), proptest::collection::vec(found, 1..3))
        .prop_map(|(hosts, matches)| format!("hosts = {hosts:?}\nmatch = [{}]\n", matches.join(", ")))
}

/// The policy of as many of `routes` as can stand together: a route that another one hides is left out.
fn policy_of(routes: &[String]) -> Policy {
    let mut text = "[upstreams.up]\nservers = [\"a:1\"]\n".to_owned();
    let mut policy = Policy::empty();
    for (index, route) in routes.iter().enumerate() {
        let longer = format!("{text}[[routes]]\nname = \"r{index}\"\nto = \"up\"\n{route}");
        if let Ok(parsed) = parse(&[Source { file: "a.toml".into(), text: longer.clone() }]) {
            (text, policy) = (longer, parsed);
        }
    }
    policy
}

proptest! {
    #[test]
    fn the_table_agrees_with_the_slow_matcher(
        routes in proptest::collection::vec(route_text(), 1..12),
        requests in proptest::collection::vec(request(), 32),
    ) {
        let policy = policy_of(&routes);
        for (host, path, query, method, header_lines) in requests {
            let mut headers = HeaderMap::new();
            for (name, value) in header_lines {
                headers.append(name, HeaderValue::from_static(value));
            }
            let line = RequestLine { host, path, query, method: &method, headers: &headers };
            let expected = reference(&policy, &line);
            prop_assert_eq!(policy.find_match(&line), expected, "{:?} in {:#?}", line, routes);
            let explained = policy.explain(&line);
            let winner = explained.winner.map(|winner| Found { route: winner.route, matched: winner.matched });
            prop_assert_eq!(winner, expected, "{:?} explained in {:#?}", line, routes);
            prop_assert_eq!(explained.others.len(), policy.routes.len() - usize::from(expected.is_some()));
        }
    }
}

type Request = (&'static str, &'static str, Option<&'static str>, Method, Vec<(&'static str, &'static str)>);

fn request() -> impl Strategy<Value = Request> {
    let hosts = ["a.org", "b.a.org", "c.b.a.org", "x.a.org", "org", "xa.org", "", ".org", "..a.org", "other"];
    let paths = ["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/a/b/c/d", "/abc", "/b", "/a/bc", "/c"];
    let queries = [None, Some(""), Some("q=1"), Some("r&q=1"), Some("q=2&q=1"), Some("qq=1")];
    let lines = select(vec![("x", "1"), ("x", "2"), ("y", "2"), ("z", "3"), ("z", "45")]);
    (
        select(hosts.to_vec()),
        select(paths.to_vec()),
        select(queries.to_vec()),
        select(vec![Method::GET, Method::PUT, Method::POST]),
        proptest::collection::vec(lines, 0..4),
    )
}

#[test]
fn a_prefix_ends_at_a_segment() {
    let policy = policy_of(&["match.path.prefix = \"/v2\"".to_owned()]);
    for (path, found) in [("/v2", true), ("/v2/", true), ("/v2/x", true), ("/v2example", false), ("/", false)] {
        let line = RequestLine { host: "h", path, query: None, method: &Method::GET, headers: &HeaderMap::new() };
        assert_eq!(policy.find(&line).is_some(), found, "{path}");
    }
}

#[test]
fn a_long_host_and_path_cost_no_more_look_ups_than_the_policy_is_deep() {
    assert_eq!(super::longest_prefix(&"/a".repeat(100_000), 3), "/a/a/a");
    assert_eq!(super::longest_prefix("/a/", 3), "/a");
    assert_eq!(super::longest_prefix("/a", 0), "");
    assert_eq!(super::longest_suffix(&"a.".repeat(100_000), 2), Some("a."));
    assert_eq!(super::longest_suffix("b.a.org", 5), Some("a.org"));
    assert_eq!(super::longest_suffix("a.org", 0), None);
}

proptest! {
    #[test]
    fn a_pattern_agrees_with_another_implementation(
        pattern in "([ab/.]|[ab][*?+]|\\(a\\|b?\\)|\\[\\^a\\]|\\^|\\$|\\\\b){0,8}",
        texts in proptest::collection::vec("[ab/\n]{0,6}", 8),
    ) {
        let Ok(compiled) = crate::Pattern::new(&pattern) else { return Ok(()) };
        for text in texts {
            let expected = regex::bytes::Regex::new(&format!(r"\A(?-u:{pattern})\z")).unwrap().is_match(text.as_bytes());
            prop_assert_eq!(compiled.matches(text.as_bytes()), expected, "{} on {:?}", pattern, text);
        }
    }
}
