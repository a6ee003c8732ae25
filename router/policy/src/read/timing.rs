//! `timeouts` and `retries` of a route.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{duration, filled_list, integer};

use super::status::{STATUS_RANGE, STATUSES_MAX};
use crate::route::{RETRY_ATTEMPTS_MAX, Retries, Timeouts};

/// What a timeout may be: from the resolution of a timer to a day.
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
/// Attempts after the first; 0 = none.
const ATTEMPTS_RANGE: RangeInclusive<u64> = 0..=RETRY_ATTEMPTS_MAX as u64;
/// Pause before a second attempt; zero = none.
const BACKOFF_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(10);
/// The one status below 500 that another server may answer better (RFC 6585 section 4).
const TOO_MANY_REQUESTS: u16 = 429;

pub(crate) const TIMEOUTS: Shape = Shape::new(
    "timeouts",
    &[
        Key::default(
            "request",
            Form::Duration(TIMEOUT_RANGE),
            "\"1h\"",
            "From the head of the request to the last byte of its response",
        ),
        Key::default("connect", Form::Duration(TIMEOUT_RANGE), "\"1s\"", "One connection to a server"),
        Key::default(
            "first_byte",
            Form::Duration(TIMEOUT_RANGE),
            "\"60s\"",
            "From the last byte sent to the first received; never more than `request`",
        ),
        Key::optional(
            "per_try",
            Form::Duration(TIMEOUT_RANGE),
            "One attempt, to the head of its response; `request` without it",
        ),
    ],
);
pub(crate) const RETRIES: Shape = Shape::new(
    "retries",
    &[
        Key::default(
            "attempts",
            Form::Integer(ATTEMPTS_RANGE),
            "2",
            "Attempts after the first, within the retry budget of the upstream",
        ),
        Key::optional(
            "statuses",
            Form::List(&Form::Either(&[Form::Integer(500..=599), Form::Integer(429..=429)]), 1, STATUSES_MAX),
            "Statuses of a server that are worth another attempt, for requests that may be sent twice; none without it",
        ),
        Key::default(
            "backoff",
            Form::Duration(BACKOFF_RANGE),
            "\"25ms\"",
            "Pause before the second attempt; doubles with each further one",
        ),
    ],
);

pub(crate) fn timeouts<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Timeouts> {
    let default = Timeouts::default();
    let mut keys = Keys::of(reader, value, &TIMEOUTS)?;
    let mut timeout = |reader: &mut Reader<'_>, key| {
        let place = keys.find(key).map(|value| reader.place_of(value));
        let timeout = keys.optional(reader, key, |reader, value| duration(reader, value, &TIMEOUT_RANGE));
        timeout.zip(place)
    };
    let request = timeout(reader, "request").map_or(default.request, |(request, _)| request);
    let connect = timeout(reader, "connect");
    let first_byte = timeout(reader, "first_byte");
    let per_try = timeout(reader, "per_try");
    keys.finish(reader);
    for (part, place) in [&connect, &first_byte, &per_try].into_iter().flatten() {
        if *part > request {
            let hint = "the whole request ends before; shorten this or lengthen `request` (1h by default)";
            reader.fault(place, "longer than `request`", hint);
        }
    }
    Some(Timeouts {
        request,
        connect: connect.map_or_else(|| default.connect.min(request), |(connect, _)| connect),
        first_byte: first_byte.map_or_else(|| default.first_byte.min(request), |(first_byte, _)| first_byte),
        per_try: per_try.map_or(request, |(per_try, _)| per_try),
    })
}

pub(crate) fn retries<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Retries> {
    let default = Retries::default();
    let mut keys = Keys::of(reader, value, &RETRIES)?;
    let attempts = keys.optional(reader, "attempts", |reader, value| integer(reader, value, &ATTEMPTS_RANGE));
    let statuses = keys.optional(reader, "statuses", statuses);
    let backoff = keys.optional(reader, "backoff", |reader, value| duration(reader, value, &BACKOFF_RANGE));
    keys.finish(reader);
    Some(Retries {
        attempts: attempts.unwrap_or(default.attempts),
        statuses: statuses.unwrap_or(default.statuses),
        backoff: backoff.unwrap_or(default.backoff),
    })
}

/// Statuses that say that the server failed, not the client.
fn statuses<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<u16>> {
    let mut seen = Vec::new();
    filled_list(reader, value, STATUSES_MAX, |reader, value| {
        let status = integer(reader, value, &STATUS_RANGE)?;
        let place = reader.place_of(value);
        if !(500..=599).contains(&status) && status != TOO_MANY_REQUESTS {
            let hint = "write statuses from 500 to 599, or 429";
            reader.fault(&place, format!("status {status} is no failure of a server"), hint);
        } else if seen.contains(&status) {
            reader.fault(&place, format!("status {status} is listed twice"), "remove one of the two");
        }
        seen.push(status);
        Some(status)
    })
}
