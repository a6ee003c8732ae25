//! One plugin instance of one worker: told of new state before it is called, replaced after a fault.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use sluice_policy::FailurePolicy;
use sluice_snapshot::plugin::Phase;
use sluice_snapshot::{Cells, Effect, EffectQueue, LostBy, Plugin};
use sluice_wasm::{CallError, Instance, Verdict};

use crate::error::Error;
use crate::reaper::{Reaper, Remains};

/// How long a request waits for fresh instances where faults took the old ones. Control makes one each 100 ms at the
/// slowest, so a request that comes right after several that trapped still gets its turn.
pub(crate) const INSTANCE_WAIT_MAX: Duration = Duration::from_secs(1);
/// Cause in the metrics when no fresh instance came in time.
const CAUSE_MISSING: &str = "missing";
/// Cause in the metrics when a plugin chooses a variant that the route does not have.
const CAUSE_FOREIGN_VARIANT: &str = "foreign-variant";

/// The instance of one plugin on one worker. It belongs to the plugin, so it survives snapshots that keep the plugin.
pub(crate) struct InstanceCell {
    pub(crate) plugin: Arc<Plugin>,
    worker: usize,
    slot: RefCell<Slot>,
    reaper: Reaper,
}

struct Slot {
    instance: Option<Instance>,
    told: Told,
}

/// What of the live state the instance knows.
struct Told {
    /// Version of all cells together when they were last compared; `None` before the first comparison.
    clock: Option<u64>,
    /// Version of each state cell of the activation; `None` = not told yet.
    versions: Vec<Option<u64>>,
}

/// What a call needs of the worker.
pub(crate) struct Surroundings<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) effects: &'a EffectQueue,
}

impl InstanceCell {
    pub(crate) fn new(plugin: &Arc<Plugin>, worker: usize, reaper: Reaper) -> Self {
        let told = Told { clock: None, versions: vec![None; plugin.state.len()] };
        let slot = Slot { instance: plugin.take(worker), told };
        Self { plugin: Arc::clone(plugin), worker, slot: RefCell::new(slot), reaper }
    }

    /// True after a fault, until there is a fresh instance; never where the policy is to go on without the plugin.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self.plugin.on_failure.trap, FailurePolicy::Closed { .. }) && self.slot.borrow().instance.is_none()
    }

    /// Completes when there is an instance: a fault costs its own request, not those after it. Cancel safe.
    pub(crate) async fn present(&self) {
        loop {
            let deposited = self.plugin.deposited();
            self.slot.borrow_mut().refill(&self.plugin, self.worker);
            if !self.is_awaited() {
                return;
            }
            deposited.await;
        }
    }

    /// Calls the plugin. `Ok(None)`: it failed, and its policy is to go on without it.
    pub(crate) fn call(
        &self,
        surroundings: &Surroundings<'_>,
        phase: Phase,
        call: impl FnOnce(&mut Instance) -> Result<Verdict, CallError>,
    ) -> Result<Option<Verdict>, Error> {
        let slot = &mut *self.slot.borrow_mut();
        slot.refill(&self.plugin, self.worker);
        let Some(instance) = &mut slot.instance else {
            return self.failed(CAUSE_MISSING);
        };
        let told = self.tell_state(instance, surroundings.cells, &mut slot.told);
        let called = told.and_then(|()| {
            self.plugin.stats.called(self.worker, phase);
            call(instance)
        });
        match called {
            Ok(verdict) => Ok(Some(verdict)),
            Err(error) => self.lost(slot, surroundings, &error),
        }
    }

    /// A verdict that means nothing on this route. The instance is sound; its answer is not.
    pub(crate) fn chose_foreign_variant(&self, variant: &str, route: &str) -> Result<(), Error> {
        tracing::warn!(
            plugin = self.plugin.name(),
            variant,
            route,
            "plugin chose a variant that the route does not have"
        );
        self.failed::<()>(CAUSE_FOREIGN_VARIANT).map(|_skipped| ())
    }

    /// Tells the instance what changed, each key by itself. A refused value leaves it on its old one.
    fn tell_state(&self, instance: &mut Instance, cells: &Cells, told: &mut Told) -> Result<(), CallError> {
        // Read first: what changes while the instance is told is told at the next call.
        let clock = cells.version();
        if told.clock == Some(clock) {
            return Ok(());
        }
        for (cell, told) in self.plugin.state.iter().zip(&mut told.versions) {
            if *told == Some(cell.version()) {
                continue;
            }
            let (version, value) = cell.read();
            self.plugin.stats.called(self.worker, Phase::State);
            match instance.on_state(cell.key(), value.as_deref()) {
                Ok(()) => {}
                Err(error @ CallError::Refused(_)) => {
                    self.plugin.stats.failed(self.worker, error.cause());
                    tracing::warn!(plugin = self.plugin.name(), key = cell.key(), %error, "plugin refused state");
                }
                Err(error) => return Err(error),
            }
            *told = Some(version);
        }
        told.clock = Some(clock);
        Ok(())
    }

    /// The instance is gone: the next call takes the spare, and control builds another one.
    fn lost<T>(&self, slot: &mut Slot, surroundings: &Surroundings<'_>, error: &CallError) -> Result<Option<T>, Error> {
        let name = self.plugin.name();
        tracing::warn!(plugin = name, %error, backtrace = error.backtrace(), "plugin failed");
        if let Some(instance) = slot.replace(None) {
            self.reaper.bury(Remains::Instance(Box::new(instance)));
            let by = LostBy::Fault(error.to_string());
            surroundings.effects.send(Effect::InstanceLost { plugin: Arc::clone(&self.plugin), by });
        }
        self.failed(error.cause())
    }

    fn failed<T>(&self, cause: &'static str) -> Result<Option<T>, Error> {
        self.plugin.stats.failed(self.worker, cause);
        match self.plugin.on_failure.trap {
            FailurePolicy::Open => Ok(None),
            FailurePolicy::Closed { status } => Err(Error::Plugin { status }),
        }
    }
}

impl Slot {
    /// Takes a fresh instance where there is none.
    fn refill(&mut self, plugin: &Plugin, worker: usize) {
        if self.instance.is_none() {
            self.replace(plugin.take(worker));
        }
    }

    /// Another instance knows no state yet.
    fn replace(&mut self, instance: Option<Instance>) -> Option<Instance> {
        self.told.clock = None;
        self.told.versions.fill(None);
        std::mem::replace(&mut self.instance, instance)
    }
}

impl Drop for InstanceCell {
    fn drop(&mut self) {
        if let Some(instance) = self.slot.get_mut().instance.take() {
            self.reaper.bury(Remains::Instance(Box::new(instance)));
        }
    }
}
