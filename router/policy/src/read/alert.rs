//! `[alerts.NAME]`: an alert rule. Its sinks stand in `sluice.toml`, which is another file and maybe another machine's: control
//! says it where one of them does not exist.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::{Keys, entries};
use sluice_document::reader::{Named, Place, Reader, Value};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::{choice, duration, integer, list, millis, name_text, number, text_up_to, unique};
use sluice_model::alert::ALERT_COOLDOWN_MS;
use sluice_model::alert_rule::{AlertRule, Condition, Metric};

use super::Scope;
use super::sink::SINKS_MAX;

/// Most alert rules of one file; each is looked at every second, for every route.
pub(crate) const ALERT_RULES_MAX: usize = 256;
/// Most labels of one rule.
pub(crate) const LABELS_MAX: usize = 16;
/// Longest value of a label, in bytes: it is told with every alert.
pub(crate) const LABEL_BYTES_MAX: usize = 256;
const ABOVE_RANGE: RangeInclusive<f64> = 0.0..=1e9;
/// Highest bound of a metric in percent.
const PERCENT_MAX: f64 = 100.0;
const SAMPLES_RANGE: RangeInclusive<u64> = 0..=1_000_000_000;
const SAMPLES_DEFAULT: u64 = 20;
const TIME_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(7 * 24 * 60 * 60);
const KEEP_FIRING_DEFAULT: Duration = Duration::from_secs(5 * 60);
const METRICS: [(&str, Metric); 6] = [
    ("error_rate", Metric::ErrorRate),
    ("latency_p50", Metric::LatencyP50),
    ("latency_p99", Metric::LatencyP99),
    ("request_rate", Metric::RequestRate),
    ("cpu", Metric::Cpu),
    ("memory", Metric::Memory),
];

pub(crate) const SHAPE: Shape = Shape::new(
    "[alerts.NAME]",
    &[
        Key::optional(
            "metric",
            Form::Words(&["error_rate", "latency_p50", "latency_p99", "request_rate", "cpu", "memory"]),
            "What each router measures, over ten seconds; without it, the rule is of the alerts that plugins raise under its name",
        ),
        Key::optional("above", Form::Number(ABOVE_RANGE), "The bound: percent, milliseconds or requests per second"),
        Key::optional("route", Form::Name, "Of this route; of each route apart without it"),
        Key::default(
            "min_samples",
            Form::Integer(SAMPLES_RANGE),
            "20",
            "Requests below which nothing is said of errors and latencies",
        ),
        Key::default("for", Form::Duration(TIME_RANGE), "\"0s\"", "How long it must be above before the alert is raised"),
        Key::default(
            "keep_firing",
            Form::Duration(TIME_RANGE),
            "\"5m\"",
            "How long an alert stays up after it was last seen; then it is resolved",
        ),
        Key::default(
            "cooldown",
            Form::Duration(TIME_RANGE),
            "\"1m\"",
            "How long the same alert is not raised again, by any router",
        ),
        Key::optional(
            "sinks",
            Form::List(&Form::Name, 0, SINKS_MAX),
            "Who is told: sinks of `sluice.toml`; all of them without it, nobody with `[]`",
        ),
        Key::default("labels", Form::Map(&Form::LongText(LABEL_BYTES_MAX), LABELS_MAX), "{}", "Said with the alert"),
    ],
)
.with_rule(Rule::OnlyWith(&["above", "route", "min_samples", "for"], "metric"));

/// A rule whose route is not yet resolved.
pub(crate) struct AlertDraft {
    pub(crate) rule: AlertRule,
    route: Option<Named>,
}

