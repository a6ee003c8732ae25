//! Alerts: what became of notices, and what waits.

use prometheus::proto::MetricFamily;
use sluice_control::Handle;

use super::families::{counter, counters, number, one_counter, one_gauge};

pub(super) fn families(handle: &Handle) -> Vec<MetricFamily> {
    let figures = handle.alert_figures();
    let of = |sink: &'static str, count: fn(&sluice_control::SinkTotals) -> u64| {
        figures.sinks.iter().map(move |(name, totals)| counter(&[(sink, name)], count(totals)))
    };
    vec![
        counters(
            "sluice_alert_notices_delivered_total",
            "Notices that a sink took from this router.",
            of("sink", |totals| totals.delivered),
        ),
        counters(
            "sluice_alert_notices_failed_total",
            "Tries at a sink that failed; most are tried again.",
            of("sink", |totals| totals.failed),
        ),
        counters(
            "sluice_alert_notices_dead_total",
            "Notices that were given up and lie among the dead letters.",
            of("sink", |totals| totals.dead),
        ),
        one_counter(
            "sluice_alerts_silenced_total",
            "Alerts that this router told nobody of, because of a silence.",
            figures.silenced,
        ),
        one_gauge("sluice_alerts_spooled", "Alerts that wait on disk for the store.", number(figures.spooled)),
        one_gauge("sluice_alerts_firing", "Alerts that are up, as the store last said.", number(figures.firing)),
    ]
}
