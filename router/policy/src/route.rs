//! Routes: what a request must look like to take one, and what then happens to it.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method};

use crate::filter::Filters;
use crate::limits::RouteLimits;
use crate::pattern::Pattern;

/// Time a request may take in all, unless the policy says otherwise: long enough for a large file on a slow line, which
/// must only not stand still (`body_idle`), and yet a bound.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// Time a server may take to begin its response, unless the policy says otherwise (nginx: `proxy_read_timeout`).
pub const FIRST_BYTE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Time a connection to a server may take, unless the policy says otherwise: servers stand in the same region.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
/// How often a failed request is sent again, unless the policy says otherwise.
pub const RETRY_ATTEMPTS_DEFAULT: u32 = 2;
/// The most that a policy may ask for; beyond it retries only feed an outage.
pub const RETRY_ATTEMPTS_MAX: u32 = 10;

/// What of a request decides its route.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// Lower case, without port and without a trailing dot.
    pub host: &'a str,
    /// Normalised by [`crate::path::normalise`].
    pub path: &'a str,
    /// What follows the `?`, as sent.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// All header fields.
    pub headers: &'a HeaderMap,
}

/// What of a policy a request found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the route.
    pub route: usize,
    /// Index in [`Route::matches`] of the match that took it: its path is what a prefix replacement replaces.
    pub matched: usize,
}

/// One route.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// Unique name.
    pub name: String,
    /// Hosts it answers for; at least one.
    pub hosts: Vec<HostPattern>,
    /// What a request must look like; one of these is enough. At least one.
    pub matches: Vec<Match>,
    /// Indexes of its plugins, in order of the request phase.
    pub chain: Vec<usize>,
    /// Index of the rollout whose variants it serves.
    pub rollout: Option<usize>,
    /// Where requests go when no variant was chosen.
    pub target: Target,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Whether and how often a failed request is sent again.
    pub retries: Retries,
    /// What changes on the way.
    pub filters: Filters,
    /// Limits.
    pub limits: RouteLimits,
    /// Indexes of the error pages it uses, first match first; empty = the default ones.
    pub error_pages: Vec<usize>,
}

/// Where the requests of a route go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Upstreams by weight; the weights are relative, and at least one of them is above 0.
    Upstreams(Vec<WeightedUpstream>),
    /// Nowhere: the redirect of the route's filters answers every request.
    Redirect,
    /// Answered by the router itself.
    Builtin(Builtin),
}

/// An upstream and its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightedUpstream {
    /// Index of the upstream.
    pub upstream: usize,
    /// Relative weight; 0 = no requests.
    pub weight: u32,
}

/// A target inside the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// The list of all servers that hold a lease.
    Servers,
}

impl Builtin {
    /// As written in a policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Servers => "servers",
        }
    }
}

/// Time limits of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// From the request's head to the last byte of its response.
    pub request: Duration,
    /// One connection to a server.
    pub connect: Duration,
    /// From the last byte sent to a server to the first byte of its response; at most `request`.
    pub first_byte: Duration,
    /// One attempt at a server, from the connection to the head of its response; at most `request`, and equal to it
    /// unless the policy says otherwise.
    pub per_try: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request: REQUEST_TIMEOUT_DEFAULT,
            connect: CONNECT_TIMEOUT_DEFAULT,
            first_byte: FIRST_BYTE_TIMEOUT_DEFAULT,
            per_try: REQUEST_TIMEOUT_DEFAULT,
        }
    }
}

/// Whether and how often a failed request is sent again, to another server where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retries {
    /// Attempts after the first one; 0 = never.
    pub attempts: u32,
    /// Statuses of a server that are a failure worth another attempt, for requests that may be sent twice (RFC 9110
    /// section 9.2.2); none by default.
    pub statuses: Vec<u16>,
    /// Pause before the second attempt; doubles with each further one, with jitter. 25 ms by default.
    pub backoff: Duration,
}

/// Pause before a request is sent again, unless the policy says otherwise.
pub const RETRY_BACKOFF_DEFAULT: Duration = Duration::from_millis(25);

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: RETRY_ATTEMPTS_DEFAULT, statuses: Vec::new(), backoff: RETRY_BACKOFF_DEFAULT }
    }
}

/// Which hosts a route answers for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Every host: `*`.
    Any,
    /// This host, lower case.
    Exact(String),
    /// `*.example.org`, held as `example.org`: one or more labels before it.
    Wildcard(String),
}

/// Which paths a match accepts. Paths are in normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathPattern {
    /// This path and no other.
    Exact(String),
    /// This path and everything below it by whole segments; without a trailing slash, except for `/`.
    Prefix(String),
    /// The whole path matches this regular expression.
    Regex(Pattern),
}

/// A name and the value it must have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameValue<N> {
    /// Name.
    pub name: N,
    /// The value it must have.
    pub value: ValuePattern,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValuePattern {
    /// This, byte by byte.
    Exact(String),
    /// The whole value matches this regular expression.
    Regex(Pattern),
}

impl ValuePattern {
    /// True if the value whose bytes are `bytes` is one of those.
    pub(crate) fn accepts(&self, bytes: impl Iterator<Item = u8>) -> bool {
        match self {
            Self::Exact(exact) => bytes.eq(exact.bytes()),
            Self::Regex(pattern) => pattern.matches_bytes(bytes),
        }
    }
}

impl NameValue<HeaderName> {
    /// True if one line of `headers` has that name and value.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| match &self.value {
            ValuePattern::Exact(exact) => value.as_bytes() == exact.as_bytes(),
            ValuePattern::Regex(pattern) => pattern.matches(value.as_bytes()),
        })
    }
}

/// What a request must look like: all of it must hold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// The path.
    pub path: PathPattern,
    /// One of these methods; empty = any.
    pub methods: Vec<Method>,
    /// Header fields; one line with that value is enough.
    pub headers: Vec<NameValue<HeaderName>>,
    /// Query parameters, decoded; one occurrence with that value is enough.
    pub query: Vec<NameValue<String>>,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => f.write_str(host),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "exact {path}"),
            Self::Prefix(path) => write!(f, "prefix {path}"),
            Self::Regex(pattern) => write!(f, "regex {pattern}"),
        }
    }
}

/// `=tom`, or `~to.*` for a regular expression.
impl fmt::Display for ValuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => write!(f, "={exact}"),
            Self::Regex(pattern) => write!(f, "~{pattern}"),
        }
    }
}

/// `GET,HEAD prefix /cats x-user=tom ?kind=tabby`: what a person needs to tell two matches apart.
impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.methods.iter().enumerate() {
            write!(f, "{}{method}", if index == 0 { "" } else { "," })?;
        }
        write!(f, "{}{}", if self.methods.is_empty() { "" } else { " " }, self.path)?;
        self.headers.iter().try_for_each(|header| write!(f, " {}{}", header.name, header.value))?;
        self.query.iter().try_for_each(|parameter| write!(f, " ?{}{}", parameter.name, parameter.value))
    }
}
