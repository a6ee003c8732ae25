//! The filters of a route as data.

use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use crate::filter::{
    Compare, Cors, Filters, HeaderEdits, Mirror, OriginPattern, PathChange, Redirect, Rewrite, Scheme,
};
use crate::policy::Policy;

pub(super) fn describe(policy: &Policy, filters: &Filters) -> Value {
    let Filters { request_headers, response_headers, redirect, rewrite, mirrors, cors } = filters;
    json!({
        "request_headers": edits(request_headers),
        "response_headers": edits(response_headers),
        "redirect": redirect.as_ref().map(redirect_of),
        "rewrite": rewrite.as_ref().map(rewrite_of),
        "mirror": mirrors.iter().map(|copy| mirror(policy, copy)).collect::<Vec<_>>(),
        "cors": cors.as_ref().map(cors_of),
    })
}

fn edits(edits: &HeaderEdits) -> Value {
    let HeaderEdits { set, add, remove } = edits;
    json!({ "set": lines(set), "add": lines(add), "remove": names(remove) })
}

/// Name -> all its values, in order.
fn lines(lines: &[(HeaderName, HeaderValue)]) -> Value {
    let mut named: Map<String, Value> = Map::new();
    for (name, value) in lines {
        let values = named.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(json!(text(value)));
        }
    }
    Value::Object(named)
}

fn redirect_of(redirect: &Redirect) -> Value {
    let Redirect { scheme, host, port, path, status } = redirect;
    let scheme = scheme.map(|scheme| match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    });
    json!({ "scheme": scheme, "host": host, "port": port, "path": path.as_ref().map(change), "status": status })
}

fn rewrite_of(rewrite: &Rewrite) -> Value {
    let Rewrite { host, path } = rewrite;
    json!({ "host": host.as_ref().map(text), "path": path.as_ref().map(change) })
}

fn change(change: &PathChange) -> String {
    match change {
        PathChange::Full(full) => full.clone(),
        PathChange::Prefix(prefix) => format!("prefix {prefix}"),
    }
}

fn mirror(policy: &Policy, mirror: &Mirror) -> String {
    let Mirror { upstream, share, compare } = mirror;
    let compared = compare.as_ref().map_or_else(String::new, |Compare { headers, body }| {
        let fields = headers.iter().map(HeaderName::as_str);
        let parts: Vec<&str> = ["status"].into_iter().chain(fields).chain(body.then_some("body")).collect();
        format!(", compared by {}", parts.join(", "))
    });
    format!("{} ({} %){compared}", policy.upstreams[*upstream].name, share.as_percent())
}

fn cors_of(cors: &Cors) -> Value {
    let Cors { origins, methods, headers, expose, credentials, max_age_seconds } = cors;
    let origin = |origin: &OriginPattern| match origin {
        OriginPattern::Any => "*".to_owned(),
        OriginPattern::Exact(exact) => exact.clone(),
        OriginPattern::Wildcard { before, after } => format!("{before}*{after}"),
    };
    json!({
        "origins": origins.iter().map(origin).collect::<Vec<_>>(),
        "methods": methods.iter().map(Method::as_str).collect::<Vec<_>>(),
        "headers": names(headers),
        "expose": names(expose),
        "credentials": credentials,
        "max_age": format!("{max_age_seconds}s"),
    })
}

fn names(names: &[HeaderName]) -> Vec<&str> {
    names.iter().map(HeaderName::as_str).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
