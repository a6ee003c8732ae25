//! The ledgers of all plugins, in memory and in `plugins/NAME.json` of the data folder.
//!
//! What is in memory counts. A file that cannot be read or written is a fault that names it, and hinders nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ledger::{FORM, Ledger};
use crate::board::Board;
use crate::fault::{FaultSource, chain};
use crate::folder::{self, ReadError};
use crate::last_good::write_whole;

const FOLDER: &str = "plugins";
const EXTENSION: &str = "json";
/// A damaged file is put aside under this extension, for people.
const DAMAGED_EXTENSION: &str = "damaged";
/// Largest ledger: ten digests with their texts are under 20 KiB.
const LEDGER_BYTES_MAX: u64 = 256 << 10;
/// Ledgers that are kept, with those of plugins that no policy names any more.
const LEDGERS_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledgers {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: BTreeMap<String, Ledger>,
    /// Plugins whose file is not what is known: the next write tries again.
    unwritten: BTreeSet<String>,
}

/// Why a ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The disk says no.
    #[error("cannot write the history of the plugin's digests")]
    Write(#[from] io::Error),
    /// The file cannot be read.
    #[error("cannot read the history of the plugin's digests")]
    Read(#[from] ReadError),
    /// The file is damaged.
    #[error("the history of the plugin's digests is damaged")]
    Damaged(#[from] serde_json::Error),
    /// There is no room for one more.
    #[error(
        "the histories of {LEDGERS_MAX} plugins are kept already, so that of another one is not; remove those of plugins \
         that are gone from the folder `{FOLDER}` of the data folder, and start the router anew"
    )]
    TooMany,
    /// The file is of another version.
    #[error("the history of the plugin's digests has form {0}, this version knows {FORM}")]
    Form(u32),
}

impl Ledgers {
    /// Reads what is in the data folder; what cannot be read begins anew, and `board` says so.
    pub(crate) fn open(data: &Path, board: &Board) -> Self {
        let folder = data.join(FOLDER);
        let known = std::fs::create_dir_all(&folder).and_then(|()| load(&folder, board)).unwrap_or_else(|error| {
            let message = format!("cannot read the histories of plugins, they begin anew: {error}");
            board.set(FaultSource::Store, FOLDER, Some(message));
            BTreeMap::new()
        });
        Self { folder, inner: Mutex::new(Inner { known, unwritten: BTreeSet::new() }) }
    }

    /// A copy of all of them, by the name of the plugin.
    pub(crate) fn all(&self) -> BTreeMap<String, Ledger> {
        self.lock().known.clone()
    }

    /// A copy of one; empty if nothing is known of the plugin.
    pub(crate) fn one(&self, name: &str) -> Ledger {
        self.lock().known.get(name).cloned().unwrap_or_default()
    }

    /// True if something is known of the plugin.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.lock().known.contains_key(name)
    }

    /// Digests whose files must be kept.
    pub(crate) fn digests(&self) -> BTreeSet<String> {
        self.lock().known.values().flat_map(Ledger::digests).collect()
    }

    /// True if `ledger` is what is known of the plugin, on disk too.
    pub(crate) fn has(&self, name: &str, ledger: &Ledger) -> bool {
        let inner = self.lock();
        let known = inner.known.get(name).is_some_and(|known| known == ledger);
        known && !inner.unwritten.contains(name)
    }

    /// Writes down what became of a plugin. It is known even if it cannot be written, unless there are too many. Blocking.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub(crate) fn set(&self, name: &str, ledger: Ledger) -> Result<(), LedgerError> {
        let bytes = serde_json::to_vec(&ledger)?;
        let mut inner = self.lock();
        if inner.known.len() >= LEDGERS_MAX && !inner.known.contains_key(name) {
            return Err(LedgerError::TooMany);
        }
        inner.known.insert(name.to_owned(), ledger);
        inner.unwritten.insert(name.to_owned());
        drop(inner);
        write_whole(&self.path(name), &bytes)?;
        self.lock().unwritten.remove(name);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{EXTENSION}"))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How faults call the ledger of a plugin.
pub(crate) fn subject(name: &str) -> String {
    format!("{FOLDER}/{name}.{EXTENSION}")
}

fn load(folder: &Path, board: &Board) -> io::Result<BTreeMap<String, Ledger>> {
    let mut known = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = name_of(&path) else { continue };
        if known.len() == LEDGERS_MAX {
            tracing::warn!(plugin = name, "history of digests left out, there are too many");
            continue;
        }
        match read(&path) {
            Ok(ledger) => {
                known.insert(name, ledger);
            }
            Err(error) => {
                let aside = path.with_extension(DAMAGED_EXTENSION);
                let kept = std::fs::rename(&path, &aside).map_or("it stays where it is", |()| "it was put aside");
                let message = format!("{}; it begins anew, and {kept}", chain(&error));
                board.set(FaultSource::Store, &subject(&name), Some(message));
            }
        }
    }
    Ok(known)
}

