//! `[pools.NAME.scale]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::names::Index;
use sluice_document::reader::{Named, Reader, Value};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::{duration, filled_list, integer, name_text, number, unique, unless_false};

use super::pool::DROPLETS_MAX;
use super::watch::RULES_MAX;
use crate::scale::{OnAlert, ScaleSpec, TargetSpec};

const COUNT: RangeInclusive<u64> = 1..=DROPLETS_MAX;
const ADD: RangeInclusive<u64> = 1..=50;
const PER_HOUR: RangeInclusive<u64> = 0..=1_000;
const TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
const SOME_TIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
const RPS: RangeInclusive<f64> = 0.001..=10_000_000.0;
const PERCENT: RangeInclusive<f64> = 1.0..=100.0;
const SHARE: RangeInclusive<f64> = 0.0..=1.0;
const LATENCY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);

pub(crate) const SHAPE: Shape = Shape::new(
    "[pools.NAME.scale]",
    &[
        Key::required("min", Form::Integer(COUNT), "Fewest droplets"),
        Key::required("max", Form::Integer(COUNT), "Most droplets"),
        Key::optional("on_alert", Form::Table(&ON_ALERT), "Each alert adds droplets, as in the original system"),
        Key::optional("target", Form::Table(&TARGET), "Follows targets, out and in"),
        Key::default(
            "boot_deadline",
            Form::Duration(SOME_TIME),
            "\"10m\"",
            "A droplet that does not serve by then is replaced",
        ),
        Key::default("warm_up", Form::Duration(TIME), "\"1m\"", "A new droplet is left out of the means for so long"),
        Key::default("drain", Form::Duration(TIME), "\"30s\"", "Time for requests in flight when a droplet leaves"),
        Key::default(
            "unhealthy_after",
            Form::Duration(SOME_TIME),
            "\"1m\"",
            "A droplet is replaced once unhealthy for so long",
        ),
        Key::default("replacements_per_hour_max", Form::Integer(PER_HOUR), "4", "Most droplets replaced in an hour"),
    ],
)
.with_rule(Rule::AtLeastOne(&["on_alert", "target"]));

const ON_ALERT: Shape = Shape::new(
    "[pools.NAME.scale.on_alert]",
    &[
        Key::required("rules", Form::List(&Form::Name, 1, RULES_MAX), "Alerts of these rules"),
        Key::default("add", Form::Integer(ADD), "1", "Droplets that one alert adds"),
        Key::optional(
            "repeat",
            Form::Duration(SOME_TIME),
            "An alert that stays up adds again after this; once only without it",
        ),
        Key::default("cooldown", Form::Duration(TIME), "\"1m\"", "Least time between two additions"),
        Key::default(
            "scale_in_after",
            Form::Either(&[Form::Duration(SOME_TIME), Form::False]),
            "\"15m\"",
            "Droplets go one by one, each this long after the last alert was over; never with `false`, as in the original",
        ),
    ],
);

const TARGET: Shape = Shape::new(
    "[pools.NAME.scale.target]",
    &[
        Key::optional("rps_per_droplet", Form::Number(RPS), "Requests per second that a droplet should carry"),
        Key::optional("cpu", Form::Number(PERCENT), "Mean CPU, percent"),
        Key::optional("memory", Form::Number(PERCENT), "Mean memory, percent"),
        Key::optional(
            "p95",
            Form::Duration(LATENCY),
            "95th percentile of the time to the last byte, as routers measure it",
        ),
        Key::default(
            "scale_in_window",
            Form::Duration(TIME),
            "\"15m\"",
            "Going in takes the largest wish of this long",
        ),
        Key::default(
            "forecast",
            Form::Duration(TIME),
            "\"3m\"",
            "How far ahead load is foreseen for going out; `0s`: not at all",
        ),
        Key::default(
            "tolerance",
            Form::Number(SHARE),
            "0.1",
            "Deviations from the target that are left alone, as a share",
        ),
        Key::default(
            "scale_in_step_max",
            Form::Number(SHARE),
            "0.25",
            "Most droplets taken away in one step, as a share",
        ),
    ],
)
.with_rule(Rule::AtLeastOne(&["rps_per_droplet", "cpu", "memory", "p95"]));

/// A `scale` whose rules are not yet resolved.
pub(crate) struct ScaleDraft {
    pub(crate) scale: ScaleSpec,
    rules: Vec<Named>,
}

