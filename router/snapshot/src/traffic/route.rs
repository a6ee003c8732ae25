//! Counters of one route, by variant: what its requests came to, and what plugins counted in them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_model::stats::{COUNTERS_MAX, VariantStats};

use crate::latency::{Latency, LatencyTotals};

/// Status classes that are counted apart: 1xx to 5xx, and requests that got no answer (the client left).
pub const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "aborted"];
const SERVER_ERRORS: usize = 4;
const ABORTED: usize = CLASSES.len() - 1;

/// Counters of one route.
#[derive(Debug)]
pub struct RouteTraffic {
    route: String,
    rollout: Option<String>,
    variants: Vec<String>,
    shards: Vec<Shard>,
}

/// Rows of a shard: no variant first, then the route's variants in order.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    rows: Vec<Row>,
}

#[derive(Debug, Default)]
struct Row {
    classes: [AtomicU64; CLASSES.len()],
    /// Of the answers below 5xx, those that the server broke off.
    broken_off: AtomicU64,
    latency: Latency,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// What plugins counted, as `PLUGIN/COUNTER`. Its lock is this worker's own, and taken only when there is such a count.
    counters: Mutex<BTreeMap<String, u64>>,
}

/// A request that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Its status; `None` = the client left first.
    pub status: Option<u16>,
    /// The server broke its response off after the head.
    pub is_broken_off: bool,
    /// From its head to the last byte of the response.
    pub took: Duration,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
}

/// What one route did with one variant, summed over the workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariantTotals {
    /// The variant; `None` = no variant was chosen.
    pub variant: Option<String>,
    /// Requests by [`CLASSES`].
    pub classes: [u64; CLASSES.len()],
    /// Of the answers below 5xx, those that the server broke off after the head.
    pub broken_off: u64,
    /// From a request's head to its response's last byte.
    pub latency: LatencyTotals,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}

impl VariantTotals {
    /// Adds the figures of `other`; the variant stays.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.classes.iter_mut().zip(other.classes) {
            *sum += count;
        }
        self.broken_off += other.broken_off;
        self.latency.add(&other.latency);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

impl RouteTraffic {
    pub(super) fn new(route: &str, rollout: Option<&str>, variants: &[String], workers: usize) -> Self {
        let shard = || Shard { rows: (0..=variants.len()).map(|_| Row::default()).collect() };
        let shards = (0..workers).map(|_| shard()).collect();
        let rollout = rollout.map(ToOwned::to_owned);
        Self { route: route.to_owned(), rollout, variants: variants.to_vec(), shards }
    }

    /// Name of the route.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Name of the route's rollout.
    #[must_use]
    pub fn rollout(&self) -> Option<&str> {
        self.rollout.as_deref()
    }

    /// Counts a finished request: `variant` indexes the route's variants.
    pub fn finished(&self, worker: usize, variant: Option<usize>, finished: &Finished) {
        let row = self.row(worker, variant);
        let class = finished.status.map_or(ABORTED, |status| usize::from(status / 100).clamp(1, 5) - 1);
        row.classes[class].fetch_add(1, Ordering::Relaxed);
        if finished.is_broken_off && class < SERVER_ERRORS {
            row.broken_off.fetch_add(1, Ordering::Relaxed);
        }
        row.latency.observe(finished.took);
        row.bytes_in.fetch_add(finished.bytes_in, Ordering::Relaxed);
        row.bytes_out.fetch_add(finished.bytes_out, Ordering::Relaxed);
    }

    /// Adds to a counter of a plugin, `PLUGIN/COUNTER`, in a request of the variant of this index. Of more names than
    /// [`COUNTERS_MAX`] those that come last are not counted by variant.
    pub fn add(&self, worker: usize, variant: usize, counter: &str, value: u64) {
        let mut counters = lock(&self.row(worker, Some(variant)).counters);
        if let Some(sum) = counters.get_mut(counter) {
            *sum = sum.saturating_add(value);
        } else if counters.len() < COUNTERS_MAX {
            counters.insert(counter.to_owned(), value);
        }
    }

    /// The totals, no variant first.
    #[must_use]
    pub fn totals(&self) -> Vec<VariantTotals> {
        let mut totals: Vec<VariantTotals> = std::iter::once(None)
            .chain(self.variants.iter().cloned().map(Some))
            .map(|variant| VariantTotals { variant, ..VariantTotals::default() })
            .collect();
        for shard in &self.shards {
            for (total, row) in totals.iter_mut().zip(&shard.rows) {
                for (sum, count) in total.classes.iter_mut().zip(&row.classes) {
                    *sum += count.load(Ordering::Relaxed);
                }
                total.broken_off += row.broken_off.load(Ordering::Relaxed);
                row.latency.add_to(&mut total.latency);
                total.bytes_in += row.bytes_in.load(Ordering::Relaxed);
                total.bytes_out += row.bytes_out.load(Ordering::Relaxed);
            }
        }
        totals
    }

