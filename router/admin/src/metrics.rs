//! `/metrics`: the counters of the data plane in the Prometheus text format, summed over the workers at each scrape.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use sluice_snapshot::plugin::Phase;
use sluice_snapshot::traffic::{CLASSES, LATENCY_BOUNDS_MICROS, Traffic, VariantTotals, WorkerTraffic};

use crate::Shared;

/// Microseconds per second.
const MICROS: f64 = 1e6;

/// Answers a scrape.
pub(crate) async fn scrape(State(context): State<Shared>) -> Response {
    let mut families = traffic(context.handle.traffic());
    families.extend(state(&context));
    families.extend(plugins(&context));
    families.retain(|family| !family.get_metric().is_empty());
    let encoder = TextEncoder::new();
    let mut body = Vec::new();
    match encoder.encode(&families, &mut body) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn traffic(traffic: &Traffic) -> Vec<MetricFamily> {
    let mut requests = Vec::new();
    let mut durations = Vec::new();
    for route in traffic.routes() {
        for total in route.totals() {
            let labels = [("route", route.route()), ("variant", total.variant.as_deref().unwrap_or("none"))];
            for (class, count) in CLASSES.iter().zip(total.classes) {
                requests.push(counter(&[labels[0], labels[1], ("class", class)], count));
            }
            durations.push(histogram(&labels, &total));
        }
    }
    let sum = |of: fn(&WorkerTraffic) -> u64| traffic.workers().iter().map(of).sum::<u64>();
    vec![
        family("sluice_requests_total", "Finished requests by route, variant and status class.", requests),
        family("sluice_request_duration_seconds", "From the request's head to the response's last byte.", durations),
        one("sluice_connections_accepted_total", "Client connections accepted.", |help| {
            counter(help, sum(|worker| worker.accepted.load(Ordering::Relaxed)))
        }),
        one("sluice_connections", "Client connections open.", |help| {
            gauge(help, sum(|worker| worker.connections.load(Ordering::Relaxed)))
        }),
        one("sluice_requests_in_flight", "Requests being answered.", |help| {
            gauge(help, sum(|worker| worker.in_flight.load(Ordering::Relaxed)))
        }),
        one("sluice_retries_total", "Requests sent again to a fresh connection or another server.", |help| {
            counter(help, sum(|worker| worker.retries.load(Ordering::Relaxed)))
        }),
        one("sluice_upstream_connects_total", "Connections opened to servers.", |help| {
            counter(help, sum(|worker| worker.upstream_connects.load(Ordering::Relaxed)))
        }),
        one("sluice_requests_unrouted_total", "Requests that no route matched.", |help| {
            counter(help, sum(|worker| worker.unrouted.load(Ordering::Relaxed)))
        }),
    ]
}

fn state(context: &Shared) -> Vec<MetricFamily> {
    let handle = &context.handle;
    let status = handle.status();
    let cells = handle.cells();
    let flags = cells.switches();
    let flags = flags.iter().map(|(name, on)| gauge(&[("flag", name)], u64::from(*on == Some(true))));
    let rollouts = cells.rollouts();
    let weights = rollouts.iter().filter_map(|cell| {
        let points = cell.view()?.effective_weight().get();
        Some(gauge(&[("rollout", cell.name())], if cell.is_aborted() { 0 } else { points.into() }))
    });
    let aborted = rollouts.iter().map(|cell| gauge(&[("rollout", cell.name())], u64::from(cell.is_aborted())));
    vec![
        one("sluice_revision", "Revision of the snapshot that serves.", |help| gauge(help, status.revision)),
        one("sluice_faults", "Faults of input that stand now; see /v1/status.", |help| {
            gauge(help, status.faults.len() as u64)
        }),
        one("sluice_store_connected", "1 while the store answers.", |help| {
            gauge(help, u64::from(status.store.connected))
        }),
        one("sluice_effects_dropped_total", "Duplicate effects dropped because their queue was full.", |help| {
            counter(help, handle.effects().dropped())
        }),
        one("sluice_servers", "Servers that hold a lease.", |help| gauge(help, cells.servers().read().len() as u64)),
        family(
            "sluice_reloads_total",
            "Inputs that were tried, by result.",
            vec![
                counter(&[("result", "ok")], status.reloads.ok),
                counter(&[("result", "refused")], status.reloads.refused),
            ],
        ),
        family("sluice_flag", "1 while the flag is on.", flags.collect()),
        family("sluice_rollout_weight_basis_points", "Share of the canary that counts now.", weights.collect()),
        family("sluice_rollout_aborted", "1 while the rollout is aborted.", aborted.collect()),
    ]
}

fn plugins(context: &Shared) -> Vec<MetricFamily> {
    let (_, snapshot) = context.handle.published().load();
    let mut calls = Vec::new();
    let mut faults = Vec::new();
    let mut counters = Vec::new();
    for plugin in &snapshot.plugins {
        let name = ("plugin", plugin.name());
        for phase in Phase::ALL {
            calls.push(counter(&[name, ("phase", phase.as_str())], plugin.stats.calls(phase)));
        }
        for (cause, count) in plugin.stats.faults() {
            faults.push(counter(&[name, ("cause", cause)], count));
        }
        for (own, value) in plugin.stats.counters() {
            counters.push(counter(&[name, ("name", &own)], value));
        }
    }
    vec![
        family("sluice_plugin_calls_total", "Calls into plugins by phase.", calls),
        family("sluice_plugin_faults_total", "Failed calls into plugins by cause.", faults),
        family("sluice_plugin_counter_total", "Counters that plugins keep.", counters),
    ]
}

type Labels<'a> = [(&'a str, &'a str)];

fn family(name: &str, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(if name.ends_with("_total") {
        MetricType::COUNTER
    } else if name.ends_with("_seconds") {
        MetricType::HISTOGRAM
    } else {
        MetricType::GAUGE
    });
    family.set_metric(metrics);
    family
}

fn one(name: &str, help: &str, metric: impl FnOnce(&Labels<'_>) -> Metric) -> MetricFamily {
    family(name, help, vec![metric(&[])])
}

fn counter(labels: &Labels<'_>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(number(value));
    let mut metric = Metric::from_label(pairs(labels));
    metric.set_counter(counter);
    metric
}

fn gauge(labels: &Labels<'_>, value: u64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(number(value));
    let mut metric = Metric::from_label(pairs(labels));
    metric.set_gauge(gauge);
    metric
}

fn histogram(labels: &Labels<'_>, total: &VariantTotals) -> Metric {
    let mut count = 0;
    let bucket = |(bound, in_bucket): (&u64, &u64)| {
        count += in_bucket;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(number(*bound) / MICROS);
        bucket.set_cumulative_count(count);
        bucket
    };
    let buckets = LATENCY_BOUNDS_MICROS.iter().zip(&total.latency).map(bucket).collect();
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(total.latency.iter().sum());
    histogram.set_sample_sum(number(total.micros) / MICROS);
    let mut metric = Metric::from_label(pairs(labels));
    metric.set_histogram(histogram);
    metric
}

fn pairs(labels: &Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

/// Prometheus has only floats; counts above 2^53 lose their last digits.
#[expect(clippy::cast_precision_loss, reason = "the text format has only floats")]
const fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sluice_snapshot::traffic::Finished;

    use super::*;

    fn text(families: &[MetricFamily]) -> String {
        let mut body = Vec::new();
        TextEncoder::new().encode(families, &mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn a_finished_request_is_seen_with_its_labels() {
        let counters = Traffic::new(1);
        let route = counters.route("app", &["stable".to_owned(), "canary".to_owned()]);
        let took = Duration::from_millis(2);
        route.finished(0, Some(1), &Finished { status: Some(200), took, ..Finished::default() });
        let text = text(&traffic(&counters));
        assert!(text.contains(r#"sluice_requests_total{route="app",variant="canary",class="2xx"} 1"#), "{text}");
        let bucket = r#"sluice_request_duration_seconds_bucket{route="app",variant="canary",le="0.0025"} 1"#;
        assert!(text.contains(bucket), "{text}");
        assert!(text.contains("# TYPE sluice_connections gauge"), "{text}");
    }
}
