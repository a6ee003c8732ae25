//! Spares: a fresh instance for each one that workers lost to a fault, at a bounded rate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_snapshot::{Plugin, PluginKey};
use sluice_wasm::Instance;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::effects::Loss;
use crate::fault::chain;
use crate::gate::Gate;
use crate::shared::Shared;
use crate::tasks::Tasks;

/// Wait after the first rebuild, and the longest; each rebuild doubles it, so that a plugin that always traps costs
/// next to nothing.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(1);
/// After this long without a loss the first rebuild is at once again.
const CALM: Duration = Duration::from_secs(10);

/// What is owed to one plugin.
#[derive(Debug)]
struct Debt {
    plugin: Arc<Plugin>,
    /// Instances, at most one for each worker and the spare.
    owed: usize,
    /// Made, but the place of the spare was still taken.
    ready: Option<Instance>,
    next: Instant,
    wait: Duration,
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
            let due =
                self.debts.iter().map(|(key, debt)| (debt.next, key)).min().map(|(next, key)| (next, key.clone()));
            let (next, key) = due.map_or((None, None), |(next, key)| (Some(next), Some(key)));
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
        let Loss { plugin, reason } = loss;
        let debt = self.debts.entry(plugin.key.clone()).or_insert_with(|| {
            tracing::warn!(plugin = plugin.name(), reason, "plugin instance lost");
            Debt { plugin, owed: 0, ready: None, next: Instant::now(), wait: WAIT_MIN }
        });
        if debt.owed == 0 {
            debt.next = debt.next.max(Instant::now());
        }
        debt.owed = (debt.owed + 1).min(self.owed_max);
    }

    async fn pay(&mut self, key: &PluginKey) {
        let Some(mut debt) = self.debts.remove(key) else { return };
        if debt.owed == 0 {
            // It was kept for its wait only, and has been calm since.
            return;
        }
        let instance = match debt.ready.take() {
            Some(instance) => Some(instance),
            None => match self.gate.blueprint(key) {
                None => return,
                Some(blueprint) => {
                    let shared = Arc::clone(&self.shared);
                    let made = self.tasks.blocking(move || blueprint.instance(&shared.cells)).await;
                    let made =
                        made.and_then(|made| made.map_err(|refusal| log_failure(&debt.plugin, &chain(&refusal))).ok());
                    debt.wait = (debt.wait * 2).min(WAIT_MAX);
                    made
                }
            },
        };
        if let Some(instance) = instance {
            debt.ready = debt.plugin.deposit_spare(instance);
            debt.owed -= usize::from(debt.ready.is_none());
        }
        debt.next = Instant::now() + if debt.owed == 0 { CALM } else { debt.wait };
        self.debts.insert(key.clone(), debt);
    }
}

fn log_failure(plugin: &Plugin, reason: &str) {
    tracing::error!(plugin = plugin.name(), reason, "no spare instance");
}
