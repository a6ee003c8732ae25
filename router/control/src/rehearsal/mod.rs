//! Rehearsal: a plugin file shown described requests, without a router: behind `sluice plugin test` and `bench`.
//!
//! The same host, limits, grants, fields and order of phases as in the request path. Effects are told and do not happen,
//! nothing is sent, and clock and chance are what the case says, so that a run repeats itself. Blocking.

mod bench;
mod body;
mod call;
mod expect;
mod lines;
mod outcome;
mod stage;

use std::collections::BTreeMap;

use sluice_model::field::FieldError;
use sluice_policy::{PluginCase, PluginTests, Policy};
use sluice_snapshot::plugin::Parts;
use sluice_snapshot::{Cells, Plugin};
use sluice_wasm::{Artifact, CallError, EngineError, Instance, LoadError};

pub use bench::{Bench, PhaseBench, bench};
pub use expect::{Difference, differences};
pub use outcome::{CaseOutcome, EffectSeen, PhaseOutcome, ResponseSeen};

use call::Call;
use stage::Stage;

use crate::fault::chain;

/// Why there is no rehearsal at all.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// This machine runs no plugins.
    #[error("start the plugin engine")]
    Engine(#[from] EngineError),
    /// The file does not load, or says no to its configuration.
    #[error("the plugin does not load")]
    Load(#[from] LoadError),
    /// Its activation asks for a field that does not exist.
    #[error("asks for a field that no request has")]
    Field(#[from] FieldError),
    /// There is no folder to keep a compiled file in.
    #[error("make a folder for the compiled file")]
    Folder(#[source] std::io::Error),
    /// The state of the cases is refused, so there is nothing to measure.
    #[error("the plugin does not take in the state: {reason}")]
    State {
        /// How.
        reason: String,
    },
    /// A call fails, so there is nothing to measure.
    #[error("nothing to measure in the phase {phase}: a call failed")]
    Call {
        /// The phase.
        phase: &'static str,
        /// How.
        source: CallError,
    },
}

/// A plugin on a stage of its own.
#[derive(Debug)]
pub struct Rehearsal {
    artifact: Artifact,
    spec: sluice_policy::Plugin,
    /// Says which requests concern it, and which fields it is passed.
    plugin: Plugin,
    policy: Policy,
    /// The state so far, as JSON.
    state: BTreeMap<String, String>,
}

impl Rehearsal {
    /// Starts `artifact` once with the settings of `tests`.
    ///
    /// # Errors
    /// [`RehearsalError`]: it does not start.
    pub fn new(artifact: &Artifact, tests: &PluginTests) -> Result<Self, RehearsalError> {
        let manifest = artifact.manifest();
        let mut spec = tests.plugin.clone();
        spec.name.clone_from(&manifest.name);
        spec.grants = tests.grants.clone().unwrap_or_else(|| manifest.needs.as_grants());
        let first = instance(artifact, &spec)?;
        let parts = Parts::new(artifact, &spec, first.activation(), &Cells::new())?;
        let plugin = Plugin::new(parts, Vec::new(), first);
        Ok(Self { artifact: artifact.clone(), spec, plugin, policy: tests.policy.clone(), state: BTreeMap::new() })
    }

    /// Shows an instance of its own the request of `case`. What the case says of state stays for later ones.
    pub fn run(&mut self, case: &PluginCase) -> CaseOutcome {
        let ((outcome, _), lines) = lines::collect(|| self.perform(case));
        CaseOutcome { log: lines, ..outcome }
    }

    /// The first calls that `case` makes; `None` if one of them fails, and then the state stays as it was.
    fn calls(&mut self, case: &PluginCase) -> Option<Vec<Call>> {
        let before = self.state.clone();
        let (outcome, calls) = self.perform(case);
        if outcome.failure.is_some() {
            self.state = before;
            return None;
        }
        Some(calls)
    }

    fn perform(&mut self, case: &PluginCase) -> (CaseOutcome, Vec<Call>) {
        self.take_in(case);
        match self.informed_instance() {
            Ok(instance) => {
                let mut stage = Stage::new(&self.plugin, &self.policy, case, instance);
                stage.perform();
                (stage.outcome, stage.calls)
            }
            Err(outcome) => (*outcome, Vec::new()),
        }
    }

    /// Changes the state as `case` says.
    fn take_in(&mut self, case: &PluginCase) {
        for (key, value) in &case.state {
            match value {
                Some(value) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(key),
            };
        }
    }

    /// A fresh instance that was told the state; or what became of that.
    fn informed_instance(&self) -> Result<Instance, Box<CaseOutcome>> {
        let mut instance =
            instance(&self.artifact, &self.spec).map_err(|error| Box::new(CaseOutcome::failed(chain(&error), None)))?;
        for key in &self.plugin.activation.state {
            match instance.on_state(key, self.state.get(key).map(String::as_str)) {
                Ok(()) => {}
                Err(CallError::Refused(reason)) => {
                    return Err(Box::new(CaseOutcome::refused(&format!("{key}: {reason}"))));
                }
                Err(error) => return Err(Box::new(CaseOutcome::failed(chain(&error), error.backtrace()))),
            }
        }
        Ok(instance)
    }
}

fn instance(artifact: &Artifact, spec: &sluice_policy::Plugin) -> Result<Instance, LoadError> {
    Instance::new(artifact, &spec.name, &spec.config.to_string(), &spec.grants, &spec.limits)
}
