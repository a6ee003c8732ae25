//! Assembling: policy texts and plugin files -> a complete candidate, or every fault of them at once.
//!
//! Blocking, and free of the runtime: the builder runs it in the workshop, `sluice check` runs it by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use sluice_policy::{Policy, Source};
use sluice_snapshot::{Cells, Plugin, PluginKey};
use sluice_wasm::{Artifact, Engine, LoadError};

use crate::fault::{Fault, FaultSource, chain};
use crate::folder::{self, PLUGIN_FILE_BYTES_MAX, Stamp};
use crate::input::{Input, PluginFile};
use crate::last_good::LastGood;
use crate::load::{self, Blueprint, Loaded, Refusal};
use crate::references;
use crate::status::{PluginInfo, PluginState};

/// Plugin files that a hint lists.
const FILES_NAMED_MAX: usize = 8;

/// Compiles each file once, and remembers what came of it while the file stays as it is.
#[derive(Debug)]
pub(crate) struct Assembler {
    engine: Engine,
    cells: Arc<Cells>,
    workers: usize,
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

/// What came of an input.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// Complete, or missing because of a fault.
    pub(crate) candidate: Option<Candidate>,
    /// Everything that is wrong, with unused files too.
    pub(crate) faults: Vec<Fault>,
    /// Plugins and files that are refused or unused.
    pub(crate) plugins: Vec<PluginInfo>,
}

/// What could be published.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) policy: Arc<Policy>,
    pub(crate) sources: Vec<Source>,
    /// Parallel to the policy's plugins.
    pub(crate) members: Vec<Member>,
}

/// A plugin of a candidate.
#[derive(Debug)]
pub(crate) enum Member {
    /// Serves already, and is the same.
    Kept(Arc<Plugin>),
    /// Made for this candidate.
    New(Box<Loaded>),
}

impl Member {
    pub(crate) const fn plugin(&self) -> &Arc<Plugin> {
        match self {
            Self::Kept(plugin) => plugin,
            Self::New(loaded) => &loaded.plugin,
        }
    }
}

impl Assembler {
    pub(crate) fn new(engine: Engine, cells: Arc<Cells>, workers: usize, last_good: Option<Arc<LastGood>>) -> Self {
        Self { engine, cells, workers, last_good, files: BTreeMap::new() }
    }

    /// Turns `input` into a candidate that shares what it can with `serving`. Blocking: it may compile.
    pub(crate) fn assemble(&mut self, input: &Input, serving: &[Arc<Plugin>]) -> Assembly {
        let mut assembly = Assembly { faults: input.faults.clone(), ..Assembly::default() };
        self.files.retain(|path, _| input.plugin_files.values().any(|file| file.path == *path));
        let policy = match sluice_policy::parse(&input.sources) {
            Ok(policy) => policy,
            Err(faults) => {
                assembly.faults.extend(faults.0.into_iter().map(Fault::from));
                return assembly;
            }
        };
        let members: Vec<Option<Member>> =
            (0..policy.plugins.len()).map(|index| self.member(&mut assembly, input, &policy, index, serving)).collect();
        let complete = assembly.faults.is_empty();
        self.look_at_unused(&mut assembly, input, &policy);
        if let (true, Some(members)) = (complete, members.into_iter().collect()) {
            assembly.candidate = Some(Candidate { policy: Arc::new(policy), sources: input.sources.clone(), members });
        }
        assembly
    }

    /// Digests of all files that are known to compile.
    pub(crate) fn digests(&self) -> BTreeSet<String> {
        self.files.values().filter_map(|file| Some(file.compiled.as_ref().ok()?.digest().to_string())).collect()
    }

    /// The plugin of this index, kept or made; `None` = at fault.
    fn member(
        &mut self,
        assembly: &mut Assembly,
        input: &Input,
        policy: &Policy,
        index: usize,
        serving: &[Arc<Plugin>],
    ) -> Option<Member> {
        let spec = &policy.plugins[index];
        match self.try_member(input, policy, index, serving) {
            Ok(member) => Some(member),
            Err(fault) => {
                let info = PluginInfo::named(&spec.name, &spec.file, PluginState::Refused);
                assembly.plugins.push(PluginInfo { fault: Some(fault.message.clone()), ..info });
                assembly.faults.push(*fault);
                None
            }
        }
    }

