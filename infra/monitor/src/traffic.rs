//! How many requests the routers send to an app's variant, and how long these take: what routers counted, from round to round.
//!
//! Pure. On a router's machine [`read`] takes the few figures of interest out of the router's own metrics; where the fleet
//! is watched, [`rates`] makes rates of two of these, and [`together`] those of all routers. What is not known for sure is
//! `None`, never 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_infra_host::TrafficSource;

/// Most bounds of a histogram that are read; the routers' have 14.
const BUCKETS_MAX: usize = 64;
/// Shortest and longest time that rates are of, seconds: a round is 5 s; what lies a minute back says nothing of now.
const SPAN_SECONDS: std::ops::RangeInclusive<f64> = 1.0..=60.0;
/// The share of the requests that are faster than what is called p95.
const P95: f64 = 0.95;
const STARTED: &str = "process_start_time_seconds";
const REQUESTS: &str = "sluice_upstream_requests_total";
const DURATION: &str = "sluice_request_duration_seconds_bucket";

/// What one router counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouterTraffic {
    /// When it was asked, ms since the Unix epoch, by its own machine's clock.
    pub at_ms: u64,
    /// When it started, seconds since the Unix epoch: counts of another start are no continuation.
    pub started_seconds: f64,
    /// By app and variant.
    pub apps: Vec<AppTraffic>,
}

/// What it counted for one variant of an app.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AppTraffic {
    /// The app.
    pub app: String,
    /// The variant.
    pub variant: String,
    /// Requests that were sent to its servers, repeated ones each time.
    pub requests: f64,
    /// Finished requests.
    pub finished: f64,
    /// Upper bound in seconds -> finished requests that took no longer; bounds rise.
    pub buckets: Vec<(f64, f64)>,
}

/// What happened between two looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Requests per second.
    pub rps: f64,
    finished: f64,
    buckets: Vec<(f64, f64)>,
}

/// Names and values.
type Labels = Vec<(String, String)>;

/// Takes the figures of interest out of a router's metrics. Lines that are none are passed over; `None` if they are not
/// those of a router.
#[must_use]
pub fn read(text: &str, source: &TrafficSource, at_ms: u64) -> Option<RouterTraffic> {
    let mut started_seconds = None;
    let mut requests = BTreeMap::<String, f64>::new();
    // Bounds are all above 0, and bits of positive numbers are in their order.
    let mut durations = BTreeMap::<(String, String), BTreeMap<u64, f64>>::new();
    for (name, labels, value) in text.lines().filter_map(sample) {
        let label = |wanted: &str| labels.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone());
        match name {
            STARTED => started_seconds = Some(value),
            REQUESTS => *requests.entry(label("upstream")?).or_default() += value,
            DURATION => {
                let bound: f64 = label("le")?.parse().ok().filter(|bound| *bound > 0.0)?;
                let buckets = durations.entry((label("route")?, label("variant")?)).or_default();
                if buckets.len() <= BUCKETS_MAX {
                    *buckets.entry(bound.to_bits()).or_default() += value;
                }
            }
            _ => {}
        }
    }
    let apps = source.apps.iter().map(|series| {
        let mut sums = BTreeMap::<u64, f64>::new();
        for (bound, count) in series.routes.iter().filter_map(|route| durations.get(route)).flatten() {
            *sums.entry(*bound).or_default() += count;
        }
        let finished = sums.remove(&f64::INFINITY.to_bits()).unwrap_or_default();
        AppTraffic {
            app: series.app.clone(),
            variant: series.variant.clone(),
            requests: series.upstreams.iter().filter_map(|upstream| requests.get(upstream)).sum(),
            finished,
            buckets: sums.into_iter().map(|(bound, count)| (f64::from_bits(bound), count)).collect(),
        }
    });
    Some(RouterTraffic { at_ms, started_seconds: started_seconds?, apps: apps.collect() })
}

