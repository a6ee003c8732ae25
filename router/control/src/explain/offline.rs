//! Explaining on a folder, without a router: the folder is assembled as a reload would, and the live state is assumed.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_model::rollout::Rollout;
use sluice_model::weight::BasisPoints;
use sluice_policy::{Folders, Policy};
use sluice_snapshot::{Cells, Snapshot, Traffic};
use sluice_wasm::{Engine, Instance};

use crate::assemble::{Assembler, Ground};
use crate::explain::question::{Head, Question, QuestionError};
use crate::explain::report::Explanation;
use crate::fault::{Fault, chain};
use crate::input::Input;
use crate::place::{Candidate, Member, Place};

/// Salt of rollouts in a folder: the real one is made with the rollout, in the store.
const SALT: &str = "offline";
/// Who makes them.
const BY: &str = "explain";

/// The live state that the folder's files do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assumed {
    /// Switches by name; every other one is off.
    pub flags: BTreeMap<String, bool>,
    /// Weights of rollouts by name; every other one has its initial weight.
    pub rollouts: BTreeMap<String, BasisPoints>,
}

/// Why a folder explains nothing.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The question is none.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// A router would refuse the folder.
    #[error("a router would refuse this folder")]
    Faults(Vec<Fault>),
    /// A weight for a rollout that no policy declares.
    #[error("no policy declares the rollout `{name}`; declared: {declared}")]
    Rollout {
        /// The name.
        name: String,
        /// Those that are.
        declared: String,
    },
}

/// Answers `question` on the files of `folders`. Blocking.
///
/// # Errors
/// [`OfflineError`].
pub fn explain_folder(
    engine: &Engine,
    folders: &Folders,
    question: &Question,
    assumed: &Assumed,
) -> Result<Explanation, OfflineError> {
    let head = Head::read(question)?;
    let cells = Arc::new(Cells::new());
    let mut assembler = Assembler::new(engine.clone(), Arc::clone(&cells), 0, None);
    let assembly = assembler.assemble(&Input::read(folders), &Ground::default());
    let Some(Candidate { policy, places, .. }) = assembly.candidate else {
        return Err(OfflineError::Faults(assembly.faults));
    };
    if let Some(name) = assumed.rollouts.keys().find(|name| !policy.rollouts.iter().any(|known| known.name == **name)) {
        let declared: Vec<&str> = policy.rollouts.iter().map(|rollout| rollout.name.as_str()).collect();
        return Err(OfflineError::Rollout { name: name.clone(), declared: declared.join(", ") });
    }
    let seats = places.iter().map(Place::seat).collect();
    let snapshot = Snapshot::new(0, policy, seats, &cells, &Traffic::new(0));
    assume(&snapshot.policy, &cells, assumed);
    let mut probes: Vec<Option<Instance>> = places.into_iter().map(probe_of).collect();
    let mut probe = |index: usize| {
        let instance = probes[index].take().ok_or("it has no instance")?;
        tell(instance, &snapshot, index)
    };
    let mut explanation = super::explain(&snapshot, &head, &mut probe);
    explanation.notes.extend(notes(&snapshot.policy, &explanation));
    Ok(explanation)
}

/// Makes the live state what is assumed.
fn assume(policy: &Policy, cells: &Cells, assumed: &Assumed) {
    for (name, value) in &assumed.flags {
        cells.apply_switch(name, Some(*value));
    }
    for rollout in &policy.rollouts {
        let weight = assumed.rollouts.get(&rollout.name).copied().unwrap_or(rollout.initial);
        let cell = cells.rollout(&rollout.name, rollout.into());
        cell.apply(Rollout::initial(weight, SALT.to_owned(), BY, 0));
    }
}

fn probe_of(place: Place) -> Option<Instance> {
    match place.into_members().next()? {
        Member::New(loaded) => Some(loaded.probe),
        Member::Kept(_) => None,
    }
}

/// Tells an instance of the state that it was made without.
fn tell(mut instance: Instance, snapshot: &Snapshot, index: usize) -> Result<Instance, String> {
    let Some(plugin) = snapshot.seats[index].plugin() else { return Ok(instance) };
    for cell in &plugin.state {
        let (_, value) = cell.read();
        let told = instance.on_state(cell.key(), value.as_deref());
        told.map_err(|error| format!("fails on the value of `{}`: {}", cell.key(), chain(&error)))?;
    }
    Ok(instance)
}

fn notes(policy: &Policy, explanation: &Explanation) -> Vec<String> {
    let mut notes = vec![
        "asked of files alone: flags are off and rollouts have their initial weight unless --flag and \
        --rollout say otherwise; servers that join by themselves are not known"
            .to_owned(),
    ];
    if explanation.rollout.is_some() {
        let note = "a running router draws slots with a salt of its own: ask it with --admin for this user's real slot";
        notes.push(note.to_owned());
    }
    if policy.routes.is_empty() {
        notes.push("the policy has no route at all".to_owned());
    }
    notes
}
