//! The gate: the one place where live state and snapshots become visible to workers, one at a time.
//!
//! New state is first tried on a probe instance of each plugin that reads it; what faults there is held back, and tried
//! again when the plugins change. A new snapshot is shown only after its new plugins have taken the present state.
//! Everything here blocks for as long as plugins take, so it runs off the runtime.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_model::rollout::Rollout;
use sluice_snapshot::{Cells, Plugin, PluginKey, Seat, Snapshot};
use sluice_wasm::Instance;

use crate::fault::{Fault, FaultSource, chain};
use crate::flags::book::Definition;
use crate::flags::{FLAG_PREFIX, FLAGS_PREFIX};
use crate::load::{Blueprint, Refusal};
use crate::place::{Candidate, Member, Place};
use crate::shared::Shared;

/// Values that wait for plugins or policies that can take them. The store holds fewer keys.
const HELD_MAX: usize = 2_048;

/// A value of the store that plugins may be told of.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A switch; `None` = it is gone.
    Switch { name: String, value: Option<bool> },
    /// A set of flags; `None` = it is gone.
    Flags { set: String, definition: Option<Arc<Definition>> },
    /// A rollout.
    Rollout { name: String, rollout: Rollout },
}

impl Value {
    /// The logical state key.
    fn key(&self) -> String {
        match self {
            Self::Switch { name, .. } => format!("{FLAG_PREFIX}{name}"),
            Self::Flags { set, .. } => format!("{FLAGS_PREFIX}{set}"),
            Self::Rollout { name, .. } => format!("rollout:{name}"),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tenants: Vec<Tenant>,
    held: BTreeMap<String, Value>,
}

/// A plugin of the current snapshot, or one on trial in it.
#[derive(Debug)]
struct Tenant {
    plugin: Arc<Plugin>,
    blueprint: Arc<Blueprint>,
    /// `None` = it was lost and could not be made again: the plugin's workers then see new state first.
    probe: Option<Instance>,
}

impl Gate {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, inner: Mutex::default() }
    }

    /// Lets a value through to the workers, or holds it back and raises a fault. Blocking.
    pub(crate) fn apply(&self, value: Value) {
        self.pass(&mut self.lock(), value);
    }

    /// Publishes a candidate as `revision`; returns the snapshot that it replaces. Blocking.
    ///
    /// # Errors
    /// The fault of a new plugin that cannot live with the state as it is by now. Nothing was published.
    pub(crate) fn admit(&self, candidate: Candidate, revision: u64) -> Result<Arc<Snapshot>, Box<Fault>> {
        let Candidate { policy, places, .. } = candidate;
        let seats: Vec<Seat> = places.iter().map(Place::seat).collect();
        let mut inner = self.lock();
        let mut tenants = Vec::new();
        for member in places.into_iter().flat_map(Place::into_members) {
            if let Member::New(loaded) = member {
                let mut tenant =
                    Tenant { plugin: loaded.plugin, blueprint: loaded.blueprint, probe: Some(loaded.probe) };
                tenant.catch_up(&self.shared.cells)?;
                tenants.push(tenant);
            }
        }
        let stays = |plugin: &Arc<Plugin>| seats.iter().flat_map(Seat::occupants).any(|own| Arc::ptr_eq(own, plugin));
        tenants.extend(inner.tenants.drain(..).filter(|tenant| stays(&tenant.plugin)));
        inner.tenants = tenants;
        let snapshot = Snapshot::new(revision, policy, seats, &self.shared.cells, &self.shared.traffic);
        for value in std::mem::take(&mut inner.held).into_values() {
            self.pass(&mut inner, value);
        }
        Ok(self.shared.published.publish(Arc::new(snapshot)))
    }

    /// How to make one more instance of a plugin; `None` = it serves no more.
    pub(crate) fn blueprint(&self, key: &PluginKey) -> Option<Arc<Blueprint>> {
        let inner = self.lock();
        inner.tenants.iter().find(|tenant| tenant.plugin.key == *key).map(|tenant| Arc::clone(&tenant.blueprint))
    }

