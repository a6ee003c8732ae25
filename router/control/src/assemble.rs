//! Assembling: policy texts and plugin files -> a complete candidate, or every fault of them at once.
//!
//! A plugin whose file is at fault holds nothing else back: the digest that served goes on, or its seat stays empty, as
//! the policy says (`release/choice.rs`). Blocking, and free of the runtime: the builder runs it in the workshop,
//! `sluice check` runs it by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_policy::{Policy, TrialSpec};
use sluice_snapshot::plugin::Trial;
use sluice_snapshot::{Cells, PluginKey, Seat};
use sluice_wasm::{Artifact, Engine};

use crate::examine::Examiner;
use crate::fault::{Fault, FaultSource, chain};
use crate::folder;
use crate::input::Input;
use crate::last_good::LastGood;
use crate::load;
use crate::place::{Candidate, Member, Place, Tried};
use crate::plugin_info::{PluginInfo, PluginState};
use crate::references;
use crate::release::choice::{Choice, Situation, choose, fall_back};
use crate::release::ledger::{Ledger, short};

/// Plugin files that a hint lists.
const FILES_NAMED_MAX: usize = 8;
/// Instances of all plugins: one per worker, a spare and a probe each, twice for a plugin that may be on trial. On 64 bit
/// each reserves 4 GiB of address space, of which a process has 128 TiB: this is a quarter, so that two revisions fit.
pub(crate) const INSTANCES_MAX: usize = 8_192;
/// Instances of a plugin beside those of the workers: the spare and the probe.
const INSTANCES_BESIDE: usize = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Assembler {
    examiner: Examiner,
    cells: Arc<Cells>,
    workers: usize,
}

/// What an input is assembled on.
#[derive(Debug, Default)]
pub(crate) struct Ground {
    /// What can be shared.
    pub(crate) serving: Vec<Seat>,
    /// By name of the plugin. Empty = each file serves at once, as in a revision that is served again.
    pub(crate) ledgers: BTreeMap<String, Ledger>,
    pub(crate) now_ms: u64,
}

/// What came of an input.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// Complete, or missing because of a fault.
    pub(crate) candidate: Option<Candidate>,
    /// Everything that is wrong, with unused files and with plugins that are replaced too.
    pub(crate) faults: Vec<Fault>,
    /// Plugins and files that are refused or unused.
    pub(crate) plugins: Vec<PluginInfo>,
    /// Digest of the file of each plugin that the policy names, if it compiles; `None` = there is no policy.
    pub(crate) digests: Option<BTreeMap<String, String>>,
    /// True if something else than its file serves for a plugin, or nothing, because its file is at fault.
    pub(crate) is_replaced: bool,
}

/// One plugin of a policy on its way to a place.
struct Task<'a> {
    ground: &'a Ground,
    policy: &'a Policy,
    index: usize,
    /// How faults call its file.
    shown: Option<String>,
}

impl Assembler {
    pub(crate) fn new(engine: Engine, cells: Arc<Cells>, workers: usize, last_good: Option<Arc<LastGood>>) -> Self {
        Self { examiner: Examiner::new(engine, last_good), cells, workers }
    }

    /// Turns `input` into a candidate that shares what it can with what serves. Blocking: it may compile.
    pub(crate) fn assemble(&mut self, input: &Input, ground: &Ground) -> Assembly {
        let mut assembly = Assembly { faults: input.faults.clone(), ..Assembly::default() };
        self.examiner.forget_others(input);
        let policy = match sluice_policy::parse(&input.sources) {
            Ok(policy) => policy,
            Err(faults) => {
                assembly.faults.extend(faults.0.into_iter().map(Fault::from));
                return assembly;
            }
        };
        let unread = input.faults.iter().any(|fault| fault.source == FaultSource::Policy);
        if let Some(fault) = self.too_many(&policy) {
            assembly.faults.push(fault);
            return assembly;
        }
        assembly.digests = Some(BTreeMap::new());
        let places: Vec<Option<Place>> =
            (0..policy.plugins.len()).map(|index| self.place(&mut assembly, input, ground, &policy, index)).collect();
        self.look_at_unused(&mut assembly, input, &policy);
        if let (false, Some(places)) = (unread, places.into_iter().collect()) {
            assembly.candidate = Some(Candidate { policy: Arc::new(policy), sources: input.sources.clone(), places });
        }
        assembly
    }

