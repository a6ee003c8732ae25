//! Limits of a route, and what a client reads when the router itself must answer.

use std::time::Duration;

use http::HeaderValue;
use sluice_model::field::Field;

/// Period of a rate limit that has none.
pub const RATE_PERIOD_DEFAULT: Duration = Duration::from_secs(1);
/// `Content-Type` of an error page that has none.
pub const ERROR_PAGE_TYPE_DEFAULT: &str = "text/html; charset=utf-8";

/// Limits of one route; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteLimits {
    /// Bytes of a request body, declared or counted; more is 413 (RFC 9110 section 15.5.14).
    pub body_bytes_max: Option<u64>,
    /// Requests in flight in the whole process; more are answered 503 with `Retry-After`.
    pub in_flight_max: Option<u32>,
    /// Requests by rate; more are answered 429 (RFC 6585 section 4) with `Retry-After`.
    pub rate: Option<RateLimit>,
}

/// A local rate limit: this router alone counts, its workers together (generic cell rate algorithm).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests in each period.
    pub requests: u32,
    /// The period; 1 s by default.
    pub per: Duration,
    /// Requests that may come at once; as many as `requests` by default.
    pub burst: u32,
    /// What tells clients apart: the first of these fields that is present. Empty = all together.
    pub key: Vec<Field>,
}

/// What a client reads when the router itself answers with one of these statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// Unique name.
    pub name: String,
    /// Which statuses; each range with both ends.
    pub statuses: Vec<std::ops::RangeInclusive<u16>>,
    /// Whether it serves every route that names no page of its own, and requests without a route.
    pub is_default: bool,
    /// `Content-Type`.
    pub content_type: HeaderValue,
    /// Text around `{status}`, `{reason}` and `{request_id}`.
    pub body: Vec<PagePart>,
}

/// A piece of an error page. None of them repeats what a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PagePart {
    /// As written.
    Text(String),
    /// The status, e.g. `503`.
    Status,
    /// The reason code, e.g. `no_healthy_server`.
    Reason,
    /// The id of the request.
    RequestId,
}

impl ErrorPage {
    /// True if the page is for `status`.
    #[must_use]
    pub fn serves(&self, status: u16) -> bool {
        self.statuses.iter().any(|range| range.contains(&status))
    }
}
