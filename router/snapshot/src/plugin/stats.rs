//! What a plugin did, one shard per worker, so that no two workers write one cache line.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::lock;
use super::times::{Times, TimesSum};

/// Names of counters that one plugin may add to; further names are dropped and counted.
pub const COUNTER_NAMES_MAX: usize = 64;

/// Cause of a failure where no fresh instance came in time: there was no call.
pub const CAUSE_MISSING: &str = "missing";
/// Cause of a failure of a quarantined plugin: there was no call.
pub const CAUSE_QUARANTINED: &str = "quarantined";

/// Phases that are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Head of the request.
    #[default]
    Request,
    /// Size of the request body.
    BodySize,
    /// Bytes of the request body.
    BodyChunk,
    /// Head of the response.
    Response,
    /// A state change told to the plugin.
    State,
}

impl Phase {
    /// All phases, in the order of their counters.
    pub const ALL: [Self; 5] = [Self::Request, Self::BodySize, Self::BodyChunk, Self::Response, Self::State];

    /// Name in metrics and API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::BodySize => "body-size",
            Self::BodyChunk => "body-chunk",
            Self::Response => "response",
            Self::State => "state",
        }
    }
}

/// Verdicts that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// Go on.
    Next,
    /// Go to a variant.
    Variant,
    /// It answers.
    Respond,
    /// Go on, with edits.
    Edit,
    /// Go on, and show it nothing more of this body.
    Done,
}

impl VerdictKind {
    /// All kinds, in the order of their counters.
    pub const ALL: [Self; 5] = [Self::Next, Self::Variant, Self::Respond, Self::Edit, Self::Done];

    /// Name in metrics and API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Variant => "variant",
            Self::Respond => "respond",
            Self::Edit => "edit",
            Self::Done => "done",
        }
    }
}

/// What one plugin did.
#[derive(Debug)]
pub struct PluginStats {
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    calls: [AtomicU64; Phase::ALL.len()],
    verdicts: [[AtomicU64; VerdictKind::ALL.len()]; Phase::ALL.len()],
    requests: AtomicU64,
    requests_5xx: AtomicU64,
    recycled: AtomicU64,
    /// Linear memory of the worker's instance.
    memory_bytes: AtomicU64,
    effects_refused: AtomicU64,
    lines_dropped: AtomicU64,
    alerts_dropped: AtomicU64,
    counters_dropped: AtomicU64,
    times: [Times; Phase::ALL.len()],
    failures: Mutex<BTreeMap<&'static str, u64>>,
    counters: Mutex<BTreeMap<String, u64>>,
}

/// What a plugin did, over all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatsReport {
    /// Calls by phase.
    pub calls: BTreeMap<&'static str, u64>,
    /// Verdicts by phase and kind.
    pub verdicts: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Time per call by phase, wall clock.
    pub time: BTreeMap<&'static str, TimeReport>,
    /// Failed calls by cause.
    pub failures: BTreeMap<&'static str, u64>,
    /// Requests on which it was called.
    pub requests: u64,
    /// Those of them that ended with a 5xx.
    pub requests_5xx: u64,
    /// Instances replaced because they were over the soft memory limit.
    pub recycled: u64,
    /// Linear memory of the instances of all workers, bytes.
    pub memory_bytes: u64,
    /// Linear memory of the largest of them, bytes.
    pub memory_bytes_max: u64,
    /// Counters that it keeps itself.
    pub counters: BTreeMap<String, u64>,
    /// Additions dropped because of [`COUNTER_NAMES_MAX`].
    pub counters_dropped: u64,
    /// Effects and edits that were not granted.
    pub effects_refused: u64,
    /// Log lines over its rate.
    pub lines_dropped: u64,
    /// Alerts over its rate.
    pub alerts_dropped: u64,
}

/// Time per call, of those that were timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeReport {
    /// Half of the calls took no longer, ns.
    pub p50_ns: u64,
    /// 99 % of the calls took no longer, ns.
    pub p99_ns: u64,
    /// Calls that were timed.
    pub samples: u64,
}

