//! A folder that holds nothing but what is wanted: files that an operator has deleted go from the machines, too.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;

use super::Converge;
use super::machine::Machine;
use super::report::{Difference, Fault};

pub(super) struct OnlyFiles<'r> {
    pub(super) folder: &'r str,
    pub(super) names: &'r BTreeSet<String>,
}

#[async_trait]
impl Converge for OnlyFiles<'_> {
    fn shown(&self) -> String {
        format!("files of {}", self.folder)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        let strays = self.strays(machine)?;
        let names: Vec<String> =
            strays.iter().filter_map(|path| Some(path.file_name()?.display().to_string())).collect();
        Ok((!names.is_empty()).then(|| Difference::change(format!("{} is wanted no more", names.join(", ")))))
    }

    async fn apply(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        for stray in self.strays(machine)? {
            let removed = if stray.is_dir() && !stray.is_symlink() {
                fs::remove_dir_all(&stray)
            } else {
                fs::remove_file(&stray)
            };
            removed.map_err(|source| Fault::File { doing: format!("remove {}", stray.display()), source })?;
        }
        Ok(())
    }
}

impl OnlyFiles<'_> {
    /// What is there and not wanted; nothing, if the folder is still to be made.
    fn strays(&self, machine: &Machine<'_>) -> Result<Vec<PathBuf>, Fault> {
        let failed = |source| Fault::File { doing: format!("look into {}", self.folder), source };
        let entries = match fs::read_dir(machine.layout.at(self.folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut strays = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let stays = name.to_str().is_some_and(|name| name.starts_with('.') || self.names.contains(name));
            if !stays {
                strays.push(entry.path());
            }
        }
        strays.sort();
        Ok(strays)
    }
}
