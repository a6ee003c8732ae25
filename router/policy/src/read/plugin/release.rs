//! `release` of a plugin: what a new digest of its file has to stand before it is the plugin.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Place, Reader, Value};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::{choice, duration, integer, percent, unless_false};
use sluice_model::weight::BasisPoints;

use crate::plugin::{
    BUDGET_CALLS_MIN_MAX, Budget, CALL_P99_MAX, CALL_P99_MIN, OBSERVATION_MAX, OBSERVATION_MIN, Release, TRIAL_DEFAULT,
    TRIAL_SHARE_DEFAULT, TrialMode, TrialSpec,
};

/// How long a trial lasts, or a watch.
const OBSERVATION_RANGE: RangeInclusive<Duration> = OBSERVATION_MIN..=OBSERVATION_MAX;
/// What the 99th percentile of a call may be allowed.
const CALL_P99_RANGE: RangeInclusive<Duration> = CALL_P99_MIN..=CALL_P99_MAX;
/// Calls before anything is judged: without one there is no share.
const CALLS_MIN_RANGE: RangeInclusive<u64> = 1..=BUDGET_CALLS_MIN_MAX as u64;
/// Keys that describe a trial.
const TRIAL_KEYS: &[&str] = &["percent", "for", "promote"];
/// How the modes of a trial are written.
const TRIALS: [(&str, TrialMode); 2] = [("canary", TrialMode::Canary), ("shadow", TrialMode::Shadow)];
/// Who ends a trial within budget; true = it takes over by itself.
const PROMOTIONS: [(&str, bool); 2] = [("automatic", true), ("manual", false)];

pub(crate) const SHAPE: Shape = Shape::new(
    "release",
    &[
        Key::optional(
            "trial",
            Form::Words(&["canary", "shadow"]),
            "What a new file has to stand first: serve a share of the requests, or run beside the old one; none without it",
        ),
        Key::default("percent", Form::Percent, "10.0", "Share of the requests that the trial sees, above 0"),
        Key::default("for", Form::Duration(OBSERVATION_RANGE), "\"5m\"", "How long the trial lasts"),
        Key::default(
            "promote",
            Form::Words(&["automatic", "manual"]),
            "\"automatic\"",
            "Who ends a trial within budget: the new file takes over by itself, or waits for `sluice plugin promote`",
        ),
        Key::default(
            "watch",
            Form::Either(&[Form::Duration(OBSERVATION_RANGE), Form::False]),
            "\"1m\"",
            "How long a new file is watched after it took over; over budget, the one before comes back",
        ),
        Key::default("budget", Form::Table(&BUDGET), "{}", "What counts as too much, in the trial and in the watch"),
    ],
)
.with_rule(Rule::OnlyWith(TRIAL_KEYS, "trial"));
const BUDGET: Shape = Shape::new(
    "budget",
    &[
        Key::default("failures", Form::Percent, "5.0", "Percent of its calls that may fail"),
        Key::default(
            "errors",
            Form::Percent,
            "5.0",
            "By how many points the percentage of 5xx among its requests may exceed that of the file before",
        ),
        Key::default("call_p99", Form::Duration(CALL_P99_RANGE), "\"10ms\"", "99th percentile of its time per call"),
        Key::optional(
            "differences",
            Form::Percent,
            "Of a shadow: percent of the requests on which the two may disagree; only shown without it",
        ),
        Key::default("calls_min", Form::Integer(CALLS_MIN_RANGE), "20", "Calls before anything is judged by its share"),
    ],
);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Release> {
    let default = Release::default();
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let is_tried = keys.find("trial").is_some();
    if !is_tried {
        refuse_without_trial(reader, &mut keys);
    }
    let mode = keys.optional(reader, "trial", |reader, value| choice(reader, value, "kind of trial", &TRIALS));
    let share = keys.optional(reader, "percent", share).unwrap_or(TRIAL_SHARE_DEFAULT);
    let duration = keys.optional(reader, "for", |reader, value| observed(reader, value, TRIAL_INSTEAD));
    let promote =
        keys.optional(reader, "promote", |reader, value| choice(reader, value, "way to promote", &PROMOTIONS));
    let watch = keys.optional(reader, "watch", |reader, value| {
        unless_false(reader, value, |reader, value| observed(reader, value, WATCH_INSTEAD))
    });
    let budget_place = keys.find("budget").map(|value| reader.place_of(value));
    let budget = keys.optional(reader, "budget", budget);
    keys.finish(reader);
    let watch = watch.unwrap_or(default.watch);
    if let Some(place) = budget_place
        && !is_tried
        && watch.is_none()
    {
        let hint = "write a `trial`, or watch = \"1m\"; or leave `budget` out";
        reader.fault(&place, "nothing is judged by this budget", hint);
    }
    if let Some(place) = budget.as_ref().and_then(|budget| budget.differences.as_ref())
        && mode != Some(TrialMode::Shadow)
    {
        let hint = "write trial = \"shadow\": only there do both files see the same requests";
        reader.fault(place, "`differences` are counted in a shadow trial", hint);
    }
    let trial = mode.map(|mode| TrialSpec {
        mode,
        share,
        duration: duration.unwrap_or(TRIAL_DEFAULT),
        is_automatic: promote.unwrap_or(true),
    });
    Some(Release { trial, watch, budget: budget.map_or(default.budget, |budget| budget.read) })
}