impl StatsReport {
    /// Calls that failed. A request that a missing or quarantined plugin failed is none.
    #[must_use]
    pub fn failed_calls(&self) -> u64 {
        let of_calls = self.failures.iter().filter(|(cause, _)| ![CAUSE_MISSING, CAUSE_QUARANTINED].contains(cause));
        of_calls.map(|(_, count)| count).sum()
    }
}

/// Adds one to a counter that nobody else writes: cheaper than an atomic addition.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

fn add(counter: &AtomicU64, value: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(value), Ordering::Relaxed);
}

/// What only the worker itself may tell: each of its methods is called on the worker's own thread.
impl PluginStats {
    /// Counts one call.
    pub fn called(&self, worker: usize, phase: Phase) {
        count(&self.shards[worker].calls[phase as usize]);
    }

    /// Counts a verdict.
    pub fn said(&self, worker: usize, phase: Phase, kind: VerdictKind) {
        count(&self.shards[worker].verdicts[phase as usize][kind as usize]);
    }

    /// Counts how long one call took.
    pub fn took(&self, worker: usize, phase: Phase, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.shards[worker].times[phase as usize].observe(took_ns);
    }

    /// Counts one failed call by its cause.
    pub fn failed(&self, worker: usize, cause: &'static str) {
        *lock(&self.shards[worker].failures).entry(cause).or_default() += 1;
    }

    /// Counts a request on which it was called.
    pub fn request_ended(&self, worker: usize, is_5xx: bool) {
        let shard = &self.shards[worker];
        count(&shard.requests);
        if is_5xx {
            count(&shard.requests_5xx);
        }
    }

    /// Counts an instance that grew over the soft limit and was replaced.
    pub fn recycled(&self, worker: usize) {
        count(&self.shards[worker].recycled);
    }

    /// The worker's instance has this much linear memory now.
    pub fn memory(&self, worker: usize, bytes: usize) {
        self.shards[worker].memory_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// Adds what the host took out of what the plugin said.
    pub fn dropped(&self, worker: usize, effects_refused: u64, lines: u64, alerts: u64) {
        let shard = &self.shards[worker];
        add(&shard.effects_refused, effects_refused);
        add(&shard.lines_dropped, lines);
        add(&shard.alerts_dropped, alerts);
    }

    /// Adds to a counter that the plugin names. Its lock is this worker's own.
    pub fn add(&self, worker: usize, name: &str, value: u64) {
        let shard = &self.shards[worker];
        let mut counters = lock(&shard.counters);
        if let Some(counter) = counters.get_mut(name) {
            *counter = counter.saturating_add(value);
        } else if counters.len() < COUNTER_NAMES_MAX {
            counters.insert(name.to_owned(), value);
        } else {
            count(&shard.counters_dropped);
        }
    }
}

impl PluginStats {
    pub(super) fn new(workers: usize) -> Self {
        Self { shards: (0..workers.max(1)).map(|_| Shard::default()).collect() }
    }

    pub(super) fn workers(&self) -> usize {
        self.shards.len()
    }

    /// Calls of one phase, over all workers.
    #[must_use]
    pub fn calls(&self, phase: Phase) -> u64 {
        self.sum(|shard| &shard.calls[phase as usize])
    }

    /// Failed calls by cause, over all workers.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        let mut sum = BTreeMap::new();
        for shard in &self.shards {
            for (cause, count) in lock(&shard.failures).iter() {
                *sum.entry(*cause).or_default() += count;
            }
        }
        sum
    }

