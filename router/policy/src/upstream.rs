//! Upstreams: named groups of servers, how one of them is chosen, and when one is left alone.

use std::time::Duration;

use sluice_model::field::Field;

/// Connections to one upstream that a worker may hold, unless the policy says otherwise.
pub const CONNECTIONS_MAX_DEFAULT: usize = 256;
/// The most that a policy may ask for: one worker's share of the local ports.
pub const CONNECTIONS_MAX_MAX: usize = 65_535;
/// Requests that may wait for a connection, per worker, unless the policy says otherwise: more would only wait for their
/// time-out.
pub const PENDING_MAX_DEFAULT: usize = 1_024;
/// Idle connections are closed after this time, unless the policy says otherwise: below the shortest keep-alive among
/// common servers, the 5 s of Node.js (`server.keepAliveTimeout`), so that we close first and not during a request.
pub const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(4);
/// How often a name is resolved anew, unless the policy says otherwise.
pub const DNS_REFRESH_DEFAULT: Duration = Duration::from_secs(10);
/// Weight of a server that has none.
pub const SERVER_WEIGHT_DEFAULT: u32 = 1;

/// A named group of servers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Upstream {
    /// Unique name.
    pub name: String,
    /// Where its servers come from.
    pub servers: Servers,
    /// Which protocol they speak.
    pub protocol: Protocol,
    /// How one of them is chosen.
    pub balance: Balance,
    /// Connections that one worker may hold to the whole group; more requests wait in a queue.
    pub connections_max: usize,
    /// Requests of one worker that may wait in that queue; more are answered 503.
    pub pending_max: usize,
    /// How long a connection may stay idle.
    pub idle_timeout: Duration,
    /// Active checks.
    pub health: Option<HealthCheck>,
    /// Passive checks; on by default.
    pub ejection: Ejection,
    /// A server that comes (back) gets its full share after this time, growing from a tenth; zero = at once.
    pub slow_start: Duration,
    /// When the whole upstream is left alone; off by default.
    pub breaker: Option<Breaker>,
    /// What retries may add to its load.
    pub retry_budget: RetryBudget,
}

impl Upstream {
    /// An upstream with every setting at its default.
    #[must_use]
    pub fn new(name: String, servers: Servers) -> Self {
        Self {
            name,
            servers,
            protocol: Protocol::Http1,
            balance: Balance::LeastInFlight,
            connections_max: CONNECTIONS_MAX_DEFAULT,
            pending_max: PENDING_MAX_DEFAULT,
            idle_timeout: IDLE_TIMEOUT_DEFAULT,
            health: None,
            ejection: Ejection::default(),
            slow_start: Duration::ZERO,
            breaker: None,
            retry_budget: RetryBudget::default(),
        }
    }
}

/// Where the servers of an upstream come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// Listed in the policy: `servers = ["host:port", { address = "host:port", weight = 2 }]`. A host that is a name is
    /// resolved when it is connected to.
    Static(Vec<StaticServer>),
    /// Every address of one name, resolved again and again: `dns = { name = "host:port", refresh = "10s" }`.
    Dns {
        /// Host name.
        host: String,
        /// Port of every server.
        port: u16,
        /// How often the name is resolved.
        refresh: Duration,
    },
    /// The leases of this application and variant.
    Discover {
        /// Application, e.g. `meow`.
        app: String,
        /// Variant, e.g. `canary`.
        variant: String,
    },
}

/// One server of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticServer {
    /// `host:port`.
    pub address: String,
    /// Share among the servers of the upstream, relative; 0 = no requests.
    pub weight: u32,
}

/// Which protocol the servers of an upstream speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 over cleartext by prior knowledge (RFC 9113 section 3.3).
    H2c,
}

/// How a server is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The one with fewer requests in flight (by weight) of two met at random.
    #[default]
    LeastInFlight,
    /// In turn, by weight (smooth weighted round robin).
    RoundRobin,
    /// By a hash of the first of these fields that is present (weighted rendezvous); a server that leaves moves only its
    /// own keys. Requests without any of the fields go to the least loaded. Slow start does not apply.
    Hash(Vec<Field>),
}

/// Active checks: the control plane asks every server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Target of the `GET`.
    pub path: String,
    /// `Host` of the request; the server's address by default.
    pub host: Option<String>,
    /// Pause between two checks of one server; 5 s by default.
    pub interval: Duration,
    /// How long an answer may take; 1 s by default.
    pub timeout: Duration,
    /// Good answers in a row until a server counts as healthy; 2 by default.
    pub healthy_after: u32,
    /// Bad answers in a row until it does not; 3 by default.
    pub unhealthy_after: u32,
    /// Statuses that are good, both ends included; 200-299 by default.
    pub statuses: std::ops::RangeInclusive<u16>,
}

impl HealthCheck {
    /// A check of `path` with every other setting at its default.
    #[must_use]
    pub const fn new(path: String) -> Self {
        Self {
            path,
            host: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy_after: 2,
            unhealthy_after: 3,
            statuses: 200..=299,
        }
    }
}

/// Passive checks (outlier ejection), per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Failed requests in a row (no connection, connection lost, time-out, and 502, 503, 504 of the server) that eject a
    /// server; 5 by default, 0 = never. A refused connection ejects at once.
    /// Afterwards one request at a time tries it, and the first that succeeds brings it back.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts; doubles with each further one. 1 s by default.
    pub base: Duration,
    /// The longest ejection; 30 s by default.
    pub max: Duration,
    /// Most servers of the upstream that may be ejected at a time, percent; 50 by default. One server always stays.
    /// Those that take no connections are not counted: nothing is lost by leaving them out. If nobody is left, all are
    /// asked.
    pub share_max_percent: u8,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base: Duration::from_secs(1),
            max: Duration::from_secs(30),
            share_max_percent: 50,
        }
    }
}

/// Circuit breaker of a whole upstream, per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failed requests, percent of those in the window, that open it.
    pub failures_percent: u8,
    /// Requests that the window must hold at least; 20 by default.
    pub requests_min: u32,
    /// The window; 10 s by default.
    pub window: Duration,
    /// How long it stays open before one request tries; 5 s by default.
    pub open: Duration,
}

impl Breaker {
    /// A breaker that opens at `failures_percent`, with every other setting at its default.
    #[must_use]
    pub const fn new(failures_percent: u8) -> Self {
        Self { failures_percent, requests_min: 20, window: Duration::from_secs(10), open: Duration::from_secs(5) }
    }
}

/// What retries may add to the load of an upstream, per worker (the defaults of Finagle and of the Gateway API).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Percent of the requests of the last 10 s; 20 by default.
    pub percent: u8,
    /// And this many in each second; 3 by default.
    pub per_second_min: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20, per_second_min: 3 }
    }
}