/// What a router did for a variant of an app between two looks; `None` if it started anew, no longer counts it, or
/// either look is none to go by.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a minute in ms is far below 2^53")]
pub fn rates(before: &RouterTraffic, now: &RouterTraffic, app: &str, variant: &str) -> Option<Rates> {
    let seconds = now.at_ms.checked_sub(before.at_ms)? as f64 / 1_000.0;
    if !SPAN_SECONDS.contains(&seconds) || before.started_seconds.to_bits() != now.started_seconds.to_bits() {
        return None;
    }
    let of = |traffic: &RouterTraffic| {
        traffic.apps.iter().find(|counted| counted.app == app && counted.variant == variant).cloned()
    };
    let (before, now) = (of(before)?, of(now)?);
    // Series begin with the first request of their kind.
    let first = before.buckets.is_empty();
    if now.buckets.len() > BUCKETS_MAX || (!first && before.buckets.len() != now.buckets.len()) {
        return None;
    }
    let mut buckets = Vec::with_capacity(now.buckets.len());
    for (place, &(bound, count)) in now.buckets.iter().enumerate() {
        let (old_bound, old_count) = if first { (bound, 0.0) } else { before.buckets[place] };
        if bound.to_bits() != old_bound.to_bits() || !bound.is_finite() || bound <= 0.0 {
            return None;
        }
        buckets.push((bound, grown(old_count, count)?));
    }
    let finished = grown(before.finished, now.finished)?;
    Some(Rates { rps: grown(before.requests, now.requests)? / seconds, finished, buckets })
}

/// The rates of all routers; `None` if one of them is not known, or counts by other bounds than the others.
#[must_use]
pub fn together(routers: impl IntoIterator<Item = Option<Rates>>) -> Option<Rates> {
    let mut all: Option<Rates> = None;
    for rates in routers {
        let rates = rates?;
        all = Some(match all {
            None => rates,
            Some(all) => all.plus(&rates)?,
        });
    }
    all
}

impl Rates {
    fn plus(mut self, other: &Self) -> Option<Self> {
        self.rps += other.rps;
        self.finished += other.finished;
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
            return Some(self);
        }
        if other.buckets.is_empty() {
            return Some(self);
        }
        if self.buckets.len() != other.buckets.len() {
            return None;
        }
        for ((bound, count), (other_bound, other_count)) in self.buckets.iter_mut().zip(&other.buckets) {
            if bound.to_bits() != other_bound.to_bits() {
                return None;
            }
            *count += other_count;
        }
        Some(self)
    }

    /// The 95th percentile of the time to the last byte, ms; `None` if no request finished. Within a bucket, times are taken
    /// as evenly spread (Prometheus' `histogram_quantile`); beyond the last bound, as that bound.
    #[must_use]
    pub fn p95_ms(&self) -> Option<f64> {
        if self.finished <= 0.0 {
            return None;
        }
        let rank = self.finished * P95;
        let (mut lower, mut below) = (0.0, 0.0);
        for &(bound, count) in &self.buckets {
            if count >= rank && count > below {
                return Some((lower + (bound - lower) * ((rank - below) / (count - below)).clamp(0.0, 1.0)) * 1_000.0);
            }
            (lower, below) = (bound, count.max(below));
        }
        self.buckets.last().map(|(bound, _)| bound * 1_000.0)
    }
}

/// How much a counter grew; `None` if it did not count.
fn grown(before: f64, now: f64) -> Option<f64> {
    let grown = now - before;
    (grown.is_finite() && grown >= 0.0 && before >= 0.0).then_some(grown)
}

/// Name, labels and value of a line of the text format; `None` for what is no sample, or no count.
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    // Only these are looked at closer.
    if ![STARTED, REQUESTS, DURATION].contains(&name) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some((name, labels, value))
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, after) = rest.split_once("=\"")?;
        let (mut value, mut escaped, mut end) = (String::new(), false, None);
        for (place, letter) in after.char_indices() {
            match letter {
                _ if escaped => {
                    value.push(if letter == 'n' { '\n' } else { letter });
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    end = Some(place + 1);
                    break;
                }
                _ => value.push(letter),
            }
        }
        rest = after.get(end?..)?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
        labels.push((key.to_owned(), value));
    }
}

#[cfg(test)]
mod tests;