    fn pass(&self, inner: &mut Inner, value: Value) {
        let key = value.key();
        inner.held.remove(&key);
        let refusals = match &value {
            Value::Switch { value, .. } => {
                let text = value.map(sluice_model::flag::switch_text);
                self.try_on_probes(&mut inner.tenants, &key, text)
            }
            Value::Flags { definition, .. } => {
                let text = definition.as_ref().map(|definition| &*definition.text);
                self.try_on_probes(&mut inner.tenants, &key, text)
            }
            Value::Rollout { name, rollout } => match self.shared.cells.find_rollout(name) {
                // No policy declares it yet.
                None => return hold(inner, key, value),
                Some(cell) => match cell.preview(rollout) {
                    None => return,
                    Some(document) => self.try_on_probes(&mut inner.tenants, &key, Some(&document)),
                },
            },
        };
        let refused = !refusals.is_empty();
        let message = refused.then(|| format!("plugins keep the value before: {}", refusals.join("; ")));
        self.shared.board.set(FaultSource::State, &key, message);
        match value.clone() {
            Value::Switch { .. } | Value::Flags { .. } if refused => {}
            Value::Switch { name, value } => {
                self.shared.cells.apply_switch(&name, value);
                self.shared.flags.apply_switch(&name, value);
            }
            Value::Flags { set, definition } => {
                self.shared.cells.apply_flags(&set, definition.as_ref().map(|definition| &*definition.text));
                self.shared.flags.apply_set(&set, definition);
            }
            Value::Rollout { name, rollout } => {
                if let Some(cell) = self.shared.cells.find_rollout(&name) {
                    // What the host enforces by itself must not wait for a plugin.
                    if refused { cell.apply_untold(rollout) } else { cell.apply(rollout) }
                }
            }
        }
        if refused {
            hold(inner, key, value);
        }
    }

    /// Tells the probes; returns who cannot live with it, and why.
    fn try_on_probes(&self, tenants: &mut [Tenant], key: &str, value: Option<&str>) -> Vec<String> {
        let mut refusals = Vec::new();
        for tenant in tenants.iter_mut().filter(|tenant| tenant.plugin.activation.state.iter().any(|own| own == key)) {
            let Some(probe) = &mut tenant.probe else { continue };
            if let Err(error) = probe.on_state(key, value) {
                refusals.push(format!("plugin `{}`: {}", tenant.plugin.name(), chain(&error)));
                tenant.recover(&self.shared.cells);
            } else if probe.is_swollen()
                && let Err(refusal) = tenant.renew(&self.shared.cells, key, value)
            {
                refusals.push(format!("plugin `{}`: {}", tenant.plugin.name(), chain(&refusal)));
            }
        }
        refusals
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tenant {
    /// Tells the probe of what changed since it was made.
    fn catch_up(&mut self, cells: &Cells) -> Result<(), Box<Fault>> {
        let Some(probe) = &mut self.probe else { return Ok(()) };
        for key in &self.plugin.activation.state {
            let told = probe.on_state(key, cells.state(key).read().1.as_deref());
            told.map_err(|error| {
                let message = format!("fails on the present value of `{key}`: {}", chain(&error));
                Box::new(Fault::new(FaultSource::Plugin, self.plugin.name(), message))
            })?;
        }
        Ok(())
    }

    /// A probe that a value made grow gives way to a fresh one that knows this value alone. One that is too large from its
    /// first moment would be refused to every worker, now or at the next start.
    fn renew(&mut self, cells: &Cells, key: &str, value: Option<&str>) -> Result<(), Refusal> {
        let state = |own: &str| if own == key { value.map(Arc::from) } else { cells.state(own).read().1 };
        match self.blueprint.instance_that_knows(state) {
            Ok(fresh) => self.probe = Some(fresh),
            Err(refusal) => {
                self.probe = self.blueprint.instance(cells).ok();
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// After a trap the probe is made anew, with the state that counts.
    fn recover(&mut self, cells: &Cells) {
        if self.probe.as_ref().is_some_and(Instance::is_poisoned) {
            self.probe = self.blueprint.instance(cells).ok();
            if self.probe.is_none() {
                tracing::error!(plugin = self.plugin.name(), "no probe instance: new state is not tried first");
            }
        }
    }
}

fn hold(inner: &mut Inner, key: String, value: Value) {
    if inner.held.len() < HELD_MAX {
        inner.held.insert(key, value);
    }
}
