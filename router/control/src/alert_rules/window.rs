//! The last ten seconds of a router, from its own counters: what each route did in them, and what the process took.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sluice_model::alert_rule::{Condition, Metric};
use sluice_model::stats::{LATENCY_BOUNDS_MICROS, LATENCY_BUCKETS};
use sluice_snapshot::Traffic;
use tokio::time::Instant;

use super::process::Process;

/// What a metric looks back on.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Samples that are kept; looks that come late leave fewer.
const SAMPLES_MAX: usize = 16;
/// Place of 5xx among the status classes of [`sluice_snapshot::traffic::CLASSES`]. A client that left first is no error.
const CLASS_5XX: usize = 4;
/// Microseconds per millisecond.
const MICROS: f64 = 1_000.0;

/// Totals of one route since it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    requests: u64,
    errors: u64,
    latency: [u64; LATENCY_BUCKETS],
}

/// All totals at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    at: Instant,
    routes: BTreeMap<String, Totals>,
    process: Process,
}

/// A metric of one subject.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// The route; empty for the router itself.
    pub(super) subject: String,
    /// In the unit of the metric.
    pub(super) figure: f64,
    /// Requests that it stands for.
    pub(super) samples: u64,
}

/// Samples, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window {
    samples: VecDeque<Sample>,
}

impl Sample {
    pub(super) fn take(traffic: &Traffic, at: Instant) -> Self {
        let mut routes: BTreeMap<String, Totals> = BTreeMap::new();
        for route in traffic.routes() {
            let sum = routes.entry(route.route().to_owned()).or_default();
            for total in route.totals() {
                sum.requests += total.classes.iter().sum::<u64>();
                sum.errors += total.classes[CLASS_5XX];
                for (sum, count) in sum.latency.iter_mut().zip(total.latency.buckets) {
                    *sum += count;
                }
            }
        }
        Self { at, routes, process: Process::now() }
    }
}

