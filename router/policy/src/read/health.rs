//! When a server, or a whole upstream, is left alone: `health`, `ejection`, `breaker`, `retry_budget`.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{duration, integer, text};

use super::servers::{host_and_port, is_host};
use super::status;
use crate::upstream::{Breaker, Ejection, HealthCheck, RetryBudget};

/// What an interval or a pause may be: from what a timer can tell apart to an hour.
const PAUSE_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
/// How long an answer to a check may take: a check that takes longer than a minute says nothing.
const CHECK_TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
/// Answers in a row that make up a server's state; more would take longer than any operator waits.
const THRESHOLD_RANGE: RangeInclusive<u64> = 1..=100;
/// Statuses that an answer to a check may have: final ones (RFC 9110 section 15).
const CHECK_STATUS_RANGE: RangeInclusive<u64> = 200..=599;
/// Failures in a row that eject a server; 0 = never.
const FAILURES_RANGE: RangeInclusive<u64> = 0..=1_000;
/// Requests that a window may ask for.
const WINDOW_REQUESTS_RANGE: RangeInclusive<u64> = 1..=1_000_000;
/// Retries in each second that a budget may always allow.
const PER_SECOND_RANGE: RangeInclusive<u64> = 0..=10_000;
/// A percentage.
const PERCENT_RANGE: RangeInclusive<u64> = 0..=100;
/// A percentage of failures; 0 would open without any.
const BREAKER_RANGE: RangeInclusive<u64> = 1..=100;

pub(crate) const HEALTH: Shape = Shape::new(
    "health",
    &[
        Key::required("path", Form::Text("a path, with a query or without", "^/[^#]*$"), "Target of the `GET`"),
        Key::optional(
            "host",
            Form::text("a host, with a port or without"),
            "`Host` of the request; the server's address without it",
        ),
        Key::default("interval", Form::Duration(PAUSE_RANGE), "\"5s\"", "Pause between two checks of one server"),
        Key::default("timeout", Form::Duration(CHECK_TIMEOUT_RANGE), "\"1s\"", "How long an answer may take"),
        Key::default(
            "healthy_after",
            Form::Integer(THRESHOLD_RANGE),
            "2",
            "Good answers in a row until a server counts as healthy",
        ),
        Key::default("unhealthy_after", Form::Integer(THRESHOLD_RANGE), "3", "Bad answers in a row until it does not"),
        Key::default(
            "statuses",
            Form::Either(&[Form::Integer(CHECK_STATUS_RANGE), status::RANGE_TEXT]),
            "\"200-299\"",
            "Statuses that are good",
        ),
    ],
);
pub(crate) const EJECTION: Shape = Shape::new(
    "ejection",
    &[
        Key::default(
            "consecutive_failures",
            Form::Integer(FAILURES_RANGE),
            "5",
            "Failed requests in a row that eject a server; 0 = never. A refused connection ejects at once",
        ),
        Key::default(
            "base",
            Form::Duration(PAUSE_RANGE),
            "\"1s\"",
            "The first ejection; doubles with each further one",
        ),
        Key::default("max", Form::Duration(PAUSE_RANGE), "\"30s\"", "The longest ejection"),
        Key::default(
            "share_max",
            Form::Integer(PERCENT_RANGE),
            "50",
            "Percent of the servers that may be ejected at a time; one may always stay",
        ),
    ],
);
pub(crate) const BREAKER: Shape = Shape::new(
    "breaker",
    &[
        Key::required(
            "failures",
            Form::Integer(BREAKER_RANGE),
            "Percent of the requests in the window whose failure opens it",
        ),
        Key::default("requests_min", Form::Integer(WINDOW_REQUESTS_RANGE), "20", "Requests that the window must hold"),
        Key::default("window", Form::Duration(PAUSE_RANGE), "\"10s\"", "The window"),
        Key::default("open", Form::Duration(PAUSE_RANGE), "\"5s\"", "How long it stays open before one request tries"),
    ],
);
pub(crate) const RETRY_BUDGET: Shape = Shape::new(
    "retry_budget",
    &[
        Key::default(
            "percent",
            Form::Integer(PERCENT_RANGE),
            "20",
            "Retries, percent of the requests of the last 10 s",
        ),
        Key::default("per_second_min", Form::Integer(PER_SECOND_RANGE), "3", "And so many in each second"),
    ],
);