    /// The plugin of this index with a digest that served before. Blocking: it may compile.
    pub(crate) fn earlier(
        &self,
        ground: &Ground,
        policy: &Policy,
        index: usize,
        digest: &str,
    ) -> Result<Member, Box<Fault>> {
        let task = Task { ground, policy, index, shown: None };
        let artifact = self.examiner.kept(digest, &ground.serving).map_err(|message| task.fault(message))?;
        self.member(&task, &artifact)
    }

    /// Digests of all files that are known to compile.
    pub(crate) fn digests(&self) -> BTreeSet<String> {
        self.examiner.digests()
    }

    fn too_many(&self, policy: &Policy) -> Option<Fault> {
        let on_trial = policy.plugins.iter().filter(|spec| spec.release.trial.is_some()).count();
        let plugins = policy.plugins.len() + on_trial;
        let instances = plugins.saturating_mul(self.workers + INSTANCES_BESIDE);
        (instances > INSTANCES_MAX).then(|| {
            let message = format!(
                "{} plugins, {on_trial} of them with a trial, need {instances} instances on {} workers; at most \
                 {INSTANCES_MAX} may live",
                policy.plugins.len(),
                self.workers
            );
            Fault::new(FaultSource::Policy, "plugins", message)
        })
    }

    /// The place of the plugin of this index; `None` = it holds the policy back.
    fn place(
        &mut self,
        assembly: &mut Assembly,
        input: &Input,
        ground: &Ground,
        policy: &Policy,
        index: usize,
    ) -> Option<Place> {
        let spec = &policy.plugins[index];
        let unknown = Ledger::default();
        let file = input.plugin_file(spec);
        let task = Task { ground, policy, index, shown: file.map(|file| file.shown.clone()) };
        let found = match file {
            Some(file) => self.examiner.artifact(file).map_err(|message| task.fault(message)),
            None => Err(task.missing(input)),
        };
        let digest = found.as_ref().ok().map(|artifact| artifact.digest().to_string());
        let known = assembly.digests.get_or_insert_default();
        known.extend(digest.clone().map(|digest| (spec.name.clone(), digest)));
        let situation = Situation {
            folder: digest.as_deref(),
            ledger: ground.ledgers.get(&spec.name).unwrap_or(&unknown),
            has_trial: spec.release.trial.is_some(),
            on_load_failure: spec.on_failure.load,
        };
        let mut faults = Vec::new();
        let place = match found {
            Ok(artifact) => self.place_of_file(&task, situation, &artifact, &mut faults),
            Err(fault) => {
                let choice = fall_back(situation, None);
                faults.push(*fault);
                self.place_without_file(&task, choice, &mut faults)
            }
        };
        if let Some(fault) = faults.first() {
            let info = PluginInfo::named(&spec.name, &spec.file, PluginState::Refused);
            assembly.plugins.push(PluginInfo { fault: Some(fault.message.clone()), ..info });
        }
        assembly.is_replaced |= !faults.is_empty();
        assembly.faults.append(&mut faults);
        place
    }

