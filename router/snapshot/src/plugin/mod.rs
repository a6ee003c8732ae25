//! A plugin as requests see it: what it takes part in, and its instances on their way to the workers.

mod breaker;
mod histogram;
mod parts;
mod seat;
mod stats;
mod times;
mod trial;

use std::sync::{Arc, Mutex, PoisonError};

use sluice_model::field::Field;
use sluice_model::plugin::Limits;
use sluice_policy::OnFailure;
use sluice_wasm::{Activation, Artifact, Instance};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

pub use breaker::{Breaker, BreakerState, Opened, Pass};
pub use histogram::{CALL_BOUNDS_NS, CallTimes};
pub use parts::{Parts, PluginKey};
pub use seat::Seat;
pub use stats::{
    CAUSE_MISSING, CAUSE_QUARANTINED, COUNTER_NAMES_MAX, Phase, PluginStats, StatsReport, TimeReport, VerdictKind,
};
pub use trial::{ComparisonReport, Comparisons, DIFFERENCES_KEPT_MAX, Difference, Trial};

use crate::cells::StateCell;

/// Digits of a digest that people are shown.
const DIGEST_SHORT_DIGITS: usize = 12;

/// A loaded plugin: one file with what the policy says of it. Snapshots share it while its key stays the same.
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
    /// What it may use.
    pub limits: Limits,
    /// What a request gets when the plugin fails.
    pub on_failure: OnFailure,
    /// Whether its aborts count: granted by the policy.
    pub abort_granted: bool,
    /// Keeps requests from it while it fails.
    pub breaker: Breaker,
    /// What it did, for people.
    pub stats: PluginStats,
    mailboxes: Vec<Mutex<Option<Instance>>>,
    spare: Mutex<Option<Instance>>,
    deposited: Notify,
}

impl Plugin {
    /// A plugin with one instance for each worker, and a spare.
    #[must_use]
    pub fn new(parts: Parts, instances: Vec<Instance>, spare: Instance) -> Self {
        let stats = PluginStats::new(instances.len());
        Self {
            key: parts.key,
            artifact: parts.artifact,
            activation: parts.activation,
            request_fields: parts.request_fields,
            response_fields: parts.response_fields,
            state: parts.state,
            limits: parts.limits,
            on_failure: parts.on_failure,
            abort_granted: parts.abort_granted,
            breaker: Breaker::new(parts.breaker),
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

    /// The first digits of its digest, enough to tell its files apart.
    #[must_use]
    pub fn digest_short(&self) -> &str {
        self.key.digest.get(..DIGEST_SHORT_DIGITS).unwrap_or(&self.key.digest)
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

    /// Takes the spare, to replace an instance between two requests.
    #[must_use]
    pub fn take_spare(&self) -> Option<Instance> {
        lock(&self.spare).take()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_by_segment() {
        assert!(covers("/set", "/set") && covers("/set", "/set/x") && covers("/set/", "/set"));
        assert!(!covers("/set", "/settle") && !covers("/set", "/"));
        assert!(covers("/", "/") && covers("/", "/anything"));
    }
}
