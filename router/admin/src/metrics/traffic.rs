//! What the data plane counts: rate, errors and duration of requests, and what workers do beside them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::MetricFamily;
use sluice_snapshot::Reason;
use sluice_snapshot::Traffic;
use sluice_snapshot::traffic::{CLASSES, VariantTotals, WorkerTraffic};

use super::families::{counter, counters, histogram, histograms, number, one_counter, one_gauge};

/// Label of requests for which no variant was chosen.
const NO_VARIANT: &str = "none";

/// Where a worker keeps a figure.
type Figure = fn(&WorkerTraffic) -> &AtomicU64;

/// What is shown as it stands, summed over the workers.
const GAUGES: [(&str, &str, Figure); 2] = [
    ("sluice_connections", "Client connections open.", |worker| &worker.connections),
    ("sluice_requests_in_flight", "Requests being answered.", |worker| &worker.in_flight),
];

/// What is counted since the start, summed over the workers.
const COUNTERS: [(&str, &str, Figure); 8] = [
    ("sluice_connections_accepted_total", "Client connections accepted.", |worker| &worker.accepted),
    ("sluice_connections_refused_total", "Client connections answered 503.", |worker| &worker.refused),
    ("sluice_retries_total", "Attempts after the first one of a request.", |worker| &worker.retries),
    ("sluice_requests_unrouted_total", "Requests that no route matched.", |worker| &worker.unrouted),
    ("sluice_upstream_connects_total", "Connections opened to servers.", |worker| &worker.upstream_connects),
    ("sluice_mirrored_total", "Copies of requests that mirrors answered.", |worker| &worker.mirrored),
    ("sluice_mirrors_dropped_total", "Copies of requests that were not sent or not answered.", |worker| {
        &worker.mirrors_dropped
    }),
    ("sluice_panics_total", "Panics that ended one request or one connection.", |worker| &worker.panics),
];

pub(super) fn families(traffic: &Traffic) -> Vec<MetricFamily> {
    let mut families = requests(traffic);
    families.push(reasons(traffic));
    families.extend(workers(traffic));
    families
}

fn requests(traffic: &Traffic) -> Vec<MetricFamily> {
    let (mut requests, mut durations, mut bytes_in, mut bytes_out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((route, variant), totals) in by_route(traffic) {
        let labels = [("route", &*route), ("variant", &*variant)];
        for (class, count) in CLASSES.iter().zip(totals.classes) {
            requests.push(counter(&[labels[0], labels[1], ("class", class)], count));
        }
        durations.push(histogram(&labels, &totals.latency));
        bytes_in.push(counter(&labels, totals.bytes_in));
        bytes_out.push(counter(&labels, totals.bytes_out));
    }
    vec![
        counters("sluice_requests_total", "Finished requests by route, variant and status class.", requests),
        histograms(
            "sluice_request_duration_seconds",
            "From the request's head to the response's last byte.",
            durations,
        ),
        counters("sluice_request_body_bytes_total", "Bytes of request bodies that were read.", bytes_in),
        counters("sluice_response_body_bytes_total", "Bytes of response bodies that were sent.", bytes_out),
    ]
}

/// Totals by route and variant. While requests of an old snapshot end, a route whose variants changed is counted in two
/// places, but no series may stand twice.
fn by_route(traffic: &Traffic) -> BTreeMap<(String, String), VariantTotals> {
    let mut sums: BTreeMap<(String, String), VariantTotals> = BTreeMap::new();
    for route in traffic.routes() {
        for totals in route.totals() {
            let variant = totals.variant.clone().unwrap_or_else(|| NO_VARIANT.to_owned());
            sums.entry((route.route().to_owned(), variant)).or_default().add(&totals);
        }
    }
    sums
}

fn reasons(traffic: &Traffic) -> MetricFamily {
    let count = |reason: Reason| traffic.workers().iter().map(|worker| worker.reasons.of(reason)).sum();
    let samples = Reason::ALL.iter().map(|reason| counter(&[("reason", reason.as_str())], count(*reason)));
    let help =
        "Requests that were answered by the router or a plugin, broke off, or were left by their client, by reason.";
    counters("sluice_request_reasons_total", help, samples)
}

fn workers(traffic: &Traffic) -> Vec<MetricFamily> {
    let sum = |of: Figure| traffic.workers().iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum::<u64>();
    let gauge = |(name, help, of): (&str, &str, Figure)| one_gauge(name, help, number(sum(of)));
    let counter = |(name, help, of): (&str, &str, Figure)| one_counter(name, help, sum(of));
    let mut families: Vec<MetricFamily> =
        GAUGES.into_iter().map(gauge).chain(COUNTERS.into_iter().map(counter)).collect();
    families.extend([
        one_gauge("sluice_workers", "Workers of the data plane.", number(traffic.workers().len() as u64)),
        one_counter(
            "sluice_access_log_dropped_total",
            "Lines of the access log that got lost.",
            traffic.access_log_dropped(),
        ),
        one_counter(
            "sluice_decisions_skipped_total",
            "Requests that were not kept for `sluice why` because someone was reading.",
            traffic.decisions().skipped(),
        ),
    ]);
    families
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::{Encoder, TextEncoder};
    use sluice_snapshot::traffic::Finished;

    use super::*;

    fn text(traffic: &Traffic) -> String {
        let mut families = families(traffic);
        families.retain(|family| !family.get_metric().is_empty());
        let mut body = Vec::new();
        TextEncoder::new().encode(&families, &mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn a_finished_request_is_seen_with_its_labels() {
        let traffic = Traffic::new(1);
        let route = traffic.route("app", None, &["stable".to_owned(), "canary".to_owned()]);
        let took = Duration::from_millis(2);
        route.finished(
            0,
            Some(1),
            &Finished { status: Some(200), took, bytes_in: 3, bytes_out: 4, ..Finished::default() },
        );
        traffic.worker(0).reasons.count(Reason::NoRoute);
        let text = text(&traffic);
        for line in [
            r#"sluice_requests_total{route="app",variant="canary",class="2xx"} 1"#,
            r#"sluice_request_duration_seconds_bucket{route="app",variant="canary",le="0.0025"} 1"#,
            r#"sluice_request_body_bytes_total{route="app",variant="canary"} 3"#,
            r#"sluice_request_reasons_total{reason="no_route"} 1"#,
            "# TYPE sluice_connections gauge",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn a_route_whose_variants_changed_stands_once() {
        let traffic = Traffic::new(1);
        let (old, new) = (traffic.route("app", None, &[]), traffic.route("app", None, &["stable".to_owned()]));
        for route in [&old, &new] {
            route.finished(0, None, &Finished { status: Some(200), ..Finished::default() });
        }
        let text = text(&traffic);
        let series = r#"sluice_requests_total{route="app",variant="none",class="2xx"}"#;
        assert_eq!(text.matches(series).count(), 1, "{text}");
        assert!(text.contains(&format!("{series} 2")), "{text}");
    }
}