    /// The place of a plugin whose file compiles.
    fn place_of_file(
        &self,
        task: &Task<'_>,
        situation: Situation<'_>,
        artifact: &Artifact,
        faults: &mut Vec<Fault>,
    ) -> Option<Place> {
        let choice = choose(situation);
        let main = match &choice {
            Choice::Trial { main } => self.earlier(task.ground, task.policy, task.index, main).ok(),
            Choice::Folder => None,
            Choice::Held { hold, .. } => {
                if hold.is_quarantined {
                    faults.push(task.quarantined(&hold.digest, &hold.reason));
                }
                return self.place_without_file(task, choice, faults);
            }
            Choice::FallBack { .. } | Choice::Empty(_) | Choice::Refused => {
                let reason = situation.folder.and_then(|digest| situation.ledger.held(digest)).map(|hold| hold.reason);
                let digest = situation.folder.unwrap_or_default();
                faults.push(task.quarantined(digest, &reason.unwrap_or_default()));
                return self.place_without_file(task, choice, faults);
            }
        };
        match (self.member(task, artifact), main, task.spec().release.trial) {
            (Ok(member), Some(main), Some(spec)) => {
                Some(Place::Taken { member: main, tried: Some(task.tried(member, &spec)) })
            }
            (Ok(member), ..) => Some(Place::of(member)),
            (Err(fault), ..) => {
                faults.push(*fault);
                self.place_without_file(task, fall_back(situation, situation.folder), faults)
            }
        }
    }

    /// The place of a plugin whose file must not serve, or cannot: why is the last of `faults`, if it is one.
    fn place_without_file(&self, task: &Task<'_>, choice: Choice, faults: &mut Vec<Fault>) -> Option<Place> {
        match choice {
            Choice::Held { main, .. } | Choice::FallBack { main } | Choice::Trial { main } => {
                match self.earlier(task.ground, task.policy, task.index, &main) {
                    Ok(member) => {
                        let version = &member.plugin().artifact.manifest().version;
                        task.hint(faults, &format!("digest {} ({version}) serves meanwhile", short(&main)));
                        Some(Place::of(member))
                    }
                    Err(fault) => {
                        faults.push(*fault);
                        None
                    }
                }
            }
            Choice::Empty(policy) => {
                task.hint(faults, "the policy goes on without it meanwhile, as its on_failure.load says");
                Some(Place::Empty(policy))
            }
            Choice::Refused | Choice::Folder => {
                if !task.is_known() {
                    task.hint(
                        faults,
                        "no digest of it served before that could serve meanwhile, so the policy waits for it; \
                         on_failure = { load = \"open\" } lets it go on without",
                    );
                }
                None
            }
        }
    }

    fn member(&self, task: &Task<'_>, artifact: &Artifact) -> Result<Member, Box<Fault>> {
        let spec = task.spec();
        let key = PluginKey::of(artifact, spec);
        let kept = task.ground.serving.iter().flat_map(Seat::occupants).find(|plugin| plugin.key == key);
        let member = match kept {
            Some(plugin) => Member::Kept(Arc::clone(plugin)),
            None => {
                let loaded = load::load(artifact, spec, &self.cells, self.workers);
                Member::New(Box::new(loaded.map_err(|refusal| task.fault(chain(&refusal)))?))
            }
        };
        references::check(task.policy, task.index, member.plugin()).map_err(|message| task.fault(message))?;
        Ok(member)
    }

    /// Examines files that no policy names: what is wrong with them is shown, and stops nothing.
    fn look_at_unused(&mut self, assembly: &mut Assembly, input: &Input, policy: &Policy) {
        let unused =
            input.plugin_files.iter().filter(|(name, _)| !policy.plugins.iter().any(|spec| spec.file == **name));
        for (name, file) in unused {
            let compiled = self.examiner.artifact(file);
            let tried = compiled
                .and_then(|artifact| self.examiner.start_alone(file, &artifact, &self.cells).map(|()| artifact));
            assembly.plugins.push(match tried {
                Ok(artifact) => PluginInfo::unused(name, &artifact),
                Err(message) => {
                    let fault = Fault::new(FaultSource::Plugin, &file.shown, &message).in_file(&file.shown);
                    assembly.faults.push(fault);
                    PluginInfo { fault: Some(message), ..PluginInfo::named(name, name, PluginState::Refused) }
                }
            });
        }
    }
}