impl ScaleDraft {
    pub(crate) fn resolve(&self, reader: &mut Reader<'_>, rules: &Index) {
        for rule in &self.rules {
            rules.resolve(reader, "rule", rule);
        }
    }
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<ScaleDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let place = keys.place().clone();
    let count = |reader: &mut Reader<'_>, value: &'d Value<'d>| integer::<u32>(reader, value, &COUNT);
    let min = keys.required(reader, "min", "write min = 1", count);
    let max = keys.required(reader, "max", "write max = 10", count);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        reader.fault(&place, format!("`min` {min} is more than `max` {max}"), "exchange the two");
    }
    let on_alert = keys.optional(reader, "on_alert", on_alert);
    let target = keys.optional(reader, "target", target);
    if keys.find("on_alert").is_none() && keys.find("target").is_none() {
        let hint = "write on_alert = { rules = [\"cpu-high\"] } or target = { cpu = 60 }";
        keys.missing(reader, &place, &["on_alert", "target"], "what the number follows is missing", hint);
    }
    let mut time = |reader: &mut Reader<'_>, key, range: &RangeInclusive<Duration>, seconds| {
        let read = |reader: &mut Reader<'_>, value: &'d Value<'d>| duration(reader, value, range);
        keys.optional(reader, key, read).unwrap_or_else(|| Duration::from_secs(seconds))
    };
    let boot_deadline = time(reader, "boot_deadline", &SOME_TIME, 600);
    let warm_up = time(reader, "warm_up", &TIME, 60);
    let drain = time(reader, "drain", &TIME, 30);
    let unhealthy_after = time(reader, "unhealthy_after", &SOME_TIME, 60);
    let per_hour = |reader: &mut Reader<'_>, value: &'d Value<'d>| integer(reader, value, &PER_HOUR);
    let replacements_per_hour_max = keys.optional(reader, "replacements_per_hour_max", per_hour).unwrap_or(4);
    keys.finish(reader);
    let (on_alert, rules) = on_alert.map_or((None, Vec::new()), |(on_alert, rules)| (Some(on_alert), rules));
    let scale = ScaleSpec {
        min: min?,
        max: max?,
        on_alert,
        target,
        boot_deadline,
        warm_up,
        drain,
        unhealthy_after,
        replacements_per_hour_max,
    };
    Some(ScaleDraft { scale, rules })
}

fn on_alert<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(OnAlert, Vec<Named>)> {
    let mut keys = Keys::of(reader, value, &ON_ALERT)?;
    let rules = keys.required(reader, "rules", "write rules = [\"cpu-high\", \"memory-high\"]", |reader, value| {
        let rules = filled_list(reader, value, RULES_MAX, name_text)?;
        unique(reader, &rules);
        Some(rules)
    });
    let add = keys.optional(reader, "add", |reader, value| integer(reader, value, &ADD)).unwrap_or(1);
    let repeat = keys.optional(reader, "repeat", |reader, value| duration(reader, value, &SOME_TIME));
    let cooldown = keys.optional(reader, "cooldown", |reader, value| duration(reader, value, &TIME));
    let scale_in_after = keys.optional(reader, "scale_in_after", |reader, value| {
        unless_false(reader, value, |reader, value| duration(reader, value, &SOME_TIME))
    });
    keys.finish(reader);
    let rules = rules?;
    let on_alert = OnAlert {
        rules: rules.iter().map(|rule| rule.text.clone()).collect(),
        add,
        repeat,
        cooldown: cooldown.unwrap_or(Duration::from_secs(60)),
        scale_in_after: scale_in_after.unwrap_or(Some(Duration::from_secs(15 * 60))),
    };
    Some((on_alert, rules))
}

fn target<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<TargetSpec> {
    let mut keys = Keys::of(reader, value, &TARGET)?;
    let place = keys.place().clone();
    let percent = |reader: &mut Reader<'_>, value: &'d Value<'d>| number(reader, value, &PERCENT);
    let share = |reader: &mut Reader<'_>, value: &'d Value<'d>| number(reader, value, &SHARE);
    let time = |reader: &mut Reader<'_>, value: &'d Value<'d>| duration(reader, value, &TIME);
    let rps_per_droplet = keys.optional(reader, "rps_per_droplet", |reader, value| number(reader, value, &RPS));
    let cpu = keys.optional(reader, "cpu", percent);
    let memory = keys.optional(reader, "memory", percent);
    let p95 = keys.optional(reader, "p95", |reader, value| duration(reader, value, &LATENCY));
    let metrics = ["rps_per_droplet", "cpu", "memory", "p95"];
    if metrics.iter().all(|metric| keys.find(metric).is_none()) {
        keys.missing(
            reader,
            &place,
            &metrics,
            "no metric to follow",
            "write at least one of `rps_per_droplet`, `cpu`, `memory`, `p95`",
        );
    }
    let target = TargetSpec {
        rps_per_droplet,
        cpu,
        memory,
        p95,
        scale_in_window: keys.optional(reader, "scale_in_window", time).unwrap_or(Duration::from_secs(15 * 60)),
        forecast: keys.optional(reader, "forecast", time).unwrap_or(Duration::from_secs(180)),
        tolerance: keys.optional(reader, "tolerance", share).unwrap_or(0.1),
        scale_in_step_max: keys.optional(reader, "scale_in_step_max", share).unwrap_or(0.25),
    };
    keys.finish(reader);
    Some(target)
}
