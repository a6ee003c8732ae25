//! `limits` of a plugin: memory, CPU time, body, log and alerts.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::units::size_text;
use sluice_document::values::{duration, integer, size};
use sluice_model::plugin::memory_soft;

use crate::plugin::{
    ALERTS_PER_MINUTE_MAX, BODY_BYTES_MAX, CPU_MAX, CPU_MIN, LOG_LINES_PER_SECOND_MAX, Limits, MEMORY_BYTES_MAX,
    MEMORY_BYTES_MIN,
};

const MEMORY_RANGE: RangeInclusive<u64> = MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX;
const CPU_RANGE: RangeInclusive<Duration> = CPU_MIN..=CPU_MAX;
const BODY_RANGE: RangeInclusive<u64> = 1..=BODY_BYTES_MAX;
/// 0 = not a single one; so a plugin keeps its grant and is silent.
const LOG_LINES_RANGE: RangeInclusive<u64> = 0..=LOG_LINES_PER_SECOND_MAX as u64;
const ALERTS_RANGE: RangeInclusive<u64> = 0..=ALERTS_PER_MINUTE_MAX as u64;

pub(crate) const SHAPE: Shape = Shape::new(
    "limits of a plugin",
    &[
        Key::default(
            "memory",
            Form::Size(MEMORY_RANGE),
            "\"16MiB\"",
            "Memory of an instance; asking for more is a failure",
        ),
        Key::optional(
            "memory_soft",
            Form::Size(MEMORY_RANGE),
            "Memory past which an instance is replaced between two requests, at most `memory`; 75 % of it without this",
        ),
        Key::default("cpu", Form::Duration(CPU_RANGE), "\"5ms\"", "CPU time of a call in the request path"),
        Key::default("state_cpu", Form::Duration(CPU_RANGE), "\"50ms\"", "CPU time to take in new state"),
        Key::default("init_cpu", Form::Duration(CPU_RANGE), "\"500ms\"", "CPU time to begin"),
        Key::default("body", Form::Size(BODY_RANGE), "\"1MiB\"", "Bytes of one request body that it is shown"),
        Key::default(
            "log_lines",
            Form::Integer(LOG_LINES_RANGE),
            "20",
            "Log lines of one instance per second; more are dropped and counted",
        ),
        Key::default(
            "alerts",
            Form::Integer(ALERTS_RANGE),
            "60",
            "Alerts of one instance per minute; more are dropped and counted, what they abort is aborted all the same",
        ),
    ],
);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Limits> {
    let default = Limits::default();
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let memory = keys.optional(reader, "memory", |reader, value| size(reader, value, &MEMORY_RANGE));
    let memory_bytes_max = memory.unwrap_or(default.memory_bytes_max);
    let memory_soft_place = keys.find("memory_soft").map(|value| reader.place_of(value));
    let soft = keys.optional(reader, "memory_soft", |reader, value| size(reader, value, &MEMORY_RANGE));
    if let Some((soft, place)) = soft.zip(memory_soft_place)
        && soft > memory_bytes_max
    {
        let hint = format!("at most {}: an instance never gets beyond its `memory`", size_text(memory_bytes_max));
        reader.fault(&place, "`memory_soft` is more than `memory`", hint);
    }
    let mut cpu =
        |reader: &mut Reader<'_>, key| keys.optional(reader, key, |reader, value| duration(reader, value, &CPU_RANGE));
    let call = cpu(reader, "cpu");
    let state = cpu(reader, "state_cpu");
    let init = cpu(reader, "init_cpu");
    let body = keys.optional(reader, "body", |reader, value| size(reader, value, &BODY_RANGE));
    let log_lines = keys.optional(reader, "log_lines", |reader, value| integer(reader, value, &LOG_LINES_RANGE));
    let alerts = keys.optional(reader, "alerts", |reader, value| integer(reader, value, &ALERTS_RANGE));
    keys.finish(reader);
    Some(Limits {
        memory_bytes_max,
        memory_bytes_soft: soft.unwrap_or_else(|| memory_soft(memory_bytes_max)),
        call_cpu_max: call.unwrap_or(default.call_cpu_max),
        state_cpu_max: state.unwrap_or(default.state_cpu_max),
        init_cpu_max: init.unwrap_or(default.init_cpu_max),
        body_bytes_max: body.unwrap_or(default.body_bytes_max),
        log_lines_per_second_max: log_lines.unwrap_or(default.log_lines_per_second_max),
        alerts_per_minute_max: alerts.unwrap_or(default.alerts_per_minute_max),
    })
}
