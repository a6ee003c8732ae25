//! `on_failure` and `breaker` of a plugin: what becomes of a request that it fails, and when it is left alone.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Reader, Value, choice_hint, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{TEXT_BYTES_MAX, duration, integer};
use toml::de::DeValue;

use crate::plugin::{
    BREAKER_FAILURES_MAX, CLOSED_STATUS_DEFAULT, FailurePolicy, LoadFailure, OnFailure, PluginBreaker, QUARANTINE_MAX,
    QUARANTINE_MIN,
};

/// Statuses that a request may be answered with because a plugin failed.
const CLOSED_STATUS_RANGE: RangeInclusive<u64> = 400..=599;
const BREAKER_FAILURES_RANGE: RangeInclusive<u64> = 1..=BREAKER_FAILURES_MAX as u64;
const QUARANTINE_RANGE: RangeInclusive<Duration> = QUARANTINE_MIN..=QUARANTINE_MAX;

/// One failure policy, of a cause.
const POLICY: Form = Form::Either(&[Form::Words(&["open", "closed"]), Form::Table(&CLOSED)]);
const CLOSED: Shape =
    Shape::new("closed", &[Key::required("closed", Form::Integer(CLOSED_STATUS_RANGE), "Status of the answer")]);

/// One failure policy for every cause, or a table of causes.
pub(crate) const ON_FAILURE: Form = Form::Either(&[Form::Words(&["open", "closed"]), Form::Table(&CAUSES)]);
const CAUSES: Shape = Shape::new(
    "on_failure",
    &[
        Key::default(
            "closed",
            Form::Integer(CLOSED_STATUS_RANGE),
            "503",
            "Status wherever `closed` is said without one of its own",
        ),
        Key::default(
            "trap",
            POLICY,
            "\"closed\"",
            "It trapped or answered nonsense, is quarantined or has no instance",
        ),
        Key::default("deadline", POLICY, "\"closed\"", "It spent its CPU time"),
        Key::default("memory", POLICY, "\"closed\"", "It asked for more memory than it may have"),
        Key::default(
            "load",
            Form::Either(&[Form::Words(&["last-good", "open", "closed"]), Form::Table(&CLOSED)]),
            "\"last-good\"",
            "Its file cannot be loaded: the last good one serves, or the policy is published without it",
        ),
    ],
);
pub(crate) const BREAKER: Shape = Shape::new(
    "breaker of a plugin",
    &[
        Key::default(
            "failures",
            Form::Integer(BREAKER_FAILURES_RANGE),
            "5",
            "Failed calls in a row, over all workers, that quarantine it",
        ),
        Key::default(
            "open",
            Form::Duration(QUARANTINE_RANGE),
            "\"1s\"",
            "The first quarantine; one call probes it at the end, and each probe that fails doubles the next",
        ),
        Key::default("open_max", Form::Duration(QUARANTINE_RANGE), "\"1m\"", "The longest quarantine"),
    ],
);

/// `"open"`, `"closed"`, or a table of a status and causes.
pub(crate) fn on_failure<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<OnFailure> {
    if let DeValue::String(_) = value.get_ref() {
        let every = policy(reader, value, CLOSED_STATUS_DEFAULT, &[])?;
        return Some(OnFailure { trap: every, deadline: every, memory: every, load: LoadFailure::default() });
    }
    let mut keys = Keys::of(reader, value, &CAUSES)?;
    let status = keys.optional(reader, "closed", |reader, value| integer(reader, value, &CLOSED_STATUS_RANGE));
    let status = status.unwrap_or(CLOSED_STATUS_DEFAULT);
    let mut cause = |reader: &mut Reader<'_>, key| {
        let policy = keys.optional(reader, key, |reader, value| policy(reader, value, status, &[]));
        policy.unwrap_or(FailurePolicy::Closed { status })
    };
    let trap = cause(reader, "trap");
    let deadline = cause(reader, "deadline");
    let memory = cause(reader, "memory");
    let load = keys.optional(reader, "load", |reader, value| load(reader, value, status)).unwrap_or_default();
    keys.finish(reader);
    Some(OnFailure { trap, deadline, memory, load })
}

/// `"open"`, `"closed"`, which is `status`, or `{ closed = STATUS }`; `others` are words that stand here too.
fn policy<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, status: u16, others: &[&str]) -> Option<FailurePolicy> {
    if let DeValue::String(word) = value.get_ref() {
        match word.as_ref() {
            "open" => return Some(FailurePolicy::Open),
            "closed" => return Some(FailurePolicy::Closed { status }),
            other => {
                let known = [&["open", "closed"], others].concat();
                let hint = choice_hint(&other[..other.floor_char_boundary(TEXT_BYTES_MAX)], &known);
                reader.fault(&reader.place_of(value), format!("{} is no failure policy", quoted(other)), hint);
                return None;
            }
        }
    }
    let mut keys = Keys::of(reader, value, &CLOSED)?;
    let status = keys.required(reader, "closed", "write { closed = 503 }, \"closed\" or \"open\"", |reader, value| {
        integer(reader, value, &CLOSED_STATUS_RANGE)
    });
    keys.finish(reader);
    Some(FailurePolicy::Closed { status: status? })
}

fn load<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, status: u16) -> Option<LoadFailure> {
    match value.get_ref() {
        DeValue::String(word) if word == "last-good" => Some(LoadFailure::LastGood),
        _ => policy(reader, value, status, &["last-good"]).map(LoadFailure::Without),
    }
}

pub(crate) fn breaker<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<PluginBreaker> {
    let default = PluginBreaker::default();
    let mut keys = Keys::of(reader, value, &BREAKER)?;
    let failures = keys.optional(reader, "failures", |reader, value| integer(reader, value, &BREAKER_FAILURES_RANGE));
    let mut quarantine = |reader: &mut Reader<'_>, key, otherwise: Duration| {
        let place = keys.find(key).map(|value| reader.place_of(value));
        let read = keys.optional(reader, key, |reader, value| duration(reader, value, &QUARANTINE_RANGE));
        (read.unwrap_or(otherwise), place)
    };
    let (open_min, open_place) = quarantine(reader, "open", default.open_min);
    let (open_max, open_max_place) = quarantine(reader, "open_max", default.open_max);
    keys.finish(reader);
    if let Some(place) = open_place.or(open_max_place)
        && open_min > open_max
    {
        let hint = "the first quarantine is the shortest; shorten it or lengthen `open_max` (1m by default)";
        reader.fault(&place, "`open` is longer than `open_max`", hint);
    }
    Some(PluginBreaker { failures: failures.unwrap_or(default.failures), open_min, open_max })
}
