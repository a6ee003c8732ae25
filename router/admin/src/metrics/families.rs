//! Families and samples as the encoder takes them.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use sluice_snapshot::latency::{LATENCY_BOUNDS_MICROS, LatencyTotals};
use sluice_snapshot::plugin::{CALL_BOUNDS_NS, CallTimes};

/// Nanoseconds per second.
const NANOS: f64 = 1e9;
/// Microseconds per second.
const MICROS: f64 = 1e6;
/// Milliseconds per second.
const MILLIS: f64 = 1e3;

/// Labels of a sample, with their values.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

/// A family as it stands in a table: its name, what it is, and where the figure of one `T` stands.
pub(super) type Row<T> = (&'static str, &'static str, fn(&T) -> u64);

/// A family of counters.
pub(super) fn counters(name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) -> MetricFamily {
    family(name, help, MetricType::COUNTER, samples)
}

/// A family of gauges.
pub(super) fn gauges(name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) -> MetricFamily {
    family(name, help, MetricType::GAUGE, samples)
}

/// A family of histograms.
pub(super) fn histograms(name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) -> MetricFamily {
    family(name, help, MetricType::HISTOGRAM, samples)
}

/// A counter without labels.
pub(super) fn one_counter(name: &str, help: &str, value: u64) -> MetricFamily {
    counters(name, help, [counter(&[], value)])
}

/// A gauge without labels.
pub(super) fn one_gauge(name: &str, help: &str, value: f64) -> MetricFamily {
    gauges(name, help, [gauge(&[], value)])
}

fn family(name: &str, help: &str, kind: MetricType, samples: impl IntoIterator<Item = Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples.into_iter().collect());
    family
}

pub(super) fn counter(labels: &Labels<'_>, value: u64) -> Metric {
    counter_of(labels, number(value))
}

pub(super) fn counter_of(labels: &Labels<'_>, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(pairs(labels));
    metric.set_counter(counter);
    metric
}

pub(super) fn gauge(labels: &Labels<'_>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(pairs(labels));
    metric.set_gauge(gauge);
    metric
}

pub(super) fn histogram(labels: &Labels<'_>, totals: &LatencyTotals) -> Metric {
    let buckets =
        LATENCY_BOUNDS_MICROS.iter().zip(&totals.buckets).map(|(bound, count)| (number(*bound) / MICROS, *count));
    histogram_of(labels, buckets, totals.count(), number(totals.micros) / MICROS)
}

/// Times of calls into a plugin.
pub(super) fn call_times(labels: &Labels<'_>, times: &CallTimes) -> Metric {
    let buckets = CALL_BOUNDS_NS.iter().zip(times.buckets).map(|(bound, count)| (number(*bound) / NANOS, count));
    histogram_of(labels, buckets, times.count, number(times.sum_ns) / NANOS)
}

/// `buckets` are upper bounds in seconds with what lies between them and the one before.
fn histogram_of(labels: &Labels<'_>, buckets: impl Iterator<Item = (f64, u64)>, count: u64, sum: f64) -> Metric {
    let mut cumulative = 0;
    let bucket = |(bound, in_bucket): (f64, u64)| {
        cumulative += in_bucket;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(cumulative);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.map(bucket).collect());
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
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
pub(super) const fn number(value: u64) -> f64 {
    value as f64
}

/// Seconds of a time in ms.
pub(super) fn seconds(millis: u64) -> f64 {
    number(millis) / MILLIS
}
