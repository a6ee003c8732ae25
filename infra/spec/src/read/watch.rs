//! `[rules.NAME]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::names::Index;
use sluice_document::reader::{Named, Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{choice, duration, list, name_text, number, unique};

use super::POOLS_MAX;
use crate::watch::{MetricRule, NodeMetric};

/// Most rules of a fleet; each is looked at every few seconds, for every droplet.
pub(crate) const RULES_MAX: usize = 64;
const ABOVE: RangeInclusive<f64> = 0.0..=10_000.0;
const PERCENT_MAX: f64 = 100.0;
const TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
const HOLD: Duration = Duration::from_secs(60);
const KEEP: Duration = Duration::from_secs(5 * 60);
/// The bound of the original system's two rules, percent.
const ORIGINAL_PERCENT: f64 = 20.0;

pub(crate) const SHAPE: Shape = Shape::new(
    "[rules.NAME]",
    &[
        Key::required(
            "metric",
            Form::Words(&["cpu", "memory", "load", "disk", "cpu_pressure", "memory_pressure", "absent"]),
            "What is looked at, on each droplet apart; `absent`: no data came",
        ),
        Key::optional("above", Form::Number(ABOVE), "The bound: percent, or runnable processes per core for `load`"),
        Key::default("pools", Form::List(&Form::Name, 0, POOLS_MAX), "[]", "Droplets of these pools; of all with `[]`"),
        Key::default("for", Form::Duration(TIME), "\"1m\"", "How long it must be above before the alert is raised"),
        Key::default("keep", Form::Duration(TIME), "\"5m\"", "How long an alert stays up after it was last seen"),
    ],
);

/// A rule whose pools are not yet resolved.
pub(crate) struct RuleDraft {
    pub(crate) rule: MetricRule,
    pools: Vec<Named>,
}

impl RuleDraft {
    pub(crate) fn resolve(&self, reader: &mut Reader<'_>, pools: &Index) {
        for pool in &self.pools {
            pools.resolve(reader, "pool", pool);
        }
    }
}

/// What counts where the file has no `[rules]`: the two of the original system, and that silence is no good news.
pub(crate) fn defaults() -> Vec<RuleDraft> {
    let rule = |name: &str, metric, above| RuleDraft {
        rule: MetricRule { name: name.to_owned(), metric, above, pools: Vec::new(), hold: HOLD, keep: KEEP },
        pools: Vec::new(),
    };
    vec![
        rule("absent", NodeMetric::Absent, 0.0),
        rule("cpu-high", NodeMetric::Cpu, ORIGINAL_PERCENT),
        rule("memory-high", NodeMetric::Memory, ORIGINAL_PERCENT),
    ]
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<RuleDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let metric = keys.required(reader, "metric", "write metric = \"cpu\"", |reader, value| {
        choice(reader, value, "metric", &NodeMetric::WORDS)
    });
    let above_max = if metric.is_some_and(|metric| metric.unit() == "%") { PERCENT_MAX } else { *ABOVE.end() };
    let written = keys.find("above");
    let above = written.and_then(|value| number(reader, value, &(0.0..=above_max)));
    match (metric, written) {
        (Some(NodeMetric::Absent), Some(value)) => {
            let place = reader.place_of(value);
            reader.fault(&place, "no data has no bound", "remove `above`; `for` says how long");
        }
        (Some(NodeMetric::Absent), None) | (None, _) | (Some(_), Some(_)) => {}
        (Some(_), None) => {
            keys.missing(reader, &name.place, &["above"], "`above` is missing", "write the bound, e.g. above = 20")
        }
    }
    let pools = keys.optional(reader, "pools", |reader, value| {
        let pools = list(reader, value, POOLS_MAX, name_text)?;
        unique(reader, &pools);
        Some(pools)
    });
    let time = |reader: &mut Reader<'_>, value: &'d Value<'d>| duration(reader, value, &TIME);
    let hold = keys.optional(reader, "for", time).unwrap_or(HOLD);
    let keep = keys.optional(reader, "keep", time).unwrap_or(KEEP);
    keys.finish(reader);
    let pools = pools.unwrap_or_default();
    let rule = MetricRule {
        name: name.text,
        metric: metric?,
        above: above.unwrap_or_default(),
        pools: pools.iter().map(|pool| pool.text.clone()).collect(),
        hold,
        keep,
    };
    Some(RuleDraft { rule, pools })
}
