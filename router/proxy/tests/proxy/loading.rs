//! Plugins of the repository as control loads them, and the spares that it makes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use sluice_snapshot::{Cells, Effect, Plugin, plugin};
use sluice_wasm::{Engine, Instance, Limits};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::router::Router;

/// Enough CPU time for a plugin that behaves, in an unoptimised host on a busy machine.
const CPU: Duration = Duration::from_millis(200);

/// What control is told, kept.
pub(crate) struct Supply {
    told: Arc<Mutex<Vec<Effect>>>,
    _task: AbortOnDropHandle<()>,
}

impl Supply {
    /// The quarantines so far, by name and reason.
    pub(crate) fn quarantines(&self) -> Vec<(String, String)> {
        let told = self.told.lock().unwrap();
        let quarantines = told.iter().filter_map(|effect| match effect {
            Effect::Quarantined { plugin, reason } => Some((plugin.name().to_owned(), reason.clone())),
            Effect::Alert(_) | Effect::InstanceLost { .. } => None,
        });
        quarantines.collect()
    }
}

/// Makes a spare for each instance that the workers lose, as control does.
pub(crate) fn supply(router: &Router) -> Supply {
    let mut effects = router.shared.effects.take_receiver().unwrap();
    let policy = Arc::clone(&router.shared.published.load().1.policy);
    let told = Arc::<Mutex<Vec<Effect>>>::default();
    let keep = Arc::clone(&told);
    let task = TaskTracker::new().spawn(async move {
        while let Some(effect) = effects.recv().await {
            if let Effect::InstanceLost { plugin, .. } = &effect {
                let spec = policy.plugins.iter().find(|spec| spec.name == plugin.name()).unwrap();
                // A place that is taken already needs no other one.
                drop(plugin.deposit_spare(instance(plugin, spec)));
            }
            keep.lock().unwrap().push(effect);
        }
    });
    Supply { told, _task: AbortOnDropHandle::new(task) }
}

fn instance(plugin: &Plugin, spec: &sluice_policy::Plugin) -> Instance {
    let limits = limits(&spec.limits);
    Instance::new(&plugin.artifact, &spec.name, &spec.config.to_string(), &spec.grants, &limits).unwrap()
}

fn limits(limits: &Limits) -> Limits {
    Limits { call_cpu_max: CPU, state_cpu_max: CPU, init_cpu_max: Duration::from_millis(500), ..*limits }
}

/// Loads a component of the repository, as `cargo xtask plugins` leaves it.
pub(crate) fn load(spec: &sluice_policy::Plugin, cells: &Cells, workers: usize) -> Plugin {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let folder = std::env::var_os("SLUICE_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let file = folder.join(&spec.file);
    let bytes =
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", file.display()));
    let artifact = ENGINE.get_or_init(|| Engine::new().unwrap()).compile(&bytes).unwrap();
    let (config, limits) = (spec.config.to_string(), limits(&spec.limits));
    let instance = || Instance::new(&artifact, &spec.name, &config, &spec.grants, &limits).unwrap();
    let spare = instance();
    let parts = plugin::Parts::new(&artifact, spec, spare.activation(), cells).unwrap();
    Plugin::new(parts, (0..workers).map(|_| instance()).collect(), spare)
}