impl AlertDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope) -> AlertRule {
        if let Some(route) = &self.route {
            scope.routes.resolve(reader, "route", route);
        }
        self.rule
    }
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<AlertDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let mut time =
        |reader: &mut Reader<'_>, key| keys.optional(reader, key, |reader, value| duration(reader, value, &TIME_RANGE));
    let for_ = time(reader, "for").unwrap_or_default();
    let keep_firing = time(reader, "keep_firing").unwrap_or(KEEP_FIRING_DEFAULT);
    let cooldown_ms = time(reader, "cooldown").map_or(ALERT_COOLDOWN_MS, millis);
    let sinks = keys.optional(reader, "sinks", |reader, value| {
        let sinks = list(reader, value, SINKS_MAX, name_text)?;
        unique(reader, &sinks);
        Some(sinks.into_iter().map(|sink| sink.text).collect())
    });
    let labels = keys.optional(reader, "labels", |reader, value| Some(labels(reader, value))).unwrap_or_default();
    let (condition, route) =
        condition(reader, &mut keys).map_or((None, None), |(condition, route)| (Some(condition), route));
    keys.finish(reader);
    let rule = AlertRule {
        name: name.text,
        condition,
        for_ms: millis(for_),
        keep_firing_ms: millis(keep_firing),
        cooldown_ms,
        sinks,
        labels,
    };
    Some(AlertDraft { rule, route })
}

/// What is measured, and the route as it is named.
fn condition(reader: &mut Reader<'_>, keys: &mut Keys<'_>) -> Option<(Condition, Option<Named>)> {
    let mut place = |key| keys.find(key).map(|value| reader.place_of(value));
    let metric_place = place("metric");
    let [above_place, route_place, samples_place, for_place] = ["above", "route", "min_samples", "for"].map(&mut place);
    let metric = keys.optional(reader, "metric", |reader, value| choice(reader, value, "metric", &METRICS));
    let above = keys.optional(reader, "above", |reader, value| number(reader, value, &ABOVE_RANGE));
    let route = keys.optional(reader, "route", name_text);
    let min_samples = keys.optional(reader, "min_samples", |reader, value| integer(reader, value, &SAMPLES_RANGE));
    if metric_place.is_none() {
        for place in [&above_place, &route_place, &samples_place, &for_place].into_iter().flatten() {
            let hint = "write `metric`, or remove it: the plugin says when its alert is raised";
            keys.missing(reader, place, &["metric"], "this says something only beside `metric`", hint);
        }
    } else if above_place.is_none() {
        let hint = "write the bound, e.g. above = 5.0";
        keys.missing(reader, keys.place(), &["above"], "a `metric` is measured against a bound", hint);
    }
    let metric = metric?;
    check_scope(reader, metric, [&route_place, &samples_place]);
    if let (Some(above), Some(place), "%") = (above, &above_place, metric.unit())
        && above > PERCENT_MAX
    {
        reader.fault(place, "nothing is above 100 percent", "write less than 100");
    }
    let is_of_requests = matches!(metric, Metric::ErrorRate | Metric::LatencyP50 | Metric::LatencyP99);
    let min_samples = min_samples.unwrap_or(if is_of_requests { SAMPLES_DEFAULT } else { 0 });
    let route_name = route.as_ref().map(|route| route.text.clone());
    Some((Condition { metric, route: route_name, above: above?, min_samples }, route))
}

/// Reports what a metric of the whole router, or one that counts no samples, cannot have.
fn check_scope(reader: &mut Reader<'_>, metric: Metric, [route, samples]: [&Option<Place>; 2]) {
    if let Some(place) = route.as_ref().filter(|_| metric.is_of_router()) {
        reader.fault(place, format!("`{}` is measured of the whole router", metric.as_str()), "remove `route`");
    }
    let is_sampled = matches!(metric, Metric::ErrorRate | Metric::LatencyP50 | Metric::LatencyP99);
    if let Some(place) = samples.as_ref().filter(|_| !is_sampled) {
        reader.fault(place, format!("`{}` needs no samples", metric.as_str()), "remove `min_samples`");
    }
}

fn labels<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    entries(reader, value, LABELS_MAX, |reader, name, value| {
        labels.extend(text_up_to(reader, value, LABEL_BYTES_MAX).map(|value| (name.text, value.text)));
    });
    labels
}
