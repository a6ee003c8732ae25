//! Replacing a file in one step, so that a router may watch the folder: it sees the old file or the new one.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Readable by a router that runs as another user.
const FILE_MODE: u32 = 0o644;

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write {}", path.display())]
pub struct ReplaceError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes the whole file beside the old one and renames it; answers whether there was anything to do. The folder is made
/// if it is not there.
///
/// # Errors
/// It cannot be written; the old one is then as it was.
pub fn replace(path: &Path, content: &[u8]) -> Result<bool, ReplaceError> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    write(path, content).map_err(|source| ReplaceError { path: path.to_owned(), source })?;
    Ok(true)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let permissions = Permissions::from_mode(FILE_MODE);
    let mut draft = tempfile::Builder::new().prefix(".draft-").permissions(permissions).tempfile_in(folder)?;
    draft.write_all(content)?;
    draft.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_if_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made/a.wasm");
        assert!(replace(&file, b"one").unwrap());
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        assert!(!replace(&file, b"one").unwrap());
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
        assert!(replace(&file, b"two").unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path().join("made")).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_folder_in_the_way_is_told_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        fs::create_dir(&file).unwrap();
        let error = replace(&file, b"one").unwrap_err().to_string();
        assert!(error.ends_with("a.wasm"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }
}