impl Window {
    /// Takes in the newest, and forgets what is older than the window needs.
    pub(super) fn push(&mut self, sample: Sample) {
        let at = sample.at;
        self.samples.push_back(sample);
        while self.samples.len() > SAMPLES_MAX || self.samples.get(1).is_some_and(|second| at - second.at >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// What a condition asks for; empty as long as there is nothing to compare with.
    pub(super) fn measure(&self, condition: &Condition) -> Vec<Measured> {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else { return Vec::new() };
        let passed = last.at - first.at;
        if passed.is_zero() {
            return Vec::new();
        }
        let of_router = |figure| vec![Measured { subject: String::new(), figure, samples: 0 }];
        match condition.metric {
            Metric::Cpu => return of_router(last.process.cpu_percent_since(&first.process, passed)),
            Metric::Memory => return of_router(last.process.memory_percent()),
            Metric::ErrorRate | Metric::LatencyP50 | Metric::LatencyP99 | Metric::RequestRate => {}
        }
        let is_meant = |route: &&String| condition.route.as_ref().is_none_or(|wanted| wanted == *route);
        let measure = |route: &String| {
            let done = since(last.routes.get(route)?, first.routes.get(route));
            let figure = figure(condition.metric, &done, passed)?;
            Some(Measured { subject: route.clone(), figure, samples: done.requests })
        };
        last.routes.keys().filter(is_meant).filter_map(measure).collect()
    }
}

/// What was counted between two samples. Counters that begin anew were forgotten in between: then all of it counts.
fn since(last: &Totals, first: Option<&Totals>) -> Totals {
    let Some(first) = first.filter(|first| first.requests <= last.requests) else { return *last };
    let mut latency = last.latency;
    for (count, before) in latency.iter_mut().zip(first.latency) {
        *count = count.saturating_sub(before);
    }
    Totals { requests: last.requests - first.requests, errors: last.errors.saturating_sub(first.errors), latency }
}

/// `None` without a request that would say anything.
#[expect(clippy::cast_precision_loss, reason = "requests of ten seconds are far below 2^52")]
fn figure(metric: Metric, done: &Totals, passed: Duration) -> Option<f64> {
    match metric {
        Metric::ErrorRate => (done.requests > 0).then(|| 100.0 * done.errors as f64 / done.requests as f64),
        Metric::RequestRate => Some(done.requests as f64 / passed.as_secs_f64()),
        Metric::LatencyP50 => quantile_ms(&done.latency, 0.50),
        Metric::LatencyP99 => quantile_ms(&done.latency, 0.99),
        Metric::Cpu | Metric::Memory => None,
    }
}

/// As Prometheus' `histogram_quantile` has it: evenly spread within its bucket; above the last bound, that bound.
#[expect(clippy::cast_precision_loss, reason = "requests of ten seconds are far below 2^52")]
fn quantile_ms(buckets: &[u64; LATENCY_BUCKETS], quantile: f64) -> Option<f64> {
    let count: u64 = buckets.iter().sum();
    let rank = count as f64 * quantile;
    let mut below = 0_u64;
    for (index, in_bucket) in buckets.iter().enumerate() {
        if *in_bucket > 0 && (below + in_bucket) as f64 >= rank {
            let from = index.checked_sub(1).map_or(0, |before| LATENCY_BOUNDS_MICROS[before]) as f64;
            let Some(to) = LATENCY_BOUNDS_MICROS.get(index) else { return Some(from / MICROS) };
            let part = (rank - below as f64) / *in_bucket as f64;
            return Some((from + (*to as f64 - from) * part.clamp(0.0, 1.0)) / MICROS);
        }
        below += in_bucket;
    }
    None
}

#[cfg(test)]
mod tests {
    use sluice_snapshot::traffic::Finished;

    use super::*;

    fn condition(metric: Metric, route: Option<&str>) -> Condition {
        Condition { metric, route: route.map(str::to_owned), above: 0.0, min_samples: 0 }
    }

    fn finish(traffic: &Traffic, route: &str, status: u16, count: usize) {
        for _ in 0..count {
            let took = Duration::from_millis(4);
            traffic.route(route, None, &[]).finished(
                0,
                None,
                &Finished { status: Some(status), took, ..Finished::default() },
            );
        }
    }

    #[test]
    fn only_what_was_done_in_the_window_counts() {
        let (traffic, begin) = (Traffic::new(1), Instant::now());
        let (_app, _api) = (traffic.route("app", None, &[]), traffic.route("api", None, &[]));
        let mut window = Window::default();
        finish(&traffic, "app", 500, 100);
        for second in 0..=20 {
            window.push(Sample::take(&traffic, begin + Duration::from_secs(second)));
            assert!(window.samples.len() <= SAMPLES_MAX);
            if second >= 11 {
                finish(&traffic, "app", 200, 9);
                finish(&traffic, "app", 503, 1);
                finish(&traffic, "api", 200, 1);
            }
        }
        let errors = window.measure(&condition(Metric::ErrorRate, Some("app")));
        assert_eq!(errors, [Measured { subject: "app".to_owned(), figure: 10.0, samples: 90 }]);
        let rates = window.measure(&condition(Metric::RequestRate, None));
        let found: Vec<(&str, f64)> = rates.iter().map(|rate| (rate.subject.as_str(), rate.figure)).collect();
        assert_eq!(found, [("api", 0.9), ("app", 9.0)]);
    }

    #[test]
    fn nothing_is_measured_of_one_moment_and_nothing_of_silence() {
        let (traffic, begin) = (Traffic::new(1), Instant::now());
        let _app = traffic.route("app", None, &[]);
        let mut window = Window::default();
        window.push(Sample::take(&traffic, begin));
        assert!(window.measure(&condition(Metric::RequestRate, None)).is_empty());
        window.push(Sample::take(&traffic, begin + Duration::from_secs(1)));
        assert!(window.measure(&condition(Metric::ErrorRate, None)).is_empty());
        assert!(window.measure(&condition(Metric::LatencyP99, None)).is_empty());
        assert!(window.measure(&condition(Metric::Memory, None))[0].figure > 0.0);
    }

    #[test]
    fn counters_that_begin_anew_are_taken_as_they_are() {
        let totals = |requests| Totals { requests, errors: requests, latency: [0; LATENCY_BUCKETS] };
        assert_eq!(since(&totals(5), Some(&totals(9))), totals(5));
        assert_eq!(since(&totals(9), Some(&totals(5))), totals(4));
        assert_eq!(since(&totals(9), None), totals(9));
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let mut buckets = [0; LATENCY_BUCKETS];
        assert_eq!(quantile_ms(&buckets, 0.5), None);
        // Between 5 ms and 10 ms.
        buckets[4] = 100;
        assert_eq!(quantile_ms(&buckets, 0.5), Some(7.5));
        buckets[LATENCY_BUCKETS - 1] = 100;
        assert_eq!(quantile_ms(&buckets, 0.99), Some(10_000.0));
    }
}
