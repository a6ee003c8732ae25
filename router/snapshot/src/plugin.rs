//! A plugin as requests see it: what it takes part in, and its instances on their way to the workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use sluice_model::field::Field;
use sluice_policy::OnFailure;
use sluice_wasm::{Activation, Artifact, Instance};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::cells::StateCell;

/// What makes two loadings of a plugin the same one. Instances belong to a key and a worker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginKey {
    /// Name in the policy.
    pub name: String,
    /// Digest of the file, hex.
    pub digest: String,
    /// Configuration, grants, limits and failure policy, as canonical text.
    pub settings: String,
}

/// Names of counters that one plugin may add to; further names are dropped and counted.
pub const COUNTER_NAMES_MAX: usize = 64;

/// A loaded plugin. Snapshots share it while its key stays the same.
#[derive(Debug)]
pub struct Plugin {
    /// Identity.
    pub key: PluginKey,
    /// The compiled file.
    pub artifact: Artifact,
    /// What the plugin takes part in.
    pub activation: Arc<Activation>,
    /// `request_fields` of the activation, parsed.
    pub request_fields: Vec<Field>,
    /// `response_fields` of the activation, parsed.
    pub response_fields: Vec<Field>,
    /// Cells behind the activation's `state`, in its order.
    pub state: Vec<Arc<StateCell>>,
    /// What a request gets when the plugin fails.
    pub on_failure: OnFailure,
    /// Whether its aborts count: granted by the policy.
    pub abort_granted: bool,
    /// What it did, for people.
    pub stats: PluginStats,
    mailboxes: Vec<Mutex<Option<Instance>>>,
    spare: Mutex<Option<Instance>>,
    deposited: Notify,
}

/// The parts of a [`Plugin`] that control has made ready.
#[derive(Debug)]
pub struct Parts {
    /// Identity.
    pub key: PluginKey,
    /// The compiled file.
    pub artifact: Artifact,
    /// `request_fields` of the activation, parsed.
    pub request_fields: Vec<Field>,
    /// `response_fields` of the activation, parsed.
    pub response_fields: Vec<Field>,
    /// Cells behind the activation's `state`, in its order.
    pub state: Vec<Arc<StateCell>>,
    /// What a request gets when the plugin fails.
    pub on_failure: OnFailure,
    /// Whether its aborts count.
    pub abort_granted: bool,
}

impl Plugin {
    /// A plugin with one instance for each worker, and a spare.
    #[must_use]
    pub fn new(parts: Parts, activation: Arc<Activation>, instances: Vec<Instance>, spare: Instance) -> Self {
        let stats = PluginStats::new(instances.len());
        Self {
            key: parts.key,
            artifact: parts.artifact,
            activation,
            request_fields: parts.request_fields,
            response_fields: parts.response_fields,
            state: parts.state,
            on_failure: parts.on_failure,
            abort_granted: parts.abort_granted,
            stats,
            mailboxes: instances.into_iter().map(|instance| Mutex::new(Some(instance))).collect(),
            spare: Mutex::new(Some(spare)),
            deposited: Notify::new(),
        }
    }

    /// Name in the policy.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// True if a request with this method and normalised path concerns the plugin. Decided without a call.
    #[must_use]
    pub fn applies(&self, method: &str, path: &str) -> bool {
        let activation = &self.activation;
        (activation.methods.is_empty() || activation.methods.iter().any(|wanted| wanted == method))
            && (activation.path_prefixes.is_empty()
                || activation.path_prefixes.iter().any(|prefix| covers(prefix, path)))
    }

    /// Takes the instance made for this worker, else the spare. Called when a worker starts, swaps or lost one.
    #[must_use]
    pub fn take(&self, worker: usize) -> Option<Instance> {
        let own = self.mailboxes.get(worker).and_then(|mailbox| lock(mailbox).take());
        own.or_else(|| lock(&self.spare).take())
    }

    /// Puts a fresh instance where a worker that lost its own finds it. Given back if a spare is there already.
    pub fn deposit_spare(&self, instance: Instance) -> Option<Instance> {
        let mut spare = lock(&self.spare);
        if spare.is_some() {
            return Some(instance);
        }
        *spare = Some(instance);
        drop(spare);
        self.deposited.notify_waiters();
        None
    }

    /// Completes when a spare is put there after this call.
    pub fn deposited(&self) -> Notified<'_> {
        self.deposited.notified()
    }
}

/// True if `prefix` covers `path` by segment: `/set` covers `/set` and `/set/x`, not `/settle`.
#[must_use]
pub fn covers(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Phases that are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Head of the request.
    #[default]
    Request,
    /// Size of the request body.
    BodySize,
    /// Head of the response.
    Response,
    /// A state change told to the plugin.
    State,
}

impl Phase {
    /// All phases, in the order of their counters.
    pub const ALL: [Self; 4] = [Self::Request, Self::BodySize, Self::Response, Self::State];

    /// Name in metrics and API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::BodySize => "body-size",
            Self::Response => "response",
            Self::State => "state",
        }
    }
}

/// Counters of one plugin, one shard per worker, so that no two workers write one cache line.
#[derive(Debug)]
pub struct PluginStats {
    shards: Vec<StatsShard>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct StatsShard {
    calls: [AtomicU64; Phase::ALL.len()],
    faults: Mutex<BTreeMap<&'static str, u64>>,
    counters: Mutex<BTreeMap<String, u64>>,
    counters_dropped: AtomicU64,
}

impl PluginStats {
    fn new(workers: usize) -> Self {
        Self { shards: (0..workers.max(1)).map(|_| StatsShard::default()).collect() }
    }

    /// Counts one call.
    pub fn called(&self, worker: usize, phase: Phase) {
        self.shards[worker].calls[phase as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one failed call by its cause.
    pub fn failed(&self, worker: usize, cause: &'static str) {
        *lock(&self.shards[worker].faults).entry(cause).or_default() += 1;
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
            shard.counters_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Calls of one phase, over all workers.
    #[must_use]
    pub fn calls(&self, phase: Phase) -> u64 {
        self.shards.iter().map(|shard| shard.calls[phase as usize].load(Ordering::Relaxed)).sum()
    }

    /// Failed calls by cause, over all workers.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        let mut sum = BTreeMap::new();
        for shard in &self.shards {
            for (cause, count) in lock(&shard.faults).iter() {
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
        self.shards.iter().map(|shard| shard.counters_dropped.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_by_segment() {
        assert!(covers("/set", "/set") && covers("/set", "/set/x") && covers("/set/", "/set"));
        assert!(!covers("/set", "/settle") && !covers("/set", "/"));
        assert!(covers("/", "/") && covers("/", "/anything"));
    }

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
}
