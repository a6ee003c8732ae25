//! One plugin: from a compiled file and what the policy says of it to instances that are ready for requests.

use std::sync::Arc;

use sluice_model::field::FieldError;
use sluice_snapshot::plugin::Parts;
use sluice_snapshot::{Cells, Plugin};
use sluice_wasm::{Artifact, CallError, Grants, Instance, Limits, LoadError};

/// What makes an instance of a plugin: enough to build one more at any time.
#[derive(Debug)]
pub(crate) struct Blueprint {
    artifact: Artifact,
    name: String,
    config: String,
    grants: Grants,
    limits: Limits,
}

/// Why a plugin is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It cannot be instantiated, or says no to its configuration.
    #[error("cannot be loaded")]
    Load(#[from] LoadError),
    /// Its activation asks for a field that does not exist.
    #[error("asks for a field that no request has")]
    Field(#[from] FieldError),
    /// It fails on the present state.
    #[error("fails on the present value of `{key}`")]
    State {
        /// The state key.
        key: String,
        /// How.
        source: CallError,
    },
    /// It fails on a request without anything in it.
    #[error("fails when tried with an empty request")]
    Smoke(#[source] CallError),
    /// It would be replaced after each call.
    #[error(
        "a fresh instance has {bytes} bytes of memory, more than its soft limit of {bytes_soft}; raise `memory_soft` or \
         `memory` in its limits"
    )]
    Swollen {
        /// Its memory.
        bytes: usize,
        /// The limit.
        bytes_soft: u64,
    },
}

/// A plugin with its instances, ready to be published.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) blueprint: Arc<Blueprint>,
    /// Tries new state before the workers see it.
    pub(crate) probe: Instance,
    /// Linear memory of a fresh instance.
    pub(crate) memory_bytes: usize,
}

impl Blueprint {
    /// Joins a file with the policy's words about it.
    pub(crate) fn new(artifact: Artifact, spec: &sluice_policy::Plugin) -> Self {
        let (name, config) = (spec.name.clone(), spec.config.to_string());
        Self { artifact, name, config, grants: spec.grants.clone(), limits: spec.limits }
    }

    /// A plugin that no policy names: everything that it needs, no configuration, the default limits.
    pub(crate) fn alone(artifact: Artifact) -> Self {
        let manifest = artifact.manifest();
        let (name, grants) = (manifest.name.clone(), manifest.needs.as_grants());
        Self { name, config: "{}".to_owned(), grants, limits: Limits::default(), artifact }
    }

    /// A fresh instance that knows the present state and has stood a call of each phase. Blocking.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) fn instance(&self, cells: &Cells) -> Result<Instance, Refusal> {
        self.instance_that_knows(|key| cells.state(key).read().1)
    }

    /// The same, with this state.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) fn instance_that_knows(&self, state: impl Fn(&str) -> Option<Arc<str>>) -> Result<Instance, Refusal> {
        let mut instance = Instance::new(&self.artifact, &self.name, &self.config, &self.grants, &self.limits)?;
        let activation = Arc::clone(instance.activation());
        for key in &activation.state {
            let told = instance.on_state(key, state(key).as_deref());
            told.map_err(|source| Refusal::State { key: key.clone(), source })?;
        }
        instance.smoke().map_err(Refusal::Smoke)?;
        if instance.is_swollen() {
            return Err(Refusal::Swollen { bytes: instance.memory_bytes(), bytes_soft: self.limits.memory_bytes_soft });
        }
        Ok(instance)
    }
}

/// Makes one instance for each worker, a spare and a probe. Blocking.
///
/// # Errors
/// [`Refusal`]: the plugin cannot serve.
pub(crate) fn load(
    artifact: &Artifact,
    spec: &sluice_policy::Plugin,
    cells: &Cells,
    workers: usize,
) -> Result<Loaded, Refusal> {
    let blueprint = Blueprint::new(artifact.clone(), spec);
    let probe = blueprint.instance(cells)?;
    let parts = Parts::new(artifact, spec, probe.activation(), cells)?;
    let instances = (0..workers).map(|_| blueprint.instance(cells)).collect::<Result<Vec<_>, _>>()?;
    let spare = blueprint.instance(cells)?;
    let memory_bytes = probe.memory_bytes();
    let plugin = Arc::new(Plugin::new(parts, instances, spare));
    Ok(Loaded { plugin, blueprint: Arc::new(blueprint), probe, memory_bytes })
}
