//! `limits` of a route: body, requests in flight, rate.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Reader, Value};
use sluice_document::shape::{FIELD, Form, Key, Shape};
use sluice_document::values::{duration, integer, size};

use super::fields;
use crate::limits::{RATE_PERIOD_DEFAULT, RateLimit, RouteLimits};

/// Bytes of a body, up to 1 TiB: whoever needs more leaves the limit out.
const BODY_RANGE: RangeInclusive<u64> = 0..=1 << 40;
/// Requests in flight, in a period, or at once.
const REQUESTS_RANGE: RangeInclusive<u64> = 1..=1_000_000;
/// What the period of a rate may be: from the resolution of a timer to a day.
const PERIOD_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

pub(crate) const SHAPE: Shape = Shape::new(
    "limits of a route",
    &[
        Key::optional("body", Form::Size(BODY_RANGE), "Bytes of a request body; more is answered 413"),
        Key::optional(
            "in_flight",
            Form::Integer(REQUESTS_RANGE),
            "Requests at a time in the whole process; more are answered 503",
        ),
        Key::optional("rate", Form::Table(&RATE), "Requests by time; more are answered 429"),
    ],
);
const RATE: Shape = Shape::new(
    "rate",
    &[
        Key::required("requests", Form::Integer(REQUESTS_RANGE), "Requests in each period"),
        Key::default("per", Form::Duration(PERIOD_RANGE), "\"1s\"", "The period"),
        Key::optional(
            "burst",
            Form::Integer(REQUESTS_RANGE),
            "Requests that may come at once; as many as `requests` without it",
        ),
        Key::optional(
            "key",
            Form::OneOrMore(&FIELD, fields::KEY_FIELDS_MAX),
            "What tells clients apart, the first that is present; all together without it",
        ),
    ],
);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<RouteLimits> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let body_bytes_max = keys.optional(reader, "body", |reader, value| size(reader, value, &BODY_RANGE));
    let in_flight_max = keys.optional(reader, "in_flight", |reader, value| integer(reader, value, &REQUESTS_RANGE));
    let rate = keys.optional(reader, "rate", rate);
    keys.finish(reader);
    Some(RouteLimits { body_bytes_max, in_flight_max, rate })
}

fn rate<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<RateLimit> {
    let mut keys = Keys::of(reader, value, &RATE)?;
    let hint = "write requests = 100, and per = \"1s\" if the period is another";
    let requests = keys.required(reader, "requests", hint, |reader, value| integer(reader, value, &REQUESTS_RANGE));
    let per = keys.optional(reader, "per", |reader, value| duration(reader, value, &PERIOD_RANGE));
    let burst = keys.optional(reader, "burst", |reader, value| integer(reader, value, &REQUESTS_RANGE));
    let key = keys.optional(reader, "key", |reader, value| fields::key(reader, value, "key of a rate limit"));
    keys.finish(reader);
    let requests = requests?;
    Some(RateLimit {
        requests,
        per: per.unwrap_or(RATE_PERIOD_DEFAULT),
        burst: burst.unwrap_or(requests),
        key: key.unwrap_or_default(),
    })
}