pub(crate) fn check<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<HealthCheck> {
    let mut keys = Keys::of(reader, value, &HEALTH)?;
    let path = keys.required(reader, "path", "write path = \"/healthz\"", target);
    let host = keys.optional(reader, "host", host);
    let interval = keys.optional(reader, "interval", |reader, value| duration(reader, value, &PAUSE_RANGE));
    let timeout = keys.optional(reader, "timeout", |reader, value| duration(reader, value, &CHECK_TIMEOUT_RANGE));
    let healthy_after =
        keys.optional(reader, "healthy_after", |reader, value| integer(reader, value, &THRESHOLD_RANGE));
    let unhealthy_after =
        keys.optional(reader, "unhealthy_after", |reader, value| integer(reader, value, &THRESHOLD_RANGE));
    let statuses = keys.optional(reader, "statuses", |reader, value| status::range(reader, value, &CHECK_STATUS_RANGE));
    keys.finish(reader);
    let default = HealthCheck::new(path?);
    Some(HealthCheck {
        host,
        interval: interval.unwrap_or(default.interval),
        timeout: timeout.unwrap_or(default.timeout),
        healthy_after: healthy_after.unwrap_or(default.healthy_after),
        unhealthy_after: unhealthy_after.unwrap_or(default.unhealthy_after),
        statuses: statuses.unwrap_or(default.statuses),
        path: default.path,
    })
}

/// The target of a request: a path, and a query if there is one.
fn target(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let Named { text, place } = text(reader, value)?;
    let is_target = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok() && !text.contains('#');
    if !is_target {
        reader.fault(&place, format!("{} is no path", quoted(&text)), "write a path such as \"/healthz\"");
    }
    is_target.then_some(text)
}

fn host(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let Named { text, place } = text(reader, value)?;
    let fits = is_host(&text) || host_and_port(&text).is_some();
    if !fits {
        reader.fault(&place, format!("{} is no host", quoted(&text)), "write a host such as \"example.org\"");
    }
    fits.then_some(text)
}

pub(crate) fn ejection<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Ejection> {
    let default = Ejection::default();
    let mut keys = Keys::of(reader, value, &EJECTION)?;
    let consecutive_failures =
        keys.optional(reader, "consecutive_failures", |reader, value| integer(reader, value, &FAILURES_RANGE));
    let base_place = keys.find("base").map(|value| reader.place_of(value));
    let base = keys.optional(reader, "base", |reader, value| duration(reader, value, &PAUSE_RANGE));
    let max_place = keys.find("max").map(|value| reader.place_of(value));
    let max = keys.optional(reader, "max", |reader, value| duration(reader, value, &PAUSE_RANGE));
    let share_max = keys.optional(reader, "share_max", |reader, value| integer(reader, value, &PERCENT_RANGE));
    keys.finish(reader);
    let (first, longest) = (base.unwrap_or(default.base), max.unwrap_or(default.max));
    if let Some(place) = max_place.or(base_place)
        && first > longest
    {
        let hint = "ejections begin with `base` (1s by default) and grow up to `max` (30s by default)";
        reader.fault(&place, "`base` is longer than `max`", hint);
    }
    Some(Ejection {
        consecutive_failures: consecutive_failures.unwrap_or(default.consecutive_failures),
        base: first,
        max: longest,
        share_max_percent: share_max.unwrap_or(default.share_max_percent),
    })
}

pub(crate) fn breaker<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Breaker> {
    let mut keys = Keys::of(reader, value, &BREAKER)?;
    let hint = "write failures = 50, the percentage of failed requests that opens it";
    let failures = keys.required(reader, "failures", hint, |reader, value| integer(reader, value, &BREAKER_RANGE));
    let requests_min =
        keys.optional(reader, "requests_min", |reader, value| integer(reader, value, &WINDOW_REQUESTS_RANGE));
    let window = keys.optional(reader, "window", |reader, value| duration(reader, value, &PAUSE_RANGE));
    let open = keys.optional(reader, "open", |reader, value| duration(reader, value, &PAUSE_RANGE));
    keys.finish(reader);
    let default = Breaker::new(failures?);
    Some(Breaker {
        requests_min: requests_min.unwrap_or(default.requests_min),
        window: window.unwrap_or(default.window),
        open: open.unwrap_or(default.open),
        ..default
    })
}

pub(crate) fn retry_budget<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<RetryBudget> {
    let default = RetryBudget::default();
    let mut keys = Keys::of(reader, value, &RETRY_BUDGET)?;
    let percent = keys.optional(reader, "percent", |reader, value| integer(reader, value, &PERCENT_RANGE));
    let per_second_min =
        keys.optional(reader, "per_second_min", |reader, value| integer(reader, value, &PER_SECOND_RANGE));
    keys.finish(reader);
    Some(RetryBudget {
        percent: percent.unwrap_or(default.percent),
        per_second_min: per_second_min.unwrap_or(default.per_second_min),
    })
}