/// Reports what speaks of a trial where there is none.
fn refuse_without_trial(reader: &mut Reader<'_>, keys: &mut Keys<'_>) {
    for key in TRIAL_KEYS {
        if let Some(value) = keys.find(key) {
            let hint = "write trial = \"canary\" or \"shadow\"; without a trial a new file takes over at once";
            keys.missing(reader, &reader.place_of(value), &["trial"], format!("`{key}` without a `trial`"), hint);
        }
    }
}

/// A share of requests that is not nothing.
fn share(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<BasisPoints> {
    let share = percent(reader, value)?;
    if share == BasisPoints::ZERO {
        let hint = "write 0.01 at least, or leave `trial` out";
        reader.fault(&reader.place_of(value), "a trial of no request shows nothing", hint);
        return None;
    }
    Some(share)
}

/// What to write instead of a trial, and a watch, that lasts no time.
const TRIAL_INSTEAD: &str = "a trial of no time shows nothing; leave `trial` out";
const WATCH_INSTEAD: &str = "write watch = false to watch nothing";

/// A duration within [`OBSERVATION_RANGE`]; for zero, `instead` says what is meant by it.
fn observed(reader: &mut Reader<'_>, value: &Value<'_>, instead: &str) -> Option<Duration> {
    let read = duration(reader, value, &(Duration::ZERO..=OBSERVATION_MAX))?;
    if read.is_zero() {
        reader.fault(&reader.place_of(value), "no time at all", instead);
        return None;
    }
    duration(reader, value, &OBSERVATION_RANGE)
}

/// A budget, and where it speaks of differences.
struct Placed {
    read: Budget,
    differences: Option<Place>,
}

fn budget<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Placed> {
    let default = Budget::default();
    let mut keys = Keys::of(reader, value, &BUDGET)?;
    let failures = keys.optional(reader, "failures", percent).unwrap_or(default.failures);
    let errors = keys.optional(reader, "errors", percent).unwrap_or(default.errors);
    let call_p99 = keys.optional(reader, "call_p99", |reader, value| duration(reader, value, &CALL_P99_RANGE));
    let place = keys.find("differences").map(|value| reader.place_of(value));
    let differences = keys.optional(reader, "differences", percent);
    let calls_min = keys.optional(reader, "calls_min", |reader, value| integer(reader, value, &CALLS_MIN_RANGE));
    keys.finish(reader);
    let read = Budget {
        calls_min: calls_min.unwrap_or(default.calls_min),
        failures,
        errors,
        call_p99: call_p99.unwrap_or(default.call_p99),
        differences,
    };
    Some(Placed { read, differences: place })
}
