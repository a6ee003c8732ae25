//! What two policies differ in, the plugin files that they name included: behind `sluice diff`.

use std::collections::BTreeMap;

use sluice_policy::diff::{Change, FieldChange, ItemChange};
use sluice_policy::{Diff, Folders, Policy};

use crate::fault::{Fault, FaultSource, chain};
use crate::folder::{self, PLUGIN_FILE_BYTES_MAX};
use crate::history::RevisionTexts;
use crate::input::{self, Input};

/// How a difference calls a plugin file.
const KIND: &str = "plugin file";

/// A checked policy and the digests of the plugin files that it names.
#[derive(Debug)]
pub struct Comparable {
    policy: Policy,
    plugins: BTreeMap<String, String>,
}

impl Comparable {
    /// Reads the files of `folders`. Plugins are told by their digests, not started. Blocking.
    ///
    /// # Errors
    /// Everything that is wrong with the policy files, and plugin files that cannot be read.
    pub fn of_folders(folders: &Folders) -> Result<Self, Vec<Fault>> {
        let input = Input::read(folders);
        let mut faults = input.faults;
        let policy = match sluice_policy::parse(&input.sources) {
            Ok(policy) if faults.is_empty() => policy,
            Ok(_) => return Err(faults),
            Err(more) => {
                faults.extend(more.0.into_iter().map(Fault::from));
                return Err(faults);
            }
        };
        let mut plugins = BTreeMap::new();
        for spec in &policy.plugins {
            match folder::read(&folders.plugins.join(&spec.file), PLUGIN_FILE_BYTES_MAX) {
                Ok(bytes) => {
                    plugins.insert(spec.file.clone(), input::digest(&bytes));
                }
                Err(error) => {
                    let shown = folder::shown(&folders.plugins, &spec.file);
                    faults.push(Fault::new(FaultSource::Plugin, &spec.name, chain(&error)).in_file(shown));
                }
            }
        }
        if faults.is_empty() { Ok(Self { policy, plugins }) } else { Err(faults) }
    }

    /// Takes what a router serves.
    ///
    /// # Errors
    /// Faults, if it is of another version and this one reads its files otherwise.
    pub fn of_revision(revision: &RevisionTexts) -> Result<Self, Vec<Fault>> {
        let sources: Vec<_> = revision.sources.iter().map(Into::into).collect();
        let policy = sluice_policy::parse(&sources);
        let policy = policy.map_err(|faults| faults.0.into_iter().map(Fault::from).collect::<Vec<_>>())?;
        Ok(Self { policy, plugins: revision.revision.plugins.clone() })
    }

    /// What changes from this one to `new`.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Diff {
        let mut diff = Diff::between(&self.policy, &new.policy);
        let mut files: Vec<&String> = self.plugins.keys().chain(new.plugins.keys()).collect();
        files.sort();
        files.dedup();
        diff.items.extend(files.into_iter().filter_map(|file| self.file_change(new, file)));
        diff
    }

    fn file_change(&self, new: &Self, file: &str) -> Option<ItemChange> {
        let (before, after) = (self.plugins.get(file), new.plugins.get(file));
        let (change, fields) = match (before, after) {
            (None, Some(_)) => (Change::Added, Vec::new()),
            (Some(_), None) => (Change::Removed, Vec::new()),
            (before, after) if before == after => return None,
            (before, after) => {
                let digest = FieldChange { field: "digest".to_owned(), old: before.cloned(), new: after.cloned() };
                (Change::Changed, vec![digest])
            }
        };
        Some(ItemChange { kind: KIND.to_owned(), name: file.to_owned(), change, fields })
    }
}
