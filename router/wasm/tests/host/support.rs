//! What the tests share: an engine, the components of the repository, and the guest that is written as text.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use sluice_wasm::{Artifact, Engine, Grants, Instance, Limits, LoadError};

/// Enough for a plugin that behaves, in an unoptimised host on a busy machine.
pub(crate) const LIMITS: Limits = Limits {
    call_cpu_max: Duration::from_millis(200),
    state_cpu_max: Duration::from_millis(200),
    init_cpu_max: Duration::from_millis(500),
    ..Limits::DEFAULT
};

/// The engine of this test process.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().unwrap())
}

/// A component of the repository, as `cargo xtask plugins` leaves it.
pub(crate) fn built(name: &str) -> Artifact {
    let folder = std::env::var_os("SLUICE_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    let bytes =
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", file.display()));
    engine().compile(&bytes).unwrap()
}

/// The guest written as text, to be made wrong.
#[derive(Clone)]
pub(crate) struct Guest(String);

impl Guest {
    /// Of the newest contract.
    pub(crate) fn new() -> Self {
        Self(include_str!("guest.wat").to_owned())
    }

    /// Of contract 0.1.
    pub(crate) fn old() -> Self {
        Self(include_str!("guest-0.1.wat").to_owned())
    }

    /// Replaces what stands between `(; name ;)` and `(; end ;)`.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        let marker = format!("(; {name} ;)");
        let (before, rest) = self.0.split_once(&marker).unwrap_or_else(|| panic!("no {marker}"));
        let (_, after) = rest.split_once("(; end ;)").unwrap();
        Self(format!("{before}{marker} {text} (; end ;){after}"))
    }

    /// Replaces one piece of its text.
    pub(crate) fn replace(self, from: &str, to: &str) -> Self {
        assert_eq!(self.0.matches(from).count(), 1, "{from}");
        Self(self.0.replace(from, to))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        wat::parse_str(&self.0).unwrap()
    }

    pub(crate) fn compile(&self) -> Result<Artifact, LoadError> {
        engine().compile(&self.bytes())
    }

    /// An instance with everything granted.
    pub(crate) fn start(&self, limits: &Limits) -> Result<Instance, LoadError> {
        Instance::new(&self.compile()?, "guest", "{}", &Grants::everything(), limits)
    }
}
