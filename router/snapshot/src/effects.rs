//! What workers hand to control: bounded, never waited for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_model::alert::Alert;
use tokio::sync::{Notify, mpsc};

use crate::plugin::Plugin;

/// Effects that may wait for control. A full queue drops duplicates of alerts, never an abort (see
/// [`crate::RolloutCell::pending`]), and counts what it dropped.
pub const EFFECTS_WAITING_MAX: usize = 4_096;

/// One thing for control to do.
#[derive(Debug)]
pub enum Effect {
    /// Store an alert, unless it is a duplicate.
    Alert(Box<Alert>),
    /// An instance of this plugin is gone: build a spare.
    InstanceLost {
        /// The plugin.
        plugin: Arc<Plugin>,
        /// Why it is gone.
        by: LostBy,
    },
    /// The plugin failed too often in a row and is not called for now.
    Quarantined {
        /// The plugin.
        plugin: Arc<Plugin>,
        /// What it failed by last, for people.
        reason: String,
    },
}

/// Why an instance is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LostBy {
    /// A call failed, in this way, for people.
    Fault(String),
    /// Its memory was over the soft limit: it was replaced between two requests, and nothing is wrong.
    Recycling,
}

/// The workers' end of the queue.
#[derive(Debug)]
pub struct EffectQueue {
    sender: mpsc::Sender<Effect>,
    receiver: Mutex<Option<mpsc::Receiver<Effect>>>,
    aborts: Notify,
    dropped: AtomicU64,
}

impl Default for EffectQueue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(EFFECTS_WAITING_MAX);
        Self { sender, receiver: Mutex::new(Some(receiver)), aborts: Notify::new(), dropped: AtomicU64::new(0) }
    }
}

impl EffectQueue {
    /// Hands over an effect, or counts it as dropped when the queue is full. Never waits.
    pub fn send(&self, effect: Effect) {
        if self.sender.try_send(effect).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells control that some rollout cell has a pending abort.
    pub fn abort_pending(&self) {
        self.aborts.notify_one();
    }

    /// Completes when an abort is pending. Cancel safe.
    pub async fn aborted(&self) {
        self.aborts.notified().await;
    }

    /// Control's end; `None` after the first call.
    #[must_use]
    pub fn take_receiver(&self) -> Option<mpsc::Receiver<Effect>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Effects dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::alert::AlertId;

    use super::*;

    fn alert() -> Effect {
        Effect::Alert(Box::new(Alert {
            id: AlertId::derive(&["x"]),
            rule: "upload-size".to_owned(),
            fingerprint: "demo".to_owned(),
            route: "app".to_owned(),
            plugin: "upload-alert".to_owned(),
            message: String::new(),
            observed: 50_001,
            limit: 50_000,
            variant: None,
            rollout: None,
            request_id: String::new(),
            at_ms: 0,
            ..Alert::default()
        }))
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let queue = EffectQueue::default();
        for _ in 0..EFFECTS_WAITING_MAX {
            queue.send(alert());
        }
        assert_eq!(queue.dropped(), 0);
        queue.send(alert());
        assert_eq!(queue.dropped(), 1);
        assert!(queue.take_receiver().is_some());
        assert!(queue.take_receiver().is_none());
    }
}
