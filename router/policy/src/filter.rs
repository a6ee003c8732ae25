//! Filters of a route: what changes on a request before a server is picked, and on its response before it leaves.
//!
//! Vocabulary of the Gateway API's `HTTPRouteFilter`. Order in the request path: CORS preflight, redirect, rewrite,
//! request header edits; response header edits and the CORS fields come last, on every response of the route.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::route::PathPattern;

/// Everything that a route changes by itself. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filters {
    /// Edits of the request's fields; never of those that frame, route or vouch for it.
    pub request_headers: HeaderEdits,
    /// Edits of the response's fields.
    pub response_headers: HeaderEdits,
    /// Answers with a redirect; then there is neither rewrite nor target.
    pub redirect: Option<Redirect>,
    /// What the server sees in place of host and path.
    pub rewrite: Option<Rewrite>,
    /// Copies of the request for other upstreams, whose answers nobody reads.
    pub mirrors: Vec<Mirror>,
    /// Cross-origin resource sharing, answered by the router.
    pub cors: Option<Cors>,
}

/// Edits of header fields: removed first, then set, then added. Name by name they do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Replaces all lines of that name.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Appends a line.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Removes all lines of that name.
    pub remove: Vec<HeaderName>,
}

/// A redirect: the parts that are `None` stay those of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Scheme>,
    /// Host without port.
    pub host: Option<String>,
    /// Port; without it that of the request, unless the scheme changes: then the default one of the scheme.
    pub port: Option<u16>,
    /// Path; the query stays.
    pub path: Option<PathChange>,
    /// 301, 302, 303, 307 or 308; 302 by default.
    pub status: u16,
}

/// Scheme of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, port 80.
    Http,
    /// `https`, port 443.
    Https,
}

/// What the server sees in place of host and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// `Host`.
    pub host: Option<HeaderValue>,
    /// Path; the query stays.
    pub path: Option<PathChange>,
}

/// Another path, in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// In place of the whole path.
    Full(String),
    /// In place of the prefix that the match found; only on routes all of whose matches are prefixes.
    Prefix(String),
}

/// A copy of some of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Index of the upstream that gets it.
    pub upstream: usize,
    /// Share of the requests, in 0.01 %.
    pub share: sluice_model::weight::BasisPoints,
    /// How its answers are compared with those that the clients got; `None` = nobody reads them.
    pub compare: Option<Compare>,
}

/// How the answer to a copy is compared with the answer that the client got. Only for safe methods (RFC 9110 section 9.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// Header fields that must be the same, besides the status.
    pub headers: Vec<HeaderName>,
    /// Whether the content must be the same, up to [`COMPARED_BYTES_MAX`].
    pub body: bool,
}

/// How much of each content is compared, in bytes.
pub const COMPARED_BYTES_MAX: usize = 1 << 20;

/// Cross-origin resource sharing (Fetch standard, section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Which origins may read responses.
    pub origins: Vec<OriginPattern>,
    /// Methods beyond GET, HEAD and POST.
    pub methods: Vec<Method>,
    /// Request fields that scripts may set; empty = none beyond the safelisted ones.
    pub headers: Vec<HeaderName>,
    /// Response fields that scripts may read.
    pub expose: Vec<HeaderName>,
    /// Whether cookies may come along; then `*` is answered with the origin itself.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight, seconds.
    pub max_age_seconds: u32,
}

/// Which origins (`scheme://host[:port]`) match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`.
    Any,
    /// Exactly this one, lower case.
    Exact(String),
    /// `https://*.example.org`: held as what stands before and after the `*`.
    Wildcard {
        /// `https://`.
        before: String,
        /// `.example.org`.
        after: String,
    },
}

impl PathChange {
    /// The path that a request with `path` gets whose match found `found`.
    #[must_use]
    pub fn apply(&self, path: &str, found: &PathPattern) -> String {
        match (self, found) {
            (Self::Full(full), _) => full.clone(),
            (Self::Prefix(to), PathPattern::Prefix(prefix)) => {
                let rest = path.strip_prefix(prefix.trim_end_matches('/')).unwrap_or(path);
                let joined = format!("{}{rest}", to.trim_end_matches('/'));
                if joined.is_empty() { "/".to_owned() } else { joined }
            }
            (Self::Prefix(to), _) => to.clone(),
        }
    }
}

/// The method of the request that a preflight announces (Fetch standard, section 4.8); `None` if it is no preflight.
#[must_use]
pub fn announced_method(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if method != Method::OPTIONS || !headers.contains_key(header::ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

impl OriginPattern {
    /// True if `origin`, lower case, is one of these.
    #[must_use]
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == origin,
            Self::Wildcard { before, after } => {
                let middle = origin.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                middle.is_some_and(|middle| !middle.is_empty() && !middle.contains(['/', ':']))
            }
        }
    }
}
