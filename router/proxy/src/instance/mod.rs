//! One plugin instance of one worker: told of new state before it is called, replaced after a fault, and when it has
//! grown too large.

mod failure;
mod fault_log;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use sluice_policy::FailurePolicy;
use sluice_snapshot::plugin::{CAUSE_MISSING, CAUSE_QUARANTINED, Phase};
use sluice_snapshot::time::unix_ms;
use sluice_snapshot::{Cells, Effect, EffectQueue, LostBy, Plugin};
use sluice_wasm::{CallError, Instance, Verdict};
use tokio::time::Instant;

pub(crate) use failure::{Failure, Nonsense};

use fault_log::FaultLog;

use crate::reaper::{Reaper, Remains};

/// How long a request waits for fresh instances where faults took the old ones. Control makes one in well under a
/// millisecond, one after the other, so a request that comes right after several that trapped still gets its turn.
pub(crate) const INSTANCE_WAIT_MAX: Duration = Duration::from_secs(1);
/// After this long without an instance, control is asked once more: what it was told may have got lost in a full queue.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// One call of so many is timed. Reading the clock twice costs as much as an empty call. A prime: a plugin that is called
/// two or three times per request is not timed in the same phase always.
const TIMED_EVERY: u32 = 17;

/// The instance of one plugin on one worker. It belongs to the plugin, so it survives snapshots that keep the plugin.
pub(crate) struct InstanceCell {
    pub(crate) plugin: Arc<Plugin>,
    worker: usize,
    slot: RefCell<Slot>,
    until_timed: Cell<u32>,
    log: FaultLog,
    reaper: Reaper,
}

struct Slot {
    instance: Option<Instance>,
    told: Told,
    /// What the instance had left out when it was last asked.
    dropped: Dropped,
    /// When control was last told that there is none.
    asked: Option<Instant>,
}

/// What of the live state the instance knows.
struct Told {
    /// Version of all cells together when they were last compared; `None` before the first comparison.
    clock: Option<u64>,
    /// Version of each state cell of the activation; `None` = not told yet.
    versions: Vec<Option<u64>>,
}

/// What the host took out of what an instance said, so far.
#[derive(Clone, Copy, Default)]
struct Dropped {
    effects: u64,
    lines: u64,
    alerts: u64,
}

/// What a call needs of the worker.
pub(crate) struct Surroundings<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) effects: &'a EffectQueue,
}

/// What became of a call.
pub(crate) struct Called {
    pub(crate) said: Result<Verdict, Failure>,
    /// Wall time, if it was measured.
    pub(crate) took: Option<Duration>,
}

impl InstanceCell {
    pub(crate) fn new(plugin: &Arc<Plugin>, worker: usize, reaper: Reaper) -> Self {
        let told = Told { clock: None, versions: vec![None; plugin.state.len()] };
        let slot = Slot { instance: plugin.take(worker), told, dropped: Dropped::default(), asked: None };
        Self {
            plugin: Arc::clone(plugin),
            worker,
            slot: RefCell::new(slot),
            until_timed: Cell::new(0),
            log: FaultLog::new(),
            reaper,
        }
    }

    /// True after a fault, until there is a fresh instance; never where nothing would come of it.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self.plugin.on_failure.trap, FailurePolicy::Closed { .. })
            && self.slot.borrow().instance.is_none()
            && !self.plugin.breaker.is_refusing(unix_ms)
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

