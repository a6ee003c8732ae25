//! Plugin files examined: each is compiled once, and what came of it is remembered while the file stays as it is.
//!
//! Blocking. Whether a plugin may serve is not decided here (`assemble`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use sluice_snapshot::{Cells, Seat};
use sluice_wasm::{Artifact, Engine, LoadError};

use crate::fault::chain;
use crate::folder::{self, PLUGIN_FILE_BYTES_MAX, Stamp};
use crate::input::{Input, PluginFile};
use crate::last_good::LastGood;
use crate::load::{Blueprint, Refusal};
use crate::release::ledger::short;

/// See the module.
#[derive(Debug)]
pub(crate) struct Examiner {
    engine: Engine,
    /// Keeps the bytes of what compiles; `None` = keeps nothing.
    last_good: Option<Arc<LastGood>>,
    files: BTreeMap<PathBuf, Examined>,
}

/// What came of a plugin file.
#[derive(Debug)]
struct Examined {
    stamp: Stamp,
    compiled: Result<Artifact, String>,
    /// Whether it would start without any configuration; tried only while no policy names it.
    alone: Option<Result<(), String>>,
}

impl Examiner {
    pub(crate) const fn new(engine: Engine, last_good: Option<Arc<LastGood>>) -> Self {
        Self { engine, last_good, files: BTreeMap::new() }
    }

    /// Forgets files that `input` does not have.
    pub(crate) fn forget_others(&mut self, input: &Input) {
        self.files.retain(|path, _| input.plugin_files.values().any(|file| file.path == *path));
    }

    /// Digests of all files that are known to compile.
    pub(crate) fn digests(&self) -> BTreeSet<String> {
        self.files.values().filter_map(|file| Some(file.compiled.as_ref().ok()?.digest().to_string())).collect()
    }

    /// The compiled file, compiled anew only if the file moved.
    pub(crate) fn artifact(&mut self, file: &PluginFile) -> Result<Artifact, String> {
        let stamp = Stamp::read(&file.path).ok_or("the file is gone, or a link that leads nowhere")?;
        match self.files.get(&file.path) {
            Some(known) if known.stamp == stamp => known.compiled.clone(),
            _ => {
                let compiled = self.compile(file);
                let examined = Examined { stamp, compiled: compiled.clone(), alone: None };
                self.files.insert(file.path.clone(), examined);
                compiled
            }
        }
    }

    /// A digest that served before: what serves by now, or the bytes that were kept of it.
    pub(crate) fn kept(&self, digest: &str, serving: &[Seat]) -> Result<Artifact, String> {
        let mut occupants = serving.iter().flat_map(Seat::occupants);
        if let Some(plugin) = occupants.find(|plugin| plugin.key.digest == digest) {
            return Ok(plugin.artifact.clone());
        }
        let kept = self.last_good.as_ref().ok_or("no earlier file is kept")?;
        let file = kept.plugin_file(digest);
        self.compile(&file).map_err(|reason| format!("the kept file of digest {}: {reason}", short(digest)))
    }

    /// Starts a plugin that has everything it needs and no configuration. That it wants one is no fault.
    pub(crate) fn start_alone(&mut self, file: &PluginFile, artifact: &Artifact, cells: &Cells) -> Result<(), String> {
        let Some(examined) = self.files.get_mut(&file.path) else { return Ok(()) };
        examined.alone.get_or_insert_with(|| start_alone(artifact, cells)).clone()
    }

    fn compile(&self, file: &PluginFile) -> Result<Artifact, String> {
        let bytes = folder::read(&file.path, PLUGIN_FILE_BYTES_MAX).map_err(|error| chain(&error))?;
        let artifact = match self.known(&sluice_wasm::Digest::of(&bytes)) {
            Some(artifact) => artifact,
            None => self.engine.compile(&bytes).map_err(|error| chain(&error))?,
        };
        let digest = artifact.digest().to_string();
        if file.digest.as_ref().is_some_and(|expected| *expected != digest) {
            return Err("it is not the one that was kept".to_owned());
        }
        if let Some(Err(error)) = self.last_good.as_ref().map(|kept| kept.keep(&digest, &bytes)) {
            tracing::warn!(%error, file = file.shown, "plugin file not kept for the next start");
        }
        Ok(artifact)
    }

    /// The same bytes under another name, or under this one before it was touched.
    fn known(&self, digest: &sluice_wasm::Digest) -> Option<Artifact> {
        let compiled = self.files.values().filter_map(|file| file.compiled.as_ref().ok());
        compiled.into_iter().find(|artifact| artifact.digest() == digest).cloned()
    }
}

fn start_alone(artifact: &Artifact, cells: &Cells) -> Result<(), String> {
    match Blueprint::alone(artifact.clone()).instance(cells) {
        Ok(_) => Ok(()),
        Err(Refusal::Load(LoadError::Config { .. })) => Ok(()),
        Err(refusal) => Err(chain(&refusal)),
    }
}
