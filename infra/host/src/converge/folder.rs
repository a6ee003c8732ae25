//! A folder with its owner and permissions.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use async_trait::async_trait;

use super::Converge;
use super::machine::Machine;
use super::report::{Difference, Fault};

/// The bits that permissions are made of.
pub(super) const MODE_BITS: u32 = 0o7777;

pub(super) struct Folder<'r> {
    pub(super) path: &'r str,
    pub(super) owner: &'r str,
    pub(super) mode: u32,
}

#[async_trait]
impl Converge for Folder<'_> {
    fn shown(&self) -> String {
        format!("folder {}", self.path)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        let at = machine.layout.at(self.path);
        let found = match fs::metadata(&at) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(Difference::create(format!("mode {:o}", self.mode))));
            }
            Err(source) => return Err(Fault::File { doing: format!("look at {}", self.path), source }),
        };
        if !found.is_dir() {
            return Err(Fault::InTheWay { path: self.path.to_owned(), found: "a file", wanted: "a folder" });
        }
        // In a dry run the owner may be a user that is still to be made.
        Ok(standing(&found, self.mode, machine.ids_of(self.owner).unwrap_or(Some((u32::MAX, u32::MAX)))))
    }

    async fn apply(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        let at = machine.layout.at(self.path);
        let failed = |source| Fault::File { doing: format!("make the folder {}", self.path), source };
        fs::create_dir_all(&at).map_err(failed)?;
        if let Some((user, group)) = machine.ids_of(self.owner)? {
            std::os::unix::fs::chown(&at, Some(user), Some(group)).map_err(failed)?;
        }
        fs::set_permissions(&at, fs::Permissions::from_mode(self.mode)).map_err(failed)
    }
}

/// How mode and owner differ from what is wanted.
pub(super) fn standing(found: &fs::Metadata, mode: u32, ids: Option<(u32, u32)>) -> Option<Difference> {
    let mut summary = Vec::new();
    if found.mode() & MODE_BITS != mode {
        summary.push(format!("mode {:o} -> {mode:o}", found.mode() & MODE_BITS));
    }
    if ids.is_some_and(|ids| ids != (found.uid(), found.gid())) {
        summary.push("another owner".to_owned());
    }
    (!summary.is_empty()).then(|| Difference::change(summary.join(", ")))
}
