//! The artifact: a plugin file, checked and compiled. Everything that can be known without running it is known here.

use std::fmt;
use std::sync::Arc;

use wasmparser::Parser;
use wasmtime::component::{Component, InstancePre};

use crate::bounds::FILE_BYTES_MAX;
use crate::contract::ContractVersion;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::exports::Exports;
use crate::host::{Host, LOGGING, TYPES};
use crate::load_error::LoadError;
use crate::manifest::Manifest;
use crate::wasi;

/// A compiled plugin. Clones share it; it keeps its engine alive.
#[derive(Clone)]
pub struct Artifact {
    shared: Arc<Shared>,
}

struct Shared {
    // Before the engine: fields drop in order.
    component: InstancePre<Host>,
    engine: Engine,
    exports: Exports,
    manifest: Manifest,
    digest: Digest,
    bytes_len: usize,
    was_kept: bool,
}

impl Artifact {
    /// See [`Engine::compile`].
    pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        check_header(bytes)?;
        let manifest = Manifest::read(bytes).map_err(LoadError::Manifest)?;
        let digest = Digest::of(bytes);
        let kept = engine.cache().and_then(|cache| cache.find(&digest));
        let was_kept = kept.is_some();
        let component = kept.map_or_else(|| compile(engine, bytes), Ok)?;
        check_imports(engine, &component)?;
        let contract = manifest.contract_version().map_err(LoadError::Manifest)?;
        let exports = Exports::find(&component, contract)?;
        let component = wasi::linker_for(engine.linker(), &component)
            .and_then(|linker| linker.instantiate_pre(&component))
            .map_err(|error| LoadError::ImportType { reason: format!("{error:#}") })?;
        if let (Some(cache), false) = (engine.cache(), was_kept) {
            // Only now: a file that is refused must push out nothing that serves.
            cache.keep(&digest, component.component());
        }
        let (engine, bytes_len) = (engine.clone(), bytes.len());
        Ok(Self { shared: Arc::new(Shared { component, engine, exports, manifest, digest, bytes_len, was_kept }) })
    }

    /// Digest of the file.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.shared.digest
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.shared.manifest
    }

    /// Version of the contract that it speaks.
    #[must_use]
    pub fn contract(&self) -> ContractVersion {
        self.shared.exports.contract()
    }

    /// Size of the file in bytes.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.shared.bytes_len
    }

    /// True if it was compiled by an earlier process and kept, see [`Engine::with_cache`].
    #[must_use]
    pub fn was_kept(&self) -> bool {
        self.shared.was_kept
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn component(&self) -> &InstancePre<Host> {
        &self.shared.component
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.shared.exports
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact")
            .field("name", &self.shared.manifest.name)
            .field("digest", &self.shared.digest.short())
            .finish_non_exhaustive()
    }
}

fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: bytes.len() });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    if Parser::is_component(bytes) { Ok(()) } else { Err(LoadError::NotWasm) }
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(engine.wasmtime(), bytes)
        .map_err(|error| LoadError::Compile { reason: format!("{error:#}") })
}

fn check_imports(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let component = component.component_type();
    let imports = component.imports(engine.wasmtime()).map(|(name, _)| name);
    let is_known = |name: &str| LOGGING.contains(&name) || TYPES.contains(&name) || wasi::access(name).is_some();
    let mut names: Vec<String> = imports.filter(|name| !is_known(name)).map(str::to_owned).collect();
    names.sort_unstable();
    if names.is_empty() { Ok(()) } else { Err(LoadError::Imports { names }) }
}
