//! `limits` of a route: body, requests in flight, rate.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::fields;
use super::keys::Keys;
use super::reader::{Reader, Value};
use super::values::{duration, integer, size};
use crate::limits::{RATE_PERIOD_DEFAULT, RateLimit, RouteLimits};

/// Largest body that may be asked for, 1 TiB: whoever needs more leaves the limit out.
pub(crate) const BODY_BYTES_MAX: u64 = 1 << 40;
/// Most requests in flight, in a period, or at once.
pub(crate) const REQUESTS_MAX: u32 = 1_000_000;
/// What the period of a rate may be: from the resolution of a timer to a day.
const PERIOD_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<RouteLimits> {
    let mut keys = Keys::of(reader, value)?;
    let body_bytes_max = keys.optional(reader, "body", |reader, value| size(reader, value, &(0..=BODY_BYTES_MAX)));
    let in_flight_max = keys.optional(reader, "in_flight", |reader, value| integer(reader, value, &(1..=REQUESTS_MAX)));
    let rate = keys.optional(reader, "rate", rate);
    keys.finish(reader);
    Some(RouteLimits { body_bytes_max, in_flight_max, rate })
}

fn rate<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<RateLimit> {
    let mut keys = Keys::of(reader, value)?;
    let hint = "write requests = 100, and per = \"1s\" if the period is another";
    let requests = keys.required(reader, "requests", hint, |reader, value| integer(reader, value, &(1..=REQUESTS_MAX)));
    let per = keys.optional(reader, "per", |reader, value| duration(reader, value, &PERIOD_RANGE));
    let burst = keys.optional(reader, "burst", |reader, value| integer(reader, value, &(1..=REQUESTS_MAX)));
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
