//! The last published revisions on disk, so that an operator can see what changed and go back.
//!
//! `history/REVISION.json` holds what the last good revision holds: policy texts and digests of plugin files, whose bytes
//! lie with those of the last good one. `history/pin.json` says that one of them serves in place of the files. The same
//! input published again, as by each restart, is one revision under several numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sluice_policy::Source;

use crate::folder::{self, ReadError};
use crate::last_good::{MANIFEST_BYTES_MAX, Manifest, write_whole};

/// Revisions that are kept: days of edits for a person, a few MiB of plugin files.
pub const REVISIONS_KEPT_MAX: usize = 20;
/// Lines that say what changed; a larger change is told by its size.
const SUMMARY_LINES_MAX: usize = 20;

const FOLDER: &str = "history";
const PIN: &str = "pin.json";
/// Form of the files; another one is left alone.
const FORM: u32 = 1;

/// A revision as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    form: u32,
    /// The first number that this input was published under; the last one is the manifest's.
    first_revision: u64,
    published_ms: u64,
    rollback_of: Option<u64>,
    summary: Vec<String>,
    pub(crate) manifest: Manifest,
}

/// A kept revision, as `/v1/policy/revisions` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number, the last one if the same input was published several times in a row.
    pub revision: u64,
    /// The first of these numbers.
    pub first_revision: u64,
    /// When it was first published, ms since the Unix epoch.
    pub published_ms: u64,
    /// The revision that it went back to; `None` = it came from the files.
    pub rollback_of: Option<u64>,
    /// What changed with it, in a few words each.
    pub summary: Vec<String>,
    /// Digest of each plugin file that it uses.
    pub plugins: BTreeMap<String, String>,
}

/// A revision with its policy texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionTexts {
    /// Everything else.
    #[serde(flatten)]
    pub revision: Revision,
    /// The policy files.
    pub sources: Vec<Text>,
}

/// A policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Name, e.g. `routes.d/app.toml`.
    pub file: String,
    /// The whole text.
    pub text: String,
}

/// A revision serves in place of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The revision that was gone back to.
    pub to: u64,
    /// The number that its input was published under then.
    pub published_as: u64,
    /// Since when, ms since the Unix epoch.
    pub since_ms: u64,
    /// Files that differ from it on disk; nothing of them serves.
    pub differing: Vec<String>,
}

/// A pin as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    form: u32,
    pub(crate) pinned: Pinned,
    /// Digest of each file on disk when it was pinned: another content takes over.
    pub(crate) files: BTreeMap<String, String>,
}

