//! `[rollouts.NAME.analysis]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::{choice, duration, filled_list, integer, millis, number, percent, text, unique};
use sluice_model::analysis::{Analysis, CounterCheck, FAILURES_MAX, LatencyCheck, NoData, OnFailure, SuccessRate};
use sluice_model::stats::{LATENCY_BOUNDS_MICROS, WINDOW_MS};

use crate::plugin::Plugin;
use crate::read::Scope;

/// Most checks of one kind.
pub(crate) const CHECKS_MAX: usize = sluice_model::analysis::CHECKS_MAX;
/// Figures are kept in windows of ten seconds, and for two hours.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(WINDOW_MS)..=Duration::from_secs(60 * 60);
const SAMPLES_RANGE: RangeInclusive<u64> = 1..=1_000_000_000;
const FAILURES_RANGE: RangeInclusive<u64> = 1..=FAILURES_MAX as u64;
const QUANTILE_RANGE: RangeInclusive<f64> = 1.0..=99.99;
/// Latencies above the last bound of the histograms are not told apart.
const LATENCY_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_micros(LATENCY_BOUNDS_MICROS[LATENCY_BOUNDS_MICROS.len() - 1]);
const RATIO_RANGE: RangeInclusive<f64> = 0.0..=1_000.0;
const PER_REQUEST_RANGE: RangeInclusive<f64> = 0.0..=1_000_000.0;
const NO_DATA: [(&str, NoData); 3] = [("hold", NoData::Hold), ("pass", NoData::Pass), ("fail", NoData::Fail)];
const ON_FAILURE: [(&str, OnFailure); 2] = [("abort", OnFailure::Abort), ("pause", OnFailure::Pause)];
const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
const SAMPLES_DEFAULT: u64 = 100;
const FAILURES_DEFAULT: u32 = 3;

pub(crate) const SHAPE: Shape = Shape::new(
    "analysis",
    &[
        Key::default(
            "interval",
            Form::Duration(INTERVAL_RANGE),
            "\"30s\"",
            "How often the canary is judged, by the figures of as long",
        ),
        Key::default(
            "min_samples",
            Form::Integer(SAMPLES_RANGE),
            "100",
            "Requests in an interval below which there is no data, of the canary and of stable where it is compared with",
        ),
        Key::default(
            "no_data",
            Form::Words(&["hold", "pass", "fail"]),
            "\"hold\"",
            "What an interval without data is: it holds the step, or counts as good, or as bad",
        ),
        Key::default("failures_max", Form::Integer(FAILURES_RANGE), "3", "Bad intervals in a row that end the rollout"),
        Key::default(
            "on_failure",
            Form::Words(&["abort", "pause"]),
            "\"abort\"",
            "That end: nothing goes to the canary any more, or the weight stays and an operator decides",
        ),
        Key::optional("success_rate", Form::Table(&SUCCESS_RATE), "Requests that do not fail: no 5xx, and an answer at all"),
        Key::optional("latency", Form::List(&Form::Table(&LATENCY), 1, CHECKS_MAX), "Quantiles of the latency"),
        Key::optional(
            "counters",
            Form::List(&Form::Table(&COUNTER), 1, CHECKS_MAX),
            "What plugins count in requests of the variant",
        ),
    ],
)
.with_rule(Rule::AtLeastOne(&["success_rate", "latency", "counters"]));
const SUCCESS_RATE: Shape = Shape::new(
    "success_rate",
    &[
        Key::optional("min", Form::Percent, "Percent at least"),
        Key::optional("below_stable_max", Form::Percent, "Percentage points below stable at most"),
    ],
)
.with_rule(Rule::AtLeastOne(&["min", "below_stable_max"]));
const LATENCY: Shape = Shape::new(
    "latency",
    &[
        Key::required("quantile", Form::Number(QUANTILE_RANGE), "Percent of the answers that are as fast, e.g. 99"),
        Key::optional("max", Form::Duration(LATENCY_RANGE), "At most this long"),
        Key::optional("over_stable_max", Form::Number(RATIO_RANGE), "At most so many times that of stable"),
    ],
)
.with_rule(Rule::AtLeastOne(&["max", "over_stable_max"]));
const COUNTER: Shape = Shape::new(
    "counters",
    &[
        Key::required(
            "counter",
            Form::Text("`PLUGIN/COUNTER`", "^[^/]+/.+$"),
            "A plugin of the policy and its counter",
        ),
        Key::optional("per_request_max", Form::Number(PER_REQUEST_RANGE), "At most so many per request"),
        Key::optional(
            "over_stable_max",
            Form::Number(RATIO_RANGE),
            "At most so many times those of stable; where stable has none, none",
        ),
    ],
)
.with_rule(Rule::AtLeastOne(&["per_request_max", "over_stable_max"]));

/// An analysis whose counters are not yet resolved.
pub(super) struct AnalysisDraft {
    analysis: Analysis,
    /// The counters that it reads, where they stand.
    counters: Vec<Named>,
}

impl AnalysisDraft {
    /// A counter that is not granted is never raised, and would pass whatever happens.
    pub(super) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope, plugins: &[Plugin]) -> Analysis {
        for Named { text, place } in &self.counters {
            let plugin = text.split('/').next().unwrap_or_default();
            scope.plugins.resolve(reader, "plugin", &Named { text: plugin.to_owned(), place: place.clone() });
            if plugins.iter().any(|known| known.name == plugin && !known.grants.counters) {
                let message = format!("plugin {} may not count", quoted(plugin));
                reader.fault(place, message, "write grants = { counters = true } for it");
            }
        }
        self.analysis
    }
}