/// The plugin whose ledger this is.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_stem()?.to_str()?;
    path.extension().is_some_and(|extension| extension == EXTENSION).then(|| name.to_owned())
}

fn read(path: &Path) -> Result<Ledger, LedgerError> {
    let ledger: Ledger = serde_json::from_slice(&folder::read(path, LEDGER_BYTES_MAX)?)?;
    if ledger.form == FORM { Ok(ledger) } else { Err(LedgerError::Form(ledger.form)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::ledger::Decision;

    const NOW: Decision<'static> = Decision { by: "folder", reason: None, now_ms: 1 };

    fn ledger(digest: &str) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.serves(digest, "1.0.0", NOW);
        ledger
    }

    #[test]
    fn what_was_written_is_read_back() {
        let data = tempfile::tempdir().unwrap();
        let board = Board::new("embedded");
        let ledgers = Ledgers::open(data.path(), &board);
        ledgers.set("a.b", ledger("aa")).unwrap();
        ledgers.set("canary", ledger("cc")).unwrap();
        let again = Ledgers::open(data.path(), &board);
        assert_eq!(again.all(), ledgers.all());
        assert_eq!(again.digests(), BTreeSet::from(["aa".to_owned(), "cc".to_owned()]));
        assert!(again.knows("a.b") && !again.knows("a"));
        assert!(board.read().faults.is_empty());
    }

    #[test]
    fn a_damaged_ledger_is_told_and_put_aside_and_costs_only_itself() {
        let data = tempfile::tempdir().unwrap();
        let board = Board::new("embedded");
        let ledgers = Ledgers::open(data.path(), &board);
        for name in ["damaged", "newer", "right"] {
            ledgers.set(name, ledger("aa")).unwrap();
        }
        std::fs::write(ledgers.path("damaged"), "{").unwrap();
        let mut newer = Ledger::default();
        newer.form += 1;
        let newer = serde_json::to_string(&newer).unwrap();
        std::fs::write(ledgers.path("newer"), newer).unwrap();
        let again = Ledgers::open(data.path(), &board);
        assert_eq!(again.all().into_keys().collect::<Vec<_>>(), ["right"]);
        let faults = board.read().faults;
        let subjects: Vec<&str> = faults.iter().map(|fault| fault.subject.as_str()).collect();
        assert_eq!(subjects.len(), 2, "{faults:?}");
        assert!(subjects.contains(&"plugins/damaged.json") && subjects.contains(&"plugins/newer.json"));
        assert!(data.path().join(FOLDER).join("damaged.damaged").exists());
        again.set("damaged", ledger("bb")).unwrap();
        assert!(Ledgers::open(data.path(), &Board::new("embedded")).knows("damaged"));
    }

    #[test]
    fn without_a_folder_to_write_to_it_is_known_all_the_same() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(FOLDER), "a file where the folder should be").unwrap();
        let board = Board::new("embedded");
        let ledgers = Ledgers::open(data.path(), &board);
        assert_eq!(board.read().faults.len(), 1);
        assert!(ledgers.set("canary", ledger("cc")).is_err());
        assert_eq!(ledgers.one("canary").serving(), Some("cc"));
        assert!(!ledgers.has("canary", &ledger("cc")), "it has to be written yet");
        std::fs::remove_file(data.path().join(FOLDER)).unwrap();
        std::fs::create_dir(data.path().join(FOLDER)).unwrap();
        ledgers.set("canary", ledger("cc")).unwrap();
        assert!(ledgers.has("canary", &ledger("cc")) && !ledgers.has("canary", &ledger("dd")));
    }

    #[test]
    fn ledgers_are_bounded() {
        let data = tempfile::tempdir().unwrap();
        let ledgers = Ledgers::open(data.path(), &Board::new("embedded"));
        let filled = (1..LEDGERS_MAX).map(|index| (index.to_string(), Ledger::default())).collect();
        ledgers.lock().known = filled;
        ledgers.set("last", ledger("cc")).unwrap();
        assert!(matches!(ledgers.set("one more", ledger("cc")), Err(LedgerError::TooMany)));
        ledgers.set("last", ledger("dd")).unwrap();
        assert_eq!(ledgers.all().len(), LEDGERS_MAX);
        assert_eq!(std::fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 1, "nor is it written");
    }
}
