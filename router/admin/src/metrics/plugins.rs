//! What plugins do: calls, faults, and the counters that they keep themselves.

use prometheus::proto::MetricFamily;
use sluice_snapshot::Snapshot;
use sluice_snapshot::plugin::Phase;

use super::families::{counter, counters};

pub(super) fn families(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let (mut calls, mut faults, mut own, mut dropped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for plugin in &snapshot.plugins {
        let name = ("plugin", plugin.name());
        for phase in Phase::ALL {
            calls.push(counter(&[name, ("phase", phase.as_str())], plugin.stats.calls(phase)));
        }
        for (cause, count) in plugin.stats.faults() {
            faults.push(counter(&[name, ("cause", cause)], count));
        }
        for (counter_name, value) in plugin.stats.counters() {
            own.push(counter(&[name, ("name", &counter_name)], value));
        }
        dropped.push(counter(&[name], plugin.stats.counters_dropped()));
    }
    vec![
        counters("sluice_plugin_calls_total", "Calls into plugins by phase.", calls),
        counters("sluice_plugin_faults_total", "Failed calls into plugins by cause.", faults),
        counters("sluice_plugin_counter_total", "Counters that plugins keep.", own),
        counters("sluice_plugin_counters_dropped_total", "Additions to counters beyond the bound of names.", dropped),
    ]
}
