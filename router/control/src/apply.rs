//! The store's events, applied one after the other: switches, flags, rollouts, servers, health, fences.
//!
//! Never waits for a write to the store, for each write waits for this loop to answer its fence.

use std::sync::Arc;

use sluice_model::flag::switch_text;
use sluice_state::{Event, FlagDocument, Health, SwitchValue};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::builder::Change;
use crate::fault::FaultSource;
use crate::flags::{FLAG_PREFIX, FLAGS_PREFIX};
use crate::gate::{Gate, Value};
use crate::shared::Shared;
use crate::tasks::Tasks;

/// What the loop works on.
#[derive(Debug)]
pub(crate) struct Apply {
    tasks: Tasks,
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    changes: mpsc::Sender<Change>,
    filled: watch::Sender<bool>,
}

impl Apply {
    /// The loop, and what becomes true once the store's first content has been applied.
    pub(crate) fn new(
        tasks: &Tasks,
        shared: &Arc<Shared>,
        gate: &Arc<Gate>,
        changes: mpsc::Sender<Change>,
    ) -> (Self, watch::Receiver<bool>) {
        let (filled, is_filled) = watch::channel(false);
        let apply = Self { tasks: tasks.clone(), shared: Arc::clone(shared), gate: Arc::clone(gate), changes, filled };
        (apply, is_filled)
    }

    /// Runs until the store is closed, or nobody writes to it any more.
    pub(crate) async fn run(self, mut events: mpsc::Receiver<Event>, writers_done: CancellationToken) {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = writers_done.cancelled() => None,
            };
            match event {
                Some(event) => self.apply(event).await,
                None => return,
            }
        }
    }

    async fn apply(&self, event: Event) {
        match event {
            Event::Switch { name, value } => self.apply_switch(name, value).await,
            Event::Rollout { name, rollout } => self.pass(Value::Rollout { name, rollout }).await,
            Event::Servers(leases) => self.shared.cells.servers().apply(leases),
            Event::Flags { set, document } => self.apply_flags(set, document).await,
            Event::FlagsRefused { set, reason } => self.shared.flags.refuse(&set, &reason),
            Event::Audit(entry) => self.shared.changes.audited(entry),
            Event::Silences(silences) => self.shared.alerting.set_silences(silences),
            Event::Alert(alert) => tracing::debug!(id = %alert.id, rule = alert.rule, "alert in the store"),
            Event::Health(health) => self.apply_health(health),
            Event::Fence(answer) => {
                // An error means that the writer does not wait any more.
                let _gone = answer.send(());
                return;
            }
        }
        self.shared.board.touch();
    }

    async fn apply_switch(&self, name: String, value: SwitchValue) {
        let value = match value {
            SwitchValue::On => Some(true),
            SwitchValue::Off => Some(false),
            SwitchValue::Missing => None,
            SwitchValue::Invalid(text) => {
                let message = format!("`{text}` is neither on nor off: write true or false; the value before counts");
                return self.shared.board.set(FaultSource::State, &format!("{FLAG_PREFIX}{name}"), Some(message));
            }
        };
        self.shared.changes.saw(&format!("{FLAG_PREFIX}{name}"), value.map(switch_text));
        self.pass(Value::Switch { name, value }).await;
    }

    /// A document that is no flag definition goes no further; the one before counts.
    async fn apply_flags(&self, set: String, document: Option<FlagDocument>) {
        self.shared.changes.saw(&format!("{FLAGS_PREFIX}{set}"), document.as_ref().map(|document| &*document.text));
        let definition = match document {
            None => None,
            Some(document) => {
                let (shared, name) = (Arc::clone(&self.shared), set.clone());
                match self.tasks.blocking(move || shared.flags.read(&name, &document)).await.flatten() {
                    Some(definition) => Some(definition),
                    None => return,
                }
            }
        };
        self.pass(Value::Flags { set, definition }).await;
    }

    async fn pass(&self, value: Value) {
        let gate = Arc::clone(&self.gate);
        self.tasks.blocking(move || gate.apply(value)).await;
        if self.shared.board.has(FaultSource::Plugin) {
            // A plugin that could not live with the state may now. A full queue holds a change already.
            let _full = self.changes.try_send(Change::State);
        }
    }

    fn apply_health(&self, health: Health) {
        let Health { connected, since_ms, confirmed_ms, error } = health;
        let reason = error.clone().unwrap_or_else(|| "no answer".to_owned());
        let message = (!connected).then(|| format!("the store is away, what was last seen counts: {reason}"));
        self.shared.board.update(|content| {
            content.store.connected = connected;
            content.store.since_ms = since_ms;
            content.store.confirmed_ms = confirmed_ms;
            content.store.error = error;
        });
        self.shared.board.set(FaultSource::Store, "connection", message);
        self.shared.changes.fill();
        self.filled.send_replace(true);
    }
}
