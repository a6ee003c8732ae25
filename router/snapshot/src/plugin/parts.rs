//! What a plugin is made from: its compiled file, what it said of itself, and what the policy says of it.

use std::sync::Arc;

use sluice_model::field::{Field, FieldError};
use sluice_model::plugin::Limits;
use sluice_policy::{OnFailure, PluginBreaker};
use sluice_wasm::{Activation, Artifact};

use crate::cells::{Cells, StateCell};

/// What makes two loadings of a plugin the same one. Instances belong to a key and a worker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginKey {
    /// Name in the policy.
    pub name: String,
    /// Digest of the file, hex.
    pub digest: String,
    /// Configuration, grants, limits, failure policy and breaker, as canonical text.
    pub settings: String,
}

/// The parts of a [`super::Plugin`], instances aside.
#[derive(Debug)]
pub struct Parts {
    pub(super) key: PluginKey,
    pub(super) artifact: Artifact,
    pub(super) activation: Arc<Activation>,
    pub(super) request_fields: Vec<Field>,
    pub(super) response_fields: Vec<Field>,
    pub(super) state: Vec<Arc<StateCell>>,
    pub(super) limits: Limits,
    pub(super) on_failure: OnFailure,
    pub(super) breaker: Option<PluginBreaker>,
    pub(super) abort_granted: bool,
}

impl PluginKey {
    /// Identity of `artifact` as the plugin `spec` of a policy. How its next digest takes over, and what becomes of it
    /// where it cannot be loaded, changes nothing of a plugin that is loaded.
    #[must_use]
    pub fn of(artifact: &Artifact, spec: &sluice_policy::Plugin) -> Self {
        let sluice_policy::Plugin { name, config, grants, limits, on_failure, breaker, .. } = spec;
        let OnFailure { trap, deadline, memory, load: _ } = on_failure;
        // Objects of the configuration are sorted by key, so that the same policy gives the same text.
        let settings = format!("{config} {grants:?} {limits:?} {trap:?} {deadline:?} {memory:?} {breaker:?}");
        Self { name: name.clone(), digest: artifact.digest().to_string(), settings }
    }
}

impl Parts {
    /// Joins a compiled file with the policy's words about it and with what its instances said they take part in.
    ///
    /// # Errors
    /// The activation asks for a field that does not exist.
    pub fn new(
        artifact: &Artifact,
        spec: &sluice_policy::Plugin,
        activation: &Arc<Activation>,
        cells: &Cells,
    ) -> Result<Self, FieldError> {
        Ok(Self {
            key: PluginKey::of(artifact, spec),
            artifact: artifact.clone(),
            activation: Arc::clone(activation),
            request_fields: fields(&activation.request_fields)?,
            response_fields: fields(&activation.response_fields)?,
            state: activation.state.iter().map(|key| cells.state(key)).collect(),
            limits: spec.limits,
            on_failure: spec.on_failure,
            breaker: spec.breaker,
            abort_granted: spec.grants.abort,
        })
    }
}

fn fields(texts: &[String]) -> Result<Vec<Field>, FieldError> {
    texts.iter().map(|text| text.parse()).collect()
}