    /// Calls the plugin. What `check` refuses counts as a failed call.
    pub(crate) fn call(
        &self,
        surroundings: &Surroundings<'_>,
        phase: Phase,
        is_traced: bool,
        call: impl FnOnce(&mut Instance) -> Result<Verdict, CallError>,
        check: impl FnOnce(&Verdict) -> Result<(), Nonsense>,
    ) -> Called {
        let Some(pass) = self.plugin.breaker.admit(unix_ms) else {
            return self.uncalled(CAUSE_QUARANTINED);
        };
        let slot = &mut *self.slot.borrow_mut();
        slot.refill(&self.plugin, self.worker);
        let Some(instance) = &mut slot.instance else {
            self.ask_again(slot, surroundings);
            return self.uncalled(CAUSE_MISSING);
        };
        let told = self.tell_state(instance, surroundings.cells, &mut slot.told);
        let is_timed = self.is_timed();
        let began = (is_timed || is_traced).then(Instant::now);
        let called = told.and_then(|()| {
            self.plugin.stats.called(self.worker, phase);
            call(instance)
        });
        let took = began.map(|began| began.elapsed());
        if let Some(took) = took {
            self.plugin.stats.took(self.worker, phase, took);
        }
        let is_swollen = instance.is_swollen();
        if is_timed || is_swollen || called.as_ref().ok().is_none_or(|verdict| verdict.outcome.is_some()) {
            self.tally(instance, &mut slot.dropped);
        }
        let said = match called {
            Ok(verdict) => self.judged(surroundings, phase, pass, verdict, check),
            Err(error) => Err(self.lost(slot, surroundings, phase, pass, &error)),
        };
        if is_swollen && said.is_ok() {
            self.recycle(slot, surroundings);
        }
        Called { said, took }
    }

    fn is_timed(&self) -> bool {
        let left = self.until_timed.get();
        self.until_timed.set(left.checked_sub(1).unwrap_or(TIMED_EVERY - 1));
        left == 0
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

    /// An instance that has grown gives way to the spare, if there is one: else it serves on below its hard limit.
    #[cold]
    fn recycle(&self, slot: &mut Slot, surroundings: &Surroundings<'_>) {
        let Some(spare) = self.plugin.take_spare() else { return };
        if let Some(swollen) = slot.replace(Some(spare)) {
            self.reaper.bury(Remains::Instance(Box::new(swollen)));
        }
        self.plugin.stats.recycled(self.worker);
        self.tell_control(slot, surroundings, LostBy::Recycling);
    }

    #[cold]
    fn ask_again(&self, slot: &mut Slot, surroundings: &Surroundings<'_>) {
        if slot.asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
            self.tell_control(slot, surroundings, LostBy::Fault("no instance came in time".to_owned()));
        }
    }

    fn tell_control(&self, slot: &mut Slot, surroundings: &Surroundings<'_>, by: LostBy) {
        slot.asked = Some(Instant::now());
        surroundings.effects.send(Effect::InstanceLost { plugin: Arc::clone(&self.plugin), by });
    }

    /// Counts what the instance left out since it was last asked, and shows how large it is.
    fn tally(&self, instance: &Instance, before: &mut Dropped) {
        let now = Dropped {
            effects: instance.refused_effects(),
            lines: instance.dropped_lines(),
            alerts: instance.dropped_alerts(),
        };
        let stats = &self.plugin.stats;
        let [effects, lines, alerts] =
            [(now.effects, before.effects), (now.lines, before.lines), (now.alerts, before.alerts)]
                .map(|(now, before)| now.saturating_sub(before));
        stats.dropped(self.worker, effects, lines, alerts);
        stats.memory(self.worker, instance.memory_bytes());
        *before = now;
    }
}

impl Slot {
    /// Takes a fresh instance where there is none.
    fn refill(&mut self, plugin: &Plugin, worker: usize) {
        if self.instance.is_none() {
            self.replace(plugin.take(worker));
        }
    }

    /// Another instance knows no state yet, and has left out nothing.
    fn replace(&mut self, instance: Option<Instance>) -> Option<Instance> {
        self.told.clock = None;
        self.told.versions.fill(None);
        self.dropped = Dropped::default();
        std::mem::replace(&mut self.instance, instance)
    }
}

impl Drop for InstanceCell {
    fn drop(&mut self) {
        let slot = self.slot.get_mut();
        if let Some(instance) = slot.instance.take() {
            self.plugin.stats.memory(self.worker, 0);
            self.reaper.bury(Remains::Instance(Box::new(instance)));
        }
    }
}
