//! Spares: a fresh instance for each one that workers lost.
//!
//! It is made at once: a plugin that fails again and again is kept from requests by its breaker, and one whose policy
//! has none pays with its own requests, each of which waits for its instance. One is made at a time, so that costs one
//! thread at the most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_snapshot::{LostBy, Plugin, PluginKey};
use sluice_wasm::Instance;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::effects::Loss;
use crate::fault::chain;
use crate::gate::Gate;
use crate::shared::Shared;
use crate::tasks::Tasks;

/// Wait after an instance that could not be made, or for which there was no place yet, and the longest; each turn doubles
/// it.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_millis(100);
/// After this long without a loss, the next one is logged again.
const CALM: Duration = Duration::from_secs(2);

/// What is owed to one plugin.
#[derive(Debug)]
struct Debt {
    plugin: Arc<Plugin>,
    /// Instances, at most one for each worker and the spare.
    owed: usize,
    /// Made, but the place of the spare was still taken.
    ready: Option<Instance>,
    /// When the last turn was, and the wait from then on.
    last: Instant,
    wait: Duration,
}

impl Debt {
    /// True if one is made for which there is no place yet.
    fn is_place_awaited(&self) -> bool {
        self.ready.is_some()
    }

    /// When to see to it: to make the next one, or to forget that there were any.
    fn due(&self) -> Instant {
        self.last + if self.owed == 0 { CALM } else { self.wait }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Spares {
    gate: Arc<Gate>,
    shared: Arc<Shared>,
    tasks: Tasks,
    owed_max: usize,
    debts: BTreeMap<PluginKey, Debt>,
}

impl Spares {
    pub(crate) fn new(gate: Arc<Gate>, shared: Arc<Shared>, tasks: Tasks) -> Self {
        let owed_max = shared.router.workers + 1;
        Self { gate, shared, tasks, owed_max, debts: BTreeMap::new() }
    }

    /// Runs until control stops.
    pub(crate) async fn run(mut self, mut losses: mpsc::Receiver<Loss>) {
        loop {
            let due = self.debts.iter().map(|(key, debt)| (debt.due(), key)).min();
            let (next, key) = due.map(|(next, key)| (next, key.clone())).unzip();
            tokio::select! {
                loss = losses.recv() => match loss {
                    Some(loss) => self.owe(loss),
                    None => return,
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if let Some(key) = key {
                        self.pay(&key).await;
                    }
                }
            }
        }
    }

    fn owe(&mut self, loss: Loss) {
        let Loss { plugin, by } = loss;
        let debt = self.debts.entry(plugin.key.clone()).or_insert_with(|| {
            match by {
                LostBy::Fault(reason) => tracing::warn!(plugin = plugin.name(), reason, "plugin instance lost"),
                LostBy::Recycling => tracing::debug!(plugin = plugin.name(), "plugin instance recycled"),
            }
            Debt { plugin, owed: 0, ready: None, last: Instant::now(), wait: Duration::ZERO }
        });
        debt.owed = (debt.owed + 1).min(self.owed_max);
        if debt.is_place_awaited() {
            // Whoever lost one has taken the spare, or is about to.
            debt.wait = Duration::ZERO;
        }
    }

    async fn pay(&mut self, key: &PluginKey) {
        let Some(mut debt) = self.debts.remove(key) else { return };
        if debt.owed == 0 {
            return;
        }
        let instance = match debt.ready.take() {
            Some(instance) => Some(instance),
            None => match self.make(key).await {
                Made::Instance(instance) => Some(*instance),
                Made::Failed => None,
                Made::NotNeeded => return,
            },
        };
        let is_failed = instance.is_none();
        if let Some(instance) = instance {
            debt.ready = debt.plugin.deposit_spare(instance);
            debt.owed -= usize::from(debt.ready.is_none());
        }
        let is_stuck = is_failed || debt.is_place_awaited();
        debt.wait = if is_stuck { (debt.wait * 2).clamp(WAIT_MIN, WAIT_MAX) } else { Duration::ZERO };
        debt.last = Instant::now();
        self.debts.insert(key.clone(), debt);
    }

    async fn make(&self, key: &PluginKey) -> Made {
        let (gate, shared, key) = (Arc::clone(&self.gate), Arc::clone(&self.shared), key.clone());
        let make = move || {
            let Some(blueprint) = gate.blueprint(&key) else { return Made::NotNeeded };
            match blueprint.instance(&shared.cells) {
                Ok(instance) => Made::Instance(Box::new(instance)),
                Err(refusal) => {
                    tracing::error!(plugin = key.name, reason = chain(&refusal), "no spare instance");
                    Made::Failed
                }
            }
        };
        self.tasks.blocking(make).await.unwrap_or(Made::Failed)
    }
}

/// What came of making a spare.
enum Made {
    Instance(Box<Instance>),
    Failed,
    /// The plugin serves no more.
    NotNeeded,
}
