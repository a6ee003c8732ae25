//! What the control plane shows: the snapshot and how old it is, the store, flags and rollouts.

use prometheus::proto::MetricFamily;
use sluice_control::Handle;
use sluice_model::weight::BasisPoints;

use super::families::{counter, counters, gauge, gauges, number, one_counter, one_gauge, seconds};

pub(super) fn families(handle: &Handle) -> Vec<MetricFamily> {
    let mut families = inputs(handle);
    families.extend(store(handle));
    families.extend(live(handle));
    families
}

fn inputs(handle: &Handle) -> Vec<MetricFamily> {
    let status = handle.status();
    let reloads = [("ok", status.reloads.ok), ("refused", status.reloads.refused)];
    vec![
        gauges(
            "sluice_build_info",
            "1; the version of this build is its label.",
            [gauge(&[("version", status.router.version)], 1.0)],
        ),
        one_gauge("sluice_snapshot_revision", "Revision of the snapshot that serves.", number(status.revision)),
        one_gauge(
            "sluice_snapshot_published_timestamp_seconds",
            "When the snapshot that serves was published, Unix time; 0 = never.",
            seconds(status.published_ms),
        ),
        one_gauge(
            "sluice_faults",
            "Faults of input that stand now; see /v1/status.",
            number(status.faults.len() as u64),
        ),
        counters(
            "sluice_reloads_total",
            "Inputs that were tried, by result.",
            reloads.map(|(result, count)| counter(&[("result", result)], count)),
        ),
    ]
}

fn store(handle: &Handle) -> Vec<MetricFamily> {
    let status = handle.status();
    vec![
        one_gauge("sluice_store_connected", "1 while the store answers.", number(u64::from(status.store.connected))),
        one_gauge(
            "sluice_store_state_age_seconds",
            "How long ago flags, rollouts and leases were last known to be what the store holds; 0 while it answers.",
            seconds(status.store.age_ms),
        ),
        one_counter(
            "sluice_effects_dropped_total",
            "Duplicate effects dropped because their queue was full.",
            handle.effects().dropped(),
        ),
        one_counter(
            "sluice_alerts_dropped_total",
            "Alerts dropped because too many waited for the store.",
            status.alerts_dropped,
        ),
    ]
}

fn live(handle: &Handle) -> Vec<MetricFamily> {
    let cells = handle.cells();
    let rollouts = cells.rollouts();
    let weights = rollouts.iter().filter_map(|cell| {
        let points = if cell.is_aborted() { 0 } else { cell.view()?.effective_weight().get() };
        Some(gauge(&[("rollout", cell.name())], f64::from(points) / f64::from(BasisPoints::FULL.get())))
    });
    let aborted =
        rollouts.iter().map(|cell| gauge(&[("rollout", cell.name())], f64::from(u8::from(cell.is_aborted()))));
    let leases = cells.servers().read().len() as u64;
    vec![
        one_gauge("sluice_servers", "Servers that hold a lease.", number(leases)),
        gauges("sluice_rollout_weight_ratio", "Share of the canary that counts now, 0 to 1.", weights),
        gauges("sluice_rollout_aborted", "1 while the rollout is aborted.", aborted),
    ]
}