    fn try_member(
        &mut self,
        input: &Input,
        policy: &Policy,
        index: usize,
        serving: &[Arc<Plugin>],
    ) -> Result<Member, Box<Fault>> {
        let spec = &policy.plugins[index];
        let fault = |message: String| Box::new(Fault::new(FaultSource::Plugin, &spec.name, message));
        let Some(file) = input.plugin_files.get(&spec.file) else {
            let message = format!("there is no file `{}` in the plugin folder", spec.file);
            return Err(Box::new(Fault { hint: Some(files_hint(input)), ..*fault(message) }));
        };
        let fault = |message: String| Box::new(fault(message).in_file(&file.shown));
        let artifact = self.artifact(file).map_err(fault)?;
        let key = PluginKey::of(&artifact, spec);
        let kept = serving.iter().find(|plugin| plugin.key == key);
        let member = match kept {
            Some(plugin) => Member::Kept(Arc::clone(plugin)),
            None => {
                let loaded = load::load(&artifact, spec, &self.cells, self.workers);
                Member::New(Box::new(loaded.map_err(|refusal| fault(chain(&refusal)))?))
            }
        };
        references::check(policy, index, member.plugin()).map_err(fault)?;
        Ok(member)
    }

    /// The compiled file, compiled anew only if the file moved.
    fn artifact(&mut self, file: &PluginFile) -> Result<Artifact, String> {
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

    fn compile(&self, file: &PluginFile) -> Result<Artifact, String> {
        let bytes = folder::read(&file.path, PLUGIN_FILE_BYTES_MAX).map_err(|error| chain(&error))?;
        let artifact = match self.known(&sluice_wasm::Digest::of(&bytes)) {
            Some(artifact) => artifact,
            None => self.engine.compile(&bytes).map_err(|error| chain(&error))?,
        };
        let digest = artifact.digest().to_string();
        if file.digest.as_ref().is_some_and(|expected| *expected != digest) {
            return Err("the kept file is not the one that was kept".to_owned());
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

    /// Examines files that no policy names: what is wrong with them is shown, and stops nothing.
    fn look_at_unused(&mut self, assembly: &mut Assembly, input: &Input, policy: &Policy) {
        let unused =
            input.plugin_files.iter().filter(|(name, _)| !policy.plugins.iter().any(|spec| spec.file == **name));
        for (name, file) in unused {
            let compiled = self.artifact(file);
            let tried = compiled.and_then(|artifact| self.start_alone(file, &artifact).map(|()| artifact));
            assembly.plugins.push(match tried {
                Ok(artifact) => {
                    let manifest = artifact.manifest();
                    PluginInfo {
                        digest: Some(artifact.digest().to_string()),
                        version: Some(manifest.version.clone()),
                        ..PluginInfo::named(&manifest.name, name, PluginState::Unused)
                    }
                }
                Err(message) => {
                    let fault = Fault::new(FaultSource::Plugin, &file.shown, &message).in_file(&file.shown);
                    assembly.faults.push(fault);
                    PluginInfo { fault: Some(message), ..PluginInfo::named(name, name, PluginState::Refused) }
                }
            });
        }
    }

    fn start_alone(&mut self, file: &PluginFile, artifact: &Artifact) -> Result<(), String> {
        let Some(examined) = self.files.get_mut(&file.path) else { return Ok(()) };
        let cells = &self.cells;
        examined.alone.get_or_insert_with(|| start_alone(artifact, cells)).clone()
    }
}

/// Starts a plugin that has everything it needs and no configuration. That it wants one is no fault.
fn start_alone(artifact: &Artifact, cells: &Cells) -> Result<(), String> {
    match Blueprint::alone(artifact.clone()).instance(cells) {
        Ok(_) => Ok(()),
        Err(Refusal::Load(LoadError::Config { .. })) => Ok(()),
        Err(refusal) => Err(chain(&refusal)),
    }
}

fn files_hint(input: &Input) -> String {
    let names: Vec<&str> = input.plugin_files.keys().map(String::as_str).take(FILES_NAMED_MAX).collect();
    match names.as_slice() {
        [] => "it has no .wasm file".to_owned(),
        names => format!("it has {}", names.join(", ")),
    }
}