    /// What plugins counted, by variant and `PLUGIN/COUNTER`.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut counters: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for shard in &self.shards {
            for (variant, row) in self.variants.iter().zip(&shard.rows[1..]) {
                for (name, count) in lock(&row.counters).iter() {
                    let sum = counters.entry(variant.clone()).or_default().entry(name.clone()).or_default();
                    *sum = sum.saturating_add(*count);
                }
            }
        }
        counters
    }

    /// Adds what was counted since the start to `stats`, by variant.
    pub(super) fn add_to(&self, stats: &mut BTreeMap<String, VariantStats>) {
        let mut counters = self.counters();
        for totals in self.totals() {
            let Some(variant) = totals.variant else { continue };
            let counters = counters.remove(&variant).unwrap_or_default();
            let own = VariantStats {
                requests: totals.classes.iter().sum(),
                errors: totals.classes[SERVER_ERRORS] + totals.broken_off,
                latency: totals.latency.buckets,
                counters,
            };
            stats.entry(variant).or_default().add(&own);
        }
    }

    fn row(&self, worker: usize, variant: Option<usize>) -> &Row {
        &self.shards[worker].rows[variant.map_or(0, |index| index + 1)]
    }
}

fn lock(counters: &Mutex<BTreeMap<String, u64>>) -> MutexGuard<'_, BTreeMap<String, u64>> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> RouteTraffic {
        RouteTraffic::new("app", Some("demo"), &["stable".to_owned(), "canary".to_owned()], 2)
    }

    #[test]
    fn requests_are_counted_by_variant_class_and_latency() {
        let route = route();
        let of = |status, took| Finished { status, took, bytes_in: 3, bytes_out: 4, is_broken_off: false };
        route.finished(0, Some(1), &of(Some(200), Duration::from_micros(500)));
        route.finished(1, Some(1), &of(Some(503), Duration::from_micros(501)));
        route.finished(1, None, &of(None, Duration::from_secs(60)));
        let totals = route.totals();
        assert_eq!(totals[2].variant.as_deref(), Some("canary"));
        assert_eq!((totals[2].classes[1], totals[2].classes[4]), (1, 1));
        assert_eq!((totals[2].latency.count(), totals[2].latency.micros), (2, 1_001));
        assert_eq!((totals[2].bytes_in, totals[2].bytes_out), (6, 8));
        assert_eq!((totals[0].classes[5], totals[0].latency.count()), (1, 1));
    }

    #[test]
    fn a_5xx_and_a_broken_response_are_errors_and_a_client_that_left_is_none() {
        let route = route();
        let of = |status, is_broken_off| Finished { status, is_broken_off, ..Finished::default() };
        for finished in [of(Some(200), false), of(Some(500), false), of(None, false), of(Some(200), true)] {
            route.finished(0, Some(0), &finished);
        }
        // A 5xx that breaks off is one error, not two.
        route.finished(1, Some(0), &of(Some(502), true));
        let mut stats = BTreeMap::new();
        route.add_to(&mut stats);
        assert_eq!((stats["stable"].requests, stats["stable"].errors), (5, 3));
        assert_eq!(stats["stable"].latency.iter().sum::<u64>(), 5);
        assert_eq!(stats["canary"], VariantStats::default());
    }

    #[test]
    fn counters_are_summed_by_variant_and_bounded_by_name() {
        let route = route();
        route.add(0, 1, "upload-alert/oversize", 2);
        route.add(1, 1, "upload-alert/oversize", 3);
        route.add(0, 0, "upload-alert/oversize", u64::MAX);
        route.add(0, 0, "upload-alert/oversize", 1);
        assert_eq!(route.counters()["canary"]["upload-alert/oversize"], 5);
        assert_eq!(route.counters()["stable"]["upload-alert/oversize"], u64::MAX);
        for index in 0..COUNTERS_MAX {
            route.add(1, 0, &format!("p/{index:02}"), 1);
        }
        route.add(1, 0, "p/99", 1);
        route.add(1, 0, "p/00", 1);
        let counters = &route.counters()["stable"];
        assert_eq!((counters.len(), counters["p/00"], counters.get("p/99")), (COUNTERS_MAX + 1, 2, None));
    }
}