impl Task<'_> {
    fn spec(&self) -> &sluice_policy::Plugin {
        &self.policy.plugins[self.index]
    }

    /// True if a digest of it served before.
    fn is_known(&self) -> bool {
        self.ground.ledgers.get(&self.spec().name).is_some_and(|ledger| ledger.serving().is_some())
    }

    fn fault(&self, message: String) -> Box<Fault> {
        let fault = Fault::new(FaultSource::Plugin, &self.spec().name, message);
        Box::new(match &self.shown {
            Some(shown) => fault.in_file(shown),
            None => fault,
        })
    }

    fn missing(&self, input: &Input) -> Box<Fault> {
        if !input.is_plugin_folder_read() {
            return self.fault("the plugin folder cannot be read".to_owned());
        }
        let message = format!("there is no file `{}` in the plugin folder", self.spec().file);
        Box::new(Fault { hint: Some(files_hint(input)), ..*self.fault(message) })
    }

    fn quarantined(&self, digest: &str, reason: &str) -> Fault {
        let message = format!("digest {} is quarantined, for it was over its budget: {reason}", short(digest));
        let hint = format!("another file takes over; `sluice plugin release {}` lets this one serve", self.spec().name);
        Fault { hint: Some(hint), ..*self.fault(message) }
    }

    /// Says more about the last fault, if there is one.
    fn hint(&self, faults: &mut [Fault], text: &str) {
        if let Some(fault) = faults.last_mut() {
            fault.hint = Some(fault.hint.take().map_or_else(|| text.to_owned(), |hint| format!("{hint}; {text}")));
        }
    }

    /// The trial of `member`: the one that is on its way, if it is the same.
    fn tried(&self, member: Member, spec: &TrialSpec) -> Tried {
        let is_same = |trial: &&Arc<Trial>| {
            Arc::ptr_eq(&trial.plugin, member.plugin()) && trial.mode == spec.mode && trial.share == spec.share
        };
        let known = self.ground.serving.iter().filter_map(Seat::trial).find(is_same).cloned();
        let begin = || Arc::new(Trial::new(Arc::clone(member.plugin()), spec.mode, spec.share, self.ground.now_ms));
        Tried { trial: known.unwrap_or_else(begin), member }
    }
}

fn files_hint(input: &Input) -> String {
    let names: Vec<String> =
        input.plugin_files.keys().map(|name| folder::printable(name)).take(FILES_NAMED_MAX).collect();
    match names.as_slice() {
        [] => "it has no .wasm file".to_owned(),
        names => format!("it has {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use sluice_policy::Source;

    use super::*;

    const PLUGIN: &str = "[plugins.a]\nfile = \"a.wasm\"\n";
    const TRIAL: &str = "release = { trial = \"shadow\" }\n";

    fn too_many(text: &str, workers: usize) -> Option<Fault> {
        let source = Source { file: "routes.d/a.toml".to_owned(), text: text.to_owned() };
        let policy = sluice_policy::parse(&[source]).unwrap();
        Assembler::new(Engine::new().unwrap(), Arc::new(Cells::new()), workers, None).too_many(&policy)
    }

    #[test]
    fn instances_are_bounded_over_all_plugins_and_their_trials() {
        assert_eq!(too_many(PLUGIN, INSTANCES_MAX - INSTANCES_BESIDE), None);
        assert!(too_many(PLUGIN, INSTANCES_MAX - INSTANCES_BESIDE + 1).is_some());
        let tried = format!("{PLUGIN}{TRIAL}");
        assert_eq!(too_many(&tried, INSTANCES_MAX / 2 - INSTANCES_BESIDE), None);
        let fault = too_many(&tried, INSTANCES_MAX / 2 - INSTANCES_BESIDE + 1).unwrap();
        assert!(fault.message.contains("1 plugins, 1 of them with a trial, need 8194 instances"), "{fault}");
    }
}
