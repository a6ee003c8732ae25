//! What a pool's controller remembers and what it decided: a file per pool in the folder of state, for the next leader and for
//! `scale explain`; and the word of an operator.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sluice_infra_scale::{Decision, State};

/// Decisions that are kept of a pool; the oldest go first.
const DECISIONS_MAX: usize = 500;
/// Folder, in the folder of state.
const FOLDER: &str = "scale";

/// One decision, as it is kept. Rounds that decided the same again are one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The decision, of the first round.
    #[serde(flatten)]
    pub(crate) decision: Decision,
    /// When it was last decided so, ms since the Unix epoch.
    pub(crate) until_ms: u64,
}

/// The memory of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// What its controller goes on from.
    pub(crate) state: State,
    /// What it decided, oldest first.
    pub(crate) decisions: Vec<Record>,
}

impl Memory {
    /// The memory of a pool; nothing, if there is none yet.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(state_folder: &Path, pool: &str) -> anyhow::Result<Self> {
        let file = file(state_folder, pool);
        match fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            read => {
                let text = read.with_context(|| format!("read {}", file.display()))?;
                serde_json::from_slice(&text).with_context(|| format!("understand {}", file.display()))
            }
        }
    }

    /// Adds a decision; true if it says something new.
    pub(crate) fn add(&mut self, decision: &Decision) -> bool {
        if let Some(last) = self.decisions.last_mut()
            && last.decision.reasons == decision.reasons
            && last.decision.actions.is_empty()
            && decision.actions.is_empty()
        {
            last.until_ms = decision.at_ms;
            return false;
        }
        self.decisions.push(Record { decision: decision.clone(), until_ms: decision.at_ms });
        let too_many = self.decisions.len().saturating_sub(DECISIONS_MAX);
        self.decisions.drain(..too_many);
        true
    }

    /// Writes it down, whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, state_folder: &Path, pool: &str) -> anyhow::Result<()> {
        write(&file(state_folder, pool), &serde_json::to_vec(self).context("write a memory as JSON")?)
    }
}

/// How many droplets an operator has set, if one has.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn fixed(state_folder: &Path, pool: &str) -> anyhow::Result<Option<u32>> {
    let file = fixed_file(state_folder, pool);
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => {
            let text = read.with_context(|| format!("read {}", file.display()))?;
            Ok(Some(text.trim().parse().with_context(|| format!("understand {}", file.display()))?))
        }
    }
}

/// Sets how many droplets there are to be, or lets the controller decide again.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn fix(state_folder: &Path, pool: &str, droplets: Option<u32>) -> anyhow::Result<()> {
    let file = fixed_file(state_folder, pool);
    match droplets {
        Some(droplets) => write(&file, droplets.to_string().as_bytes()),
        None => match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", file.display()))
            }
            _gone => Ok(()),
        },
    }
}

fn file(state_folder: &Path, pool: &str) -> PathBuf {
    state_folder.join(FOLDER).join(format!("{pool}.json"))
}

fn fixed_file(state_folder: &Path, pool: &str) -> PathBuf {
    state_folder.join(FOLDER).join(format!("{pool}.fixed"))
}

/// A crash leaves what was there before, or this.
fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| {
        let fresh = file.with_extension("fresh");
        fs::File::create(&fresh).and_then(|mut opened| opened.write_all(content))?;
        fs::rename(&fresh, file)
    });
    written.with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use sluice_infra_scale::Action;

    use super::*;

    fn decision(at_ms: u64, reason: &str) -> Decision {
        Decision { at_ms, reasons: vec![reason.to_owned()], ..Decision::default() }
    }

    #[test]
    fn rounds_that_say_the_same_are_one_record_and_deeds_are_not() {
        let mut memory = Memory::default();
        assert!(memory.add(&decision(1, "stays")) && !memory.add(&decision(2, "stays")));
        assert_eq!((memory.decisions.len(), memory.decisions[0].until_ms), (1, 2));
        let deed = Decision { actions: vec![Action::Create(1)], ..decision(3, "stays") };
        assert!(memory.add(&deed) && memory.add(&deed), "each deed is told");
        for at_ms in 0..DECISIONS_MAX as u64 + 1 {
            memory.add(&decision(at_ms, &at_ms.to_string()));
        }
        assert_eq!(memory.decisions.len(), DECISIONS_MAX);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory::read(folder.path(), "app").unwrap();
        memory.add(&decision(1, "stays"));
        memory.write(folder.path(), "app").unwrap();
        assert_eq!(Memory::read(folder.path(), "app").unwrap(), memory);
        assert_eq!(fixed(folder.path(), "app").unwrap(), None);
        fix(folder.path(), "app", Some(3)).unwrap();
        assert_eq!(fixed(folder.path(), "app").unwrap(), Some(3));
        fs::write(fixed_file(folder.path(), "app"), "three").unwrap();
        assert!(fixed(folder.path(), "app").is_err(), "a word that is not understood is not `auto`");
        fix(folder.path(), "app", None).unwrap();
        fix(folder.path(), "app", None).unwrap();
        assert_eq!(fixed(folder.path(), "app").unwrap(), None);
    }
}
