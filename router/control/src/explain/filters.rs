//! What a route changes or bounds by itself, as lines for people, in the order in which it comes.

use std::time::Duration;

use http::HeaderName;
use sluice_model::field::Field;
use sluice_policy::filter::{Cors, HeaderEdits, Mirror, OriginPattern, PathChange, Redirect, Rewrite, Scheme};
use sluice_policy::{Found, Policy, Route};

use crate::explain::question::Head;
use crate::explain::report::TimeLimits;

/// The filters and limits of the route in `found`.
pub(crate) fn describe(policy: &Policy, found: Found, head: &Head) -> Vec<String> {
    let route = &policy.routes[found.route];
    let mut lines = limits(route);
    let filters = &route.filters;
    lines.extend(filters.cors.as_ref().map(cors));
    lines.extend(filters.redirect.as_ref().map(redirect));
    lines.extend(filters.rewrite.as_ref().map(|rewrite| rewrite_of(rewrite, route, found, head)));
    lines.extend(edits("request", &filters.request_headers));
    lines.extend(filters.mirrors.iter().map(|copy| mirror(policy, copy)));
    lines.extend(edits("response", &filters.response_headers));
    if !route.error_pages.is_empty() {
        let names: Vec<&str> = route.error_pages.iter().map(|page| policy.error_pages[*page].name.as_str()).collect();
        lines.push(format!("error pages: {}", names.join(", ")));
    }
    lines
}

/// Why the route's own limits refuse the body of a request.
pub(crate) fn refuses(route: &Route, head: &Head) -> Option<String> {
    let (bytes, max) = head.body_bytes.zip(route.limits.body_bytes_max)?;
    (bytes > max).then(|| format!("a body of {bytes} bytes is over the route's limit of {max}"))
}

/// The time limits and retries of a route.
pub(crate) fn time_limits(route: &Route) -> TimeLimits {
    let (timeouts, retries) = (&route.timeouts, &route.retries);
    TimeLimits {
        request_ms: timeouts.request.as_millis(),
        connect_ms: timeouts.connect.as_millis(),
        first_byte_ms: timeouts.first_byte.as_millis(),
        per_try_ms: timeouts.per_try.as_millis(),
        retries: retries.attempts,
        retry_statuses: retries.statuses.clone(),
    }
}

fn limits(route: &Route) -> Vec<String> {
    let limits = &route.limits;
    let mut lines = Vec::new();
    if let Some(max) = limits.body_bytes_max {
        lines.push(format!("body: at most {max} bytes, more is answered 413"));
    }
    if let Some(max) = limits.in_flight_max {
        lines.push(format!("in flight: at most {max} requests, more are answered 503"));
    }
    if let Some(rate) = &limits.rate {
        let key: Vec<String> = rate.key.iter().map(Field::to_string).collect();
        let of =
            if key.is_empty() { "for all together".to_owned() } else { format!("for each {}", key.join(", else ")) };
        let per = seconds(rate.per);
        lines.push(format!(
            "rate: {} requests per {per}, {} at once, {of}; more are answered 429",
            rate.requests, rate.burst
        ));
    }
    lines
}

fn cors(cors: &Cors) -> String {
    let origins: Vec<String> = cors.origins.iter().map(origin).collect();
    let credentials = if cors.credentials { ", with credentials" } else { "" };
    format!("CORS: answers preflights of {}{credentials}", origins.join(", "))
}

fn origin(origin: &OriginPattern) -> String {
    match origin {
        OriginPattern::Any => "*".to_owned(),
        OriginPattern::Exact(exact) => exact.clone(),
        OriginPattern::Wildcard { before, after } => format!("{before}*{after}"),
    }
}

fn redirect(redirect: &Redirect) -> String {
    let scheme = redirect.scheme.map(|scheme| match scheme {
        Scheme::Http => "scheme http".to_owned(),
        Scheme::Https => "scheme https".to_owned(),
    });
    let parts = [
        scheme,
        redirect.host.as_ref().map(|host| format!("host {host}")),
        redirect.port.map(|port| format!("port {port}")),
        redirect.path.as_ref().map(path),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("redirect {}: {}", redirect.status, parts.join(", "))
}

fn rewrite_of(rewrite: &Rewrite, route: &Route, found: Found, head: &Head) -> String {
    let host = rewrite.host.as_ref().map(|host| format!("host {}", String::from_utf8_lossy(host.as_bytes())));
    let changed = |change: &PathChange| change.apply(head.path(), &route.matches[found.matched].path);
    let path = rewrite.path.as_ref().map(|change| format!("path {}", changed(change)));
    let parts: Vec<String> = [host, path].into_iter().flatten().collect();
    format!("rewrite: the server sees {}", parts.join(", "))
}

fn path(change: &PathChange) -> String {
    match change {
        PathChange::Full(full) => format!("path {full}"),
        PathChange::Prefix(prefix) => format!("prefix {prefix} in place of the matched one"),
    }
}

fn mirror(policy: &Policy, mirror: &Mirror) -> String {
    format!(
        "mirror: {} % of the requests also to `{}`",
        mirror.share.as_percent(),
        policy.upstreams[mirror.upstream].name
    )
}

fn edits(of: &str, edits: &HeaderEdits) -> Option<String> {
    let names = |verb: &str, names: Vec<&HeaderName>| {
        let names: Vec<&str> = names.into_iter().map(HeaderName::as_str).collect();
        (!names.is_empty()).then(|| format!("{verb} {}", names.join(", ")))
    };
    let parts = [
        names("remove", edits.remove.iter().collect()),
        names("set", edits.set.iter().map(|(name, _)| name).collect()),
        names("add", edits.add.iter().map(|(name, _)| name).collect()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{of} headers: {}", parts.join("; ")))
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