    /// The plugin's own counters by name, over all workers.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let mut sum: BTreeMap<String, u64> = BTreeMap::new();
        for shard in &self.shards {
            for (name, value) in lock(&shard.counters).iter() {
                let total = sum.entry(name.clone()).or_default();
                *total = total.saturating_add(*value);
            }
        }
        sum
    }

    /// Additions dropped because of [`COUNTER_NAMES_MAX`].
    #[must_use]
    pub fn counters_dropped(&self) -> u64 {
        self.sum(|shard| &shard.counters_dropped)
    }

    /// Everything, over all workers.
    #[must_use]
    pub fn report(&self) -> StatsReport {
        let by_phase = Phase::ALL.into_iter();
        let memory = self.shards.iter().map(|shard| shard.memory_bytes.load(Ordering::Relaxed));
        StatsReport {
            calls: by_phase.clone().map(|phase| (phase.as_str(), self.calls(phase))).collect(),
            verdicts: by_phase.clone().map(|phase| (phase.as_str(), self.verdicts(phase))).collect(),
            time: by_phase.map(|phase| (phase.as_str(), self.time(phase))).collect(),
            failures: self.faults(),
            requests: self.sum(|shard| &shard.requests),
            requests_5xx: self.sum(|shard| &shard.requests_5xx),
            recycled: self.sum(|shard| &shard.recycled),
            memory_bytes: memory.clone().sum(),
            memory_bytes_max: memory.max().unwrap_or_default(),
            counters: self.counters(),
            counters_dropped: self.counters_dropped(),
            effects_refused: self.sum(|shard| &shard.effects_refused),
            lines_dropped: self.sum(|shard| &shard.lines_dropped),
            alerts_dropped: self.sum(|shard| &shard.alerts_dropped),
        }
    }

    fn verdicts(&self, phase: Phase) -> BTreeMap<&'static str, u64> {
        let of = |kind: VerdictKind| self.sum(|shard| &shard.verdicts[phase as usize][kind as usize]);
        VerdictKind::ALL.into_iter().map(|kind| (kind.as_str(), of(kind))).collect()
    }

    /// Times of the calls of one phase, over all workers.
    pub(super) fn times(&self, phase: Phase) -> TimesSum {
        let mut sum = TimesSum::default();
        self.shards.iter().for_each(|shard| sum.add(&shard.times[phase as usize]));
        sum
    }

    fn time(&self, phase: Phase) -> TimeReport {
        let sum = self.times(phase);
        TimeReport { p50_ns: sum.percentile(50), p99_ns: sum.percentile(99), samples: sum.samples() }
    }

    fn sum(&self, counter: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| counter(shard).load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_names_are_bounded_and_values_sum_over_workers() {
        let stats = PluginStats::new(2);
        for index in 0..COUNTER_NAMES_MAX {
            stats.add(0, &index.to_string(), 1);
        }
        assert_eq!(stats.counters_dropped(), 0);
        stats.add(0, "one more", 1);
        assert_eq!(stats.counters_dropped(), 1);
        stats.add(1, "0", 2);
        assert_eq!(stats.counters()["0"], 3);
    }

    #[test]
    fn a_report_sums_over_workers() {
        let stats = PluginStats::new(2);
        for worker in 0..2 {
            stats.called(worker, Phase::Response);
            stats.said(worker, Phase::Response, VerdictKind::Edit);
            stats.took(worker, Phase::Response, Duration::from_micros(1));
            stats.failed(worker, "trap");
            stats.failed(worker, CAUSE_QUARANTINED);
            stats.request_ended(worker, worker == 1);
            stats.memory(worker, (worker + 1) * 100);
            stats.dropped(worker, 1, 2, 3);
        }
        let report = stats.report();
        assert_eq!((report.calls["response"], report.calls["request"]), (2, 0));
        assert_eq!((report.verdicts["response"]["edit"], report.verdicts["response"]["next"]), (2, 0));
        assert_eq!(report.time["response"].samples, 2);
        assert_eq!((report.failures["trap"], report.requests, report.requests_5xx), (2, 2, 1));
        assert_eq!(report.failed_calls(), 2, "nobody calls a quarantined plugin");
        assert_eq!((report.memory_bytes, report.memory_bytes_max), (300, 200));
        assert_eq!((report.effects_refused, report.lines_dropped, report.alerts_dropped), (2, 4, 6));
    }
}
