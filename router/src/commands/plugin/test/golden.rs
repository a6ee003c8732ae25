//! Golden files: the whole outcome of each case, as it once was and was found right.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sluice_control::rehearsal::{CaseOutcome, Difference};
use sluice_policy::plugin_tests::file_stem;

/// Extension of a golden file.
const EXTENSION: &str = "json";
/// How a difference calls it.
const WHAT: &str = "golden file";

/// A folder of them.
pub(super) struct Golden {
    folder: PathBuf,
    is_update: bool,
    /// Names of the files that belong to cases.
    used: BTreeSet<String>,
}

impl Golden {
    /// In `folder`; `is_update`: what comes is written there, and nothing compared.
    pub(super) fn new(folder: &Path, is_update: bool) -> anyhow::Result<Self> {
        if is_update {
            std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        }
        Ok(Self { folder: folder.to_owned(), is_update, used: BTreeSet::new() })
    }

    /// Compares with the file of the case, or writes it.
    pub(super) fn hold(&mut self, case: &str, outcome: &CaseOutcome) -> anyhow::Result<Option<Difference>> {
        let name = format!("{}.{EXTENSION}", file_stem(case));
        let path = self.folder.join(&name);
        self.used.insert(name);
        let came = format!("{}\n", serde_json::to_string_pretty(outcome)?);
        if self.is_update {
            std::fs::write(&path, &came).with_context(|| format!("write {}", path.display()))?;
            return Ok(None);
        }
        let expected = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let expected = format!("{}, which --update writes", path.display());
                return Ok(Some(Difference { what: WHAT.to_owned(), expected, came: "no such file".to_owned() }));
            }
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        // An editor may have its own idea of line ends.
        let is_same = expected.lines().eq(came.lines());
        Ok((!is_same).then(|| Difference { what: format!("{WHAT} {}", path.display()), expected, came }))
    }

    /// Names of golden files that belong to no case any more.
    pub(super) fn stray(self) -> anyhow::Result<Vec<String>> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let mut stray = BTreeSet::new();
        for entry in entries {
            let name = entry.with_context(|| format!("list {}", self.folder.display()))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|own| own == EXTENSION) && !self.used.contains(&name) {
                stray.insert(self.folder.join(name).display().to_string());
            }
        }
        Ok(stray.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: &str) -> CaseOutcome {
        CaseOutcome { verdict: verdict.to_owned(), ..CaseOutcome::default() }
    }

    #[test]
    fn what_was_written_holds_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("golden");
        let missing = Golden::new(&at, false).unwrap().hold("a b", &outcome("next")).unwrap();
        assert!(missing.unwrap().expected.contains("--update"));
        assert_eq!(Golden::new(&at, true).unwrap().hold("a b", &outcome("next")).unwrap(), None);
        assert!(at.join("a-b.json").exists());
        let mut golden = Golden::new(&at, false).unwrap();
        assert_eq!(golden.hold("a b", &outcome("next")).unwrap(), None);
        let changed = golden.hold("a b", &outcome("respond")).unwrap().unwrap();
        assert!(changed.expected.contains("\"next\"") && changed.came.contains("\"respond\""), "{changed:?}");
        assert_eq!(golden.stray().unwrap(), Vec::<String>::new());
        assert_eq!(Golden::new(&at, false).unwrap().stray().unwrap().len(), 1);
    }
}
