//! Every key of `routes.d` is read into its type; what is left out has its default.

use std::time::Duration;

use http::Method;
use sluice_model::field::Field;
use sluice_model::weight::BasisPoints;

use super::parse_one;
use crate::filter::{OriginPattern, PathChange, Scheme};
use crate::limits::PagePart;
use crate::{Balance, Policy, Protocol, Retries, Route, RouteLimits, Servers, Target, Timeouts, Upstream};

pub(super) const FULL: &str = include_str!("../../../fixtures/full.toml");

fn full() -> Policy {
    parse_one(FULL).unwrap_or_else(|faults| panic!("{faults}"))
}

fn pairs(lines: &[(http::HeaderName, http::HeaderValue)]) -> Vec<(&str, &str)> {
    lines.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[test]
fn upstreams_have_all_their_settings() {
    let policy = full();
    let [a, b, c] = policy.upstreams.as_slice() else { panic!("{:?}", policy.upstreams) };
    let Servers::Static(listed) = &a.servers else { panic!("listed servers") };
    let listed: Vec<_> = listed.iter().map(|server| (server.address.as_str(), server.weight)).collect();
    assert_eq!(listed, [("10.0.0.5:80", 1), ("10.0.0.6:80", 2)]);
    assert_eq!(a.protocol, Protocol::H2c);
    assert_eq!(a.balance, Balance::Hash(vec![Field::Cookie("uid".into()), Field::ClientAddress]));
    assert_eq!((a.connections_max, a.pending_max), (128, 0));
    assert_eq!((a.idle_timeout, a.slow_start), (Duration::from_secs(3), Duration::from_secs(30)));
    let health = a.health.as_ref().unwrap();
    assert_eq!((health.path.as_str(), health.host.as_deref()), ("/healthz?deep=1", Some("a.example.org")));
    assert_eq!((health.interval, health.timeout), (Duration::from_secs(2), Duration::from_millis(500)));
    assert_eq!((health.healthy_after, health.unhealthy_after, health.statuses.clone()), (1, 4, 200..=399));
    let ejection = a.ejection;
    assert_eq!((ejection.consecutive_failures, ejection.share_max_percent), (7, 40));
    assert_eq!((ejection.base, ejection.max), (Duration::from_secs(2), Duration::from_secs(20)));
    let breaker = a.breaker.unwrap();
    assert_eq!((breaker.failures_percent, breaker.requests_min), (60, 30));
    assert_eq!((breaker.window, breaker.open), (Duration::from_secs(20), Duration::from_secs(6)));
    assert_eq!((a.retry_budget.percent, a.retry_budget.per_second_min), (10, 1));

    let dns = Servers::Dns { host: "app.internal".into(), port: 8080, refresh: Duration::from_secs(30) };
    let defaults = Upstream::new("b".into(), dns);
    assert_eq!(*b, Upstream { balance: Balance::RoundRobin, ..defaults });
    assert_eq!(*c, Upstream::new("c".into(), c.servers.clone()), "everything else is the default");
}

#[test]
fn error_pages_are_text_around_placeholders() {
    let policy = full();
    let [busy, sorry] = policy.error_pages.as_slice() else { panic!("{:?}", policy.error_pages) };
    assert_eq!((busy.is_default, busy.content_type.to_str().unwrap()), (false, "text/html; charset=utf-8"));
    assert!(sorry.is_default && sorry.serves(404) && sorry.serves(500) && sorry.serves(599) && !sorry.serves(429));
    let text = |text: &str| PagePart::Text(text.into());
    let parts = [PagePart::Status, text(": { not a placeholder } "), PagePart::Reason, text(", "), PagePart::RequestId];
    assert_eq!(sorry.body, parts);
    assert_eq!(policy.routes[0].error_pages, [0, 1], "in the order of the route");
}

#[test]
fn routes_have_their_limits_and_times() {
    let policy = full();
    let Route { timeouts, retries, limits, .. } = &policy.routes[0];
    assert_eq!((timeouts.request, timeouts.connect), (Duration::from_secs(30), Duration::from_millis(500)));
    assert_eq!((timeouts.first_byte, timeouts.per_try), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!((retries.attempts, retries.statuses.as_slice()), (3, [429, 502, 503].as_slice()));
    assert_eq!(retries.backoff, Duration::ZERO);
    assert_eq!((limits.body_bytes_max, limits.in_flight_max), (Some(10 << 20), Some(1_000)));
    let rate = limits.rate.as_ref().unwrap();
    assert_eq!((rate.requests, rate.per, rate.burst), (100, Duration::from_secs(60), 200));
    assert_eq!(rate.key, [Field::Header("x-user".into()), Field::ClientAddress]);

    let Route { timeouts, retries, limits, .. } = &policy.routes[1];
    assert_eq!((*timeouts, retries, limits), (Timeouts::default(), &Retries::default(), &RouteLimits::default()));
}

#[test]
fn filters_are_read() {
    let policy = full();
    let filters = &policy.routes[0].filters;
    let request = &filters.request_headers;
    assert_eq!(pairs(&request.set), [("x-a", "1"), ("x-b", "1"), ("x-b", "2")]);
    assert_eq!(
        (pairs(&request.add), request.remove.as_slice()),
        (vec![("x-c", "")], ["x-d".parse().unwrap()].as_slice())
    );
    assert_eq!(pairs(&filters.response_headers.add), [("vary", "a"), ("vary", "b")]);
    let rewrite = filters.rewrite.as_ref().unwrap();
    assert_eq!(rewrite.host.as_ref().unwrap(), "inside:8080");
    assert_eq!(rewrite.path, Some(PathChange::Prefix("/v1".into())));
    let mirrors: Vec<_> = filters.mirrors.iter().map(|mirror| (mirror.upstream, mirror.share)).collect();
    assert_eq!(mirrors, [(1, BasisPoints::FULL), (2, BasisPoints::new(1_250).unwrap())]);
    let cors = filters.cors.as_ref().unwrap();
    let wildcard = OriginPattern::Wildcard { before: "https://".into(), after: ".example.org".into() };
    assert_eq!(cors.origins, [OriginPattern::Exact("https://example.org:8443".into()), wildcard]);
    assert_eq!((cors.methods.as_slice(), cors.credentials), ([Method::PUT].as_slice(), true));
    assert_eq!((cors.headers[0].as_str(), cors.expose[0].as_str(), cors.max_age_seconds), ("x-a", "x-b", 3_600));
}

#[test]
fn a_redirect_takes_the_place_of_a_target() {
    let policy = full();
    let route = &policy.routes[1];
    assert_eq!(route.target, Target::Redirect);
    let redirect = route.filters.redirect.as_ref().unwrap();
    assert_eq!((redirect.scheme, redirect.host.as_deref()), (Some(Scheme::Https), Some("new.example.org")));
    assert_eq!((redirect.port, redirect.status), (Some(8443), 308));
    assert_eq!(redirect.path, Some(PathChange::Full("/new".into())));
}
