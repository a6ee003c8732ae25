//! Families of what is compared: answers of mirrors with those that clients got, and signed overrides with their key.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;
use sluice_snapshot::Traffic;
use sluice_snapshot::shadow::ShadowTotals;
use sluice_snapshot::traffic::WorkerTraffic;

use super::families::{counter, counters};

/// A value of a label, and where its count stands.
type Kind = (&'static str, fn(&ShadowTotals) -> u64);

/// What came of a comparison.
const OUTCOMES: [Kind; 3] = [
    ("same", |totals| totals.same),
    ("different", |totals| totals.different),
    ("unfinished", |totals| totals.unfinished),
];
/// What differed.
const PARTS: [Kind; 3] =
    [("status", |totals| totals.status), ("headers", |totals| totals.headers), ("body", |totals| totals.body)];

pub(super) fn families(traffic: &Traffic) -> Vec<MetricFamily> {
    let totals = traffic.shadows().totals();
    let by = |label: &'static str, kinds: [Kind; 3]| {
        let samples = totals.iter().flat_map(move |totals| {
            let of = move |(kind, count): Kind| {
                counter(&[("route", &totals.route), ("mirror", &totals.mirror), (label, kind)], count(totals))
            };
            kinds.map(of)
        });
        samples.collect::<Vec<_>>()
    };
    let sum = |of: fn(&WorkerTraffic) -> &AtomicU64| {
        traffic.workers().iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
    };
    let overrides =
        [("counted", sum(|worker| &worker.overrides)), ("refused", sum(|worker| &worker.overrides_refused))];
    vec![
        counters(
            "sluice_shadow_comparisons_total",
            "Answers of mirrors that were compared with the client's, by outcome.",
            by("outcome", OUTCOMES),
        ),
        counters(
            "sluice_shadow_differences_total",
            "Answers of mirrors that differ from the client's, by what differs.",
            by("part", PARTS),
        ),
        counters(
            "sluice_overrides_total",
            "Signed overrides of rollouts, by whether they counted.",
            overrides.map(|(outcome, count)| counter(&[("outcome", outcome)], count)),
        ),
    ]
}