/// Why the history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// The disk says no.
    #[error("cannot write the history of revisions")]
    Write(#[from] io::Error),
    /// A file of it cannot be read.
    #[error("cannot read the history of revisions")]
    Read(#[from] ReadError),
    /// A file of it is damaged.
    #[error("a file of the history is damaged")]
    Damaged(#[from] serde_json::Error),
}

/// The folder of kept revisions, and what was published last.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
    /// Newest last.
    known: Mutex<Vec<Arc<Record>>>,
}

impl Record {
    /// `manifest` as it is published now.
    pub(crate) fn new(
        manifest: Manifest,
        published_ms: u64,
        rollback_of: Option<u64>,
        mut summary: Vec<String>,
    ) -> Self {
        if summary.len() > SUMMARY_LINES_MAX {
            let more = summary.len() - SUMMARY_LINES_MAX;
            summary.truncate(SUMMARY_LINES_MAX);
            summary.push(format!("and {more} more"));
        }
        Self { form: FORM, first_revision: manifest.revision, published_ms, rollback_of, summary, manifest }
    }

    /// As the API lists it.
    pub(crate) fn revision(&self) -> Revision {
        Revision {
            revision: self.manifest.revision,
            first_revision: self.first_revision,
            published_ms: self.published_ms,
            rollback_of: self.rollback_of,
            summary: self.summary.clone(),
            plugins: self.manifest.plugins.clone(),
        }
    }

    /// With its texts.
    pub(crate) fn texts(&self) -> RevisionTexts {
        RevisionTexts { revision: self.revision(), sources: self.manifest.sources.clone() }
    }

    fn covers(&self, revision: u64) -> bool {
        (self.first_revision..=self.manifest.revision).contains(&revision)
    }
}

impl Pin {
    pub(crate) fn new(pinned: Pinned, files: BTreeMap<String, String>) -> Self {
        Self { form: FORM, pinned, files }
    }
}

impl History {
    /// Makes the folder inside the data folder, and reads what is in it. What is damaged is left out, and logged.
    ///
    /// # Errors
    /// It cannot be made or listed.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        std::fs::create_dir_all(&folder)?;
        let mut known = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") && !path.ends_with(PIN) {
                match read::<Record>(&path) {
                    Ok(record) if record.form == FORM => known.push(Arc::new(record)),
                    Ok(record) => {
                        tracing::warn!(form = record.form, path = %path.display(), "revision of another form")
                    }
                    Err(error) => tracing::warn!(%error, path = %path.display(), "kept revision left out"),
                }
            }
        }
        known.sort_by_key(|record| record.manifest.revision);
        Ok(Self { folder, known: Mutex::new(known) })
    }

    /// Keeps a revision, and forgets the oldest beyond [`REVISIONS_KEPT_MAX`]. It is known even if it cannot be kept.
    /// Blocking.
    pub(crate) fn add(&self, mut record: Record) -> Result<(), HistoryError> {
        let mut known = self.lock();
        let mut gone = Vec::new();
        if let Some(newest) = known.last().filter(|newest| newest.manifest.is_same_input(&record.manifest)) {
            record.first_revision = newest.first_revision;
            record.published_ms = newest.published_ms;
            record.rollback_of = newest.rollback_of;
            record.summary.clone_from(&newest.summary);
            gone.extend(known.pop());
        }
        let written = serde_json::to_vec(&record).map(|bytes| (self.path(record.manifest.revision), bytes));
        known.push(Arc::new(record));
        let beyond = known.len().saturating_sub(REVISIONS_KEPT_MAX);
        gone.extend(known.drain(..beyond));
        drop(known);
        let (path, bytes) = written?;
        write_whole(&path, &bytes)?;
        for record in gone {
            let old = self.path(record.manifest.revision);
            if old != path {
                remove(&old)?;
            }
        }
        Ok(())
    }

    /// The revision of this number.
    pub(crate) fn find(&self, revision: u64) -> Option<Arc<Record>> {
        self.lock().iter().rev().find(|record| record.covers(revision)).cloned()
    }

    /// What was published last.
    pub(crate) fn newest(&self) -> Option<Arc<Record>> {
        self.lock().last().cloned()
    }

    /// All of them, newest first.
    pub(crate) fn list(&self) -> Vec<Revision> {
        self.lock().iter().rev().map(|record| record.revision()).collect()
    }

    /// Digests of all plugin files that they use.
    pub(crate) fn digests(&self) -> BTreeSet<String> {
        self.lock().iter().flat_map(|record| record.manifest.plugin_digests().cloned().collect::<Vec<_>>()).collect()
    }

    /// The pin, if there is one. Blocking.
    pub(crate) fn pin(&self) -> Result<Option<Pin>, HistoryError> {
        let path = self.folder.join(PIN);
        if path.exists() { Ok(Some(read(&path)?)) } else { Ok(None) }
    }

    /// Keeps or removes the pin. Blocking.
    pub(crate) fn set_pin(&self, pin: Option<&Pin>) -> Result<(), HistoryError> {
        let path = self.folder.join(PIN);
        match pin {
            Some(pin) => Ok(write_whole(&path, &serde_json::to_vec(pin)?)?),
            None => Ok(remove(&path)?),
        }
    }

    fn path(&self, revision: u64) -> PathBuf {
        self.folder.join(format!("{revision}.json"))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Record>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, HistoryError> {
    Ok(serde_json::from_slice(&folder::read(path, MANIFEST_BYTES_MAX)?)?)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl From<&Text> for Source {
    fn from(text: &Text) -> Self {
        Self { file: text.file.clone(), text: text.text.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(revision: u64, text: &str) -> Record {
        let source = Source { file: "routes.d/a.toml".to_owned(), text: text.to_owned() };
        let manifest = Manifest::new(revision, &[source], BTreeMap::new());
        Record::new(manifest, revision * 10, None, vec![format!("change {revision}")])
    }

    fn numbers(history: &History) -> Vec<(u64, u64)> {
        history.list().iter().map(|known| (known.first_revision, known.revision)).collect()
    }

    #[test]
    fn the_same_input_again_is_the_same_revision_under_one_more_number() {
        let data = tempfile::tempdir().unwrap();
        let history = History::open(data.path()).unwrap();
        for (revision, text) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
            history.add(record(revision, text)).unwrap();
        }
        assert_eq!(numbers(&history), [(4, 4), (3, 3), (1, 2)]);
        let again = History::open(data.path()).unwrap();
        assert_eq!(numbers(&again), numbers(&history));
        let first = again.find(1).unwrap();
        assert_eq!((first.manifest.revision, first.published_ms, first.summary[0].as_str()), (2, 10, "change 1"));
        assert!(again.find(5).is_none());
    }

    #[test]
    fn revisions_are_kept_up_to_the_bound() {
        let data = tempfile::tempdir().unwrap();
        let history = History::open(data.path()).unwrap();
        let newest = REVISIONS_KEPT_MAX as u64 + 1;
        for revision in 1..=newest {
            history.add(record(revision, &revision.to_string())).unwrap();
        }
        assert_eq!(history.list().len(), REVISIONS_KEPT_MAX);
        assert!(history.find(1).is_none() && history.find(2).is_some() && history.find(newest).is_some());
        assert_eq!(History::open(data.path()).unwrap().list().len(), REVISIONS_KEPT_MAX);
    }

    #[test]
    fn a_damaged_file_costs_only_its_own_revision() {
        let data = tempfile::tempdir().unwrap();
        let history = History::open(data.path()).unwrap();
        history.add(record(1, "a")).unwrap();
        history.add(record(2, "b")).unwrap();
        std::fs::write(data.path().join(FOLDER).join("1.json"), "{").unwrap();
        assert_eq!(numbers(&History::open(data.path()).unwrap()), [(2, 2)]);
    }

    #[test]
    fn a_large_change_is_told_by_its_size() {
        let many = (0..SUMMARY_LINES_MAX + 3).map(|index| index.to_string()).collect();
        let kept = Record::new(Manifest::new(1, &[], BTreeMap::new()), 0, None, many);
        assert_eq!(kept.summary.len(), SUMMARY_LINES_MAX + 1);
        assert_eq!(kept.summary.last().map(String::as_str), Some("and 3 more"));
    }

    #[test]
    fn a_pin_is_kept_and_removed() {
        let data = tempfile::tempdir().unwrap();
        let history = History::open(data.path()).unwrap();
        assert_eq!(history.pin().unwrap(), None);
        let pinned = Pinned { to: 1, published_as: 3, since_ms: 7, differing: vec!["routes.d/a.toml".to_owned()] };
        let pin = Pin::new(pinned, BTreeMap::from([("routes.d/a.toml".to_owned(), "00".to_owned())]));
        history.set_pin(Some(&pin)).unwrap();
        assert_eq!(History::open(data.path()).unwrap().pin().unwrap(), Some(pin));
        history.set_pin(None).unwrap();
        history.set_pin(None).unwrap();
        assert_eq!(history.pin().unwrap(), None);
    }
}