pub(super) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<AnalysisDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let interval = keys.optional(reader, "interval", |reader, value| duration(reader, value, &INTERVAL_RANGE));
    let min_samples = keys.optional(reader, "min_samples", |reader, value| integer(reader, value, &SAMPLES_RANGE));
    let no_data = keys.optional(reader, "no_data", |reader, value| {
        choice(reader, value, "way to take an interval without data", &NO_DATA)
    });
    let failures_max = keys.optional(reader, "failures_max", |reader, value| integer(reader, value, &FAILURES_RANGE));
    let on_failure =
        keys.optional(reader, "on_failure", |reader, value| choice(reader, value, "end of a rollout", &ON_FAILURE));
    let is_any = ["success_rate", "latency", "counters"].map(|check| keys.find(check).is_some()).contains(&true);
    let success_rate = keys.optional(reader, "success_rate", success_rate);
    let latency = keys.optional(reader, "latency", |reader, value| filled_list(reader, value, CHECKS_MAX, latency));
    let counters = keys.optional(reader, "counters", |reader, value| filled_list(reader, value, CHECKS_MAX, counter));
    if !is_any {
        let hint = "write what the canary is held to, e.g. success_rate = { min = 99.0 }";
        let wanted = ["success_rate", "latency", "counters"];
        keys.missing(reader, keys.place(), &wanted, "an analysis without a check lets everything pass", hint);
    }
    keys.finish(reader);
    let (latency, quantiles): (Vec<_>, Vec<Named>) = latency.unwrap_or_default().into_iter().unzip();
    let (counters, names): (Vec<CounterCheck>, Vec<Named>) = counters.unwrap_or_default().into_iter().unzip();
    unique(reader, &quantiles);
    unique(reader, &names);
    let analysis = Analysis {
        interval_ms: millis(interval.unwrap_or(INTERVAL_DEFAULT)),
        min_samples: min_samples.unwrap_or(SAMPLES_DEFAULT),
        no_data: no_data.unwrap_or(NoData::Hold),
        failures_max: failures_max.unwrap_or(FAILURES_DEFAULT),
        on_failure: on_failure.unwrap_or(OnFailure::Abort),
        success_rate,
        latency,
        counters,
    };
    Some(AnalysisDraft { analysis, counters: names })
}

fn success_rate<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<SuccessRate> {
    let mut keys = Keys::of(reader, value, &SUCCESS_RATE)?;
    bounded(reader, &mut keys, ["min", "below_stable_max"], "write min = 99.0 or below_stable_max = 0.5");
    let mut bound = |reader: &mut Reader<'_>, key| keys.optional(reader, key, percent).map(|bound| bound.as_percent());
    let (min_percent, below_stable_max) = (bound(reader, "min"), bound(reader, "below_stable_max"));
    keys.finish(reader);
    Some(SuccessRate { min_percent, below_stable_max })
}

/// A check, and its quantile as it is written.
fn latency<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(LatencyCheck, Named)> {
    let mut keys = Keys::of(reader, value, &LATENCY)?;
    let quantile = keys.required(reader, "quantile", "write quantile = 99", |reader, value| {
        let quantile = number(reader, value, &QUANTILE_RANGE)?;
        Some((quantile, Named { text: quantile.to_string(), place: reader.place_of(value) }))
    });
    bounded(reader, &mut keys, ["max", "over_stable_max"], "write max = \"500ms\" or over_stable_max = 1.5");
    let max = keys.optional(reader, "max", |reader, value| duration(reader, value, &LATENCY_RANGE));
    let over_stable_max = keys.optional(reader, "over_stable_max", ratio);
    keys.finish(reader);
    let max_micros = max.map(|max| u64::try_from(max.as_micros()).unwrap_or(u64::MAX));
    let (quantile, named) = quantile?;
    Some((LatencyCheck { quantile: quantile / 100.0, max_micros, over_stable_max }, named))
}

fn counter<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(CounterCheck, Named)> {
    let mut keys = Keys::of(reader, value, &COUNTER)?;
    let counter = keys.required(reader, "counter", "write counter = \"PLUGIN/COUNTER\"", counter_name);
    bounded(
        reader,
        &mut keys,
        ["per_request_max", "over_stable_max"],
        "write per_request_max = 0.01 or over_stable_max = 2.0",
    );
    let per_request_max =
        keys.optional(reader, "per_request_max", |reader, value| number(reader, value, &PER_REQUEST_RANGE));
    let over_stable_max = keys.optional(reader, "over_stable_max", ratio);
    keys.finish(reader);
    let counter = counter?;
    Some((CounterCheck { counter: counter.text.clone(), per_request_max, over_stable_max }, counter))
}

fn counter_name(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let named = text(reader, value)?;
    if named.text.split_once('/').is_some_and(|(plugin, counter)| !plugin.is_empty() && !counter.is_empty()) {
        return Some(named);
    }
    let message = format!("{} is no counter of a plugin", quoted(&named.text));
    reader.fault(&named.place, message, "write \"PLUGIN/COUNTER\"");
    None
}

fn ratio(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<f64> {
    number(reader, value, &RATIO_RANGE)
}

/// Reports a check that has neither of its `bounds`.
fn bounded(reader: &mut Reader<'_>, keys: &mut Keys<'_>, bounds: [&'static str; 2], hint: &str) {
    if bounds.map(|bound| keys.find(bound).is_some()) == [false, false] {
        keys.missing(reader, keys.place(), &bounds, "a check without a bound lets everything pass", hint);
    }
}
