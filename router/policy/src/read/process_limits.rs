//! `[limits]` of `sluice.toml`.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{duration, integer, size};

use crate::process::{CONNECTIONS_MAX_MAX, ProcessLimits, WORKERS_MAX};

/// What a time limit may be: from the resolution of a timer to an hour.
const LIMIT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60 * 60);
/// How old a connection may become: from the resolution of a timer to a week.
const AGE_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(7 * 24 * 60 * 60);
/// Bytes of a head: from the smallest buffer that hyper takes to what no client sends in earnest.
const HEAD_BYTES_RANGE: RangeInclusive<u64> = 8 << 10..=1 << 20;
/// Header fields of a request; far below what a header map holds (32,768).
const HEADER_FIELDS_RANGE: RangeInclusive<u64> = 1..=4_096;
/// Streams of a connection; each may hold a window of memory.
const STREAMS_RANGE: RangeInclusive<u64> = 1..=10_000;
/// Connections per worker.
const CONNECTIONS_RANGE: RangeInclusive<u64> = 1..=CONNECTIONS_MAX_MAX as u64;
/// Workers.
const WORKERS_RANGE: RangeInclusive<u64> = 1..=WORKERS_MAX as u64;
/// Requests of a connection: 1 = no keep-alive.
const REQUESTS_RANGE: RangeInclusive<u64> = 1..=1_000_000_000;

pub(crate) const SHAPE: Shape = Shape::new(
    "[limits]",
    &[
        Key::default(
            "drain",
            Form::Duration(LIMIT_RANGE),
            "\"10s\"",
            "How long a shutdown waits for requests in flight",
        ),
        Key::default("header_read", Form::Duration(LIMIT_RANGE), "\"10s\"", "The head of a request, else 408"),
        Key::default("body_idle", Form::Duration(LIMIT_RANGE), "\"30s\"", "A body that stands still, either way"),
        Key::default("keep_alive_idle", Form::Duration(LIMIT_RANGE), "\"75s\"", "A connection without a request"),
        Key::default(
            "connection_age",
            Form::Duration(AGE_RANGE),
            "\"1h\"",
            "Age of a connection; then it is told to go",
        ),
        Key::default(
            "connections_max",
            Form::Integer(CONNECTIONS_RANGE),
            "10000",
            "Connections per worker; 64 more are answered 503 with `Retry-After`, the rest waits in the backlog",
        ),
        Key::default("head_bytes", Form::Size(HEAD_BYTES_RANGE), "\"64KiB\"", "Bytes of a request's head; more is 431"),
        Key::default(
            "header_fields",
            Form::Integer(HEADER_FIELDS_RANGE),
            "100",
            "Header fields of a request; more is 431",
        ),
        Key::default("streams", Form::Integer(STREAMS_RANGE), "128", "Concurrent streams of one HTTP/2 connection"),
        Key::default(
            "requests_per_connection",
            Form::Integer(REQUESTS_RANGE),
            "100000",
            "Requests of one connection; then it is told to go",
        ),
        Key::optional("workers", Form::Integer(WORKERS_RANGE), "Threads of the data plane; one per core without it"),
    ],
);

/// The limits and the number of workers.
pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(ProcessLimits, Option<usize>)> {
    let default = ProcessLimits::default();
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let mut limit = |reader: &mut Reader<'_>, key, range, otherwise: Duration| {
        keys.optional(reader, key, |reader, value| duration(reader, value, range)).unwrap_or(otherwise)
    };
    let drain = limit(reader, "drain", &LIMIT_RANGE, default.drain);
    let header_read = limit(reader, "header_read", &LIMIT_RANGE, default.header_read);
    let body_idle = limit(reader, "body_idle", &LIMIT_RANGE, default.body_idle);
    let keep_alive_idle = limit(reader, "keep_alive_idle", &LIMIT_RANGE, default.keep_alive_idle);
    let connection_age_max = limit(reader, "connection_age", &AGE_RANGE, default.connection_age_max);
    let connections_max =
        keys.optional(reader, "connections_max", |reader, value| integer(reader, value, &CONNECTIONS_RANGE));
    let head_bytes = keys.optional(reader, "head_bytes", |reader, value| size(reader, value, &HEAD_BYTES_RANGE));
    let header_fields =
        keys.optional(reader, "header_fields", |reader, value| integer(reader, value, &HEADER_FIELDS_RANGE));
    let streams = keys.optional(reader, "streams", |reader, value| integer(reader, value, &STREAMS_RANGE));
    let requests =
        keys.optional(reader, "requests_per_connection", |reader, value| integer(reader, value, &REQUESTS_RANGE));
    let workers = keys.optional(reader, "workers", |reader, value| integer(reader, value, &WORKERS_RANGE));
    keys.finish(reader);
    let limits = ProcessLimits {
        drain,
        header_read,
        body_idle,
        keep_alive_idle,
        connections_max: connections_max.unwrap_or(default.connections_max),
        head_bytes_max: head_bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(default.head_bytes_max),
        header_fields_max: header_fields.unwrap_or(default.header_fields_max),
        streams_max: streams.unwrap_or(default.streams_max),
        requests_per_connection_max: requests.unwrap_or(default.requests_per_connection_max),
        connection_age_max,
    };
    Some((limits, workers))
}
