//! Files that are replaced whole: a reader sees the old content or the new, also if the writer is killed.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::storage::StorageError;

/// Marks files that are being written.
const TEMPORARY_PREFIX: &str = ".writing-";
/// Age after which a temporary file belongs to a process that was killed: no write takes that long.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(3600);

/// What a replaced file must survive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// A kill of the process.
    Cached,
    /// A power cut as well.
    Synced,
}

/// Replaces the file at `path` by one with `content`.
pub(super) fn replace(path: &Path, content: &[u8], durability: Durability) -> Result<(), StorageError> {
    let folder = path.parent().expect("invariant: every file of ours lies in a folder");
    let write = || -> io::Result<()> {
        let mut temporary = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder)?;
        temporary.write_all(content)?;
        if durability == Durability::Synced {
            temporary.as_file().sync_data()?;
        }
        temporary.persist(path)?;
        if durability == Durability::Synced {
            // The rename itself lives in the folder.
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(|source| file_error("write", path, source))
}

/// The content of the file at `path`, cut at `bytes_max`; `None` if there is no such file.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, StorageError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("open", path, source)),
    };
    let mut content = Vec::new();
    file.take(bytes_max).read_to_end(&mut content).map_err(|source| file_error("read", path, source))?;
    Ok(Some(content))
}

/// Removes the file at `path`; it may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), StorageError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(file_error("remove", path, source)),
        _ => Ok(()),
    }
}

/// Waits for the advisory lock (flock) on `path`; dropping the file, or dying, releases it.
pub(super) fn lock(path: &Path) -> Result<File, StorageError> {
    let acquire = || -> io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    };
    acquire().map_err(|source| file_error("lock", path, source))
}

/// Removes the temporary files that killed processes left in `folder`.
pub(super) fn sweep_temporaries(folder: &Path) -> Result<(), StorageError> {
    for entry in fs::read_dir(folder).map_err(|source| file_error("list", folder, source))? {
        let entry = entry.map_err(|source| file_error("list", folder, source))?;
        let temporary = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes());
        if temporary && is_stale(&entry) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn is_stale(entry: &fs::DirEntry) -> bool {
    let written = entry.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| SystemTime::now().duration_since(written).is_ok_and(|age| age > TEMPORARY_AGE_MAX))
}

pub(super) fn file_error(action: &'static str, path: &Path, source: io::Error) -> StorageError {
    StorageError::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_temporaries_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let [stale, fresh, data] =
            [".writing-old", ".writing-new", "message.json"].map(|name| folder.path().join(name));
        for path in [&stale, &fresh, &data] {
            fs::write(path, "x").unwrap();
        }
        for path in [&stale, &data] {
            let long_ago = SystemTime::now() - TEMPORARY_AGE_MAX - Duration::from_secs(1);
            File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        }
        sweep_temporaries(folder.path()).unwrap();
        assert_eq!([&stale, &fresh, &data].map(|path| path.exists()), [false, true, true]);
    }

    #[test]
    fn reading_is_bounded_and_absence_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path, 3).unwrap(), None);
        replace(&path, b"12345", Durability::Synced).unwrap();
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"123");
    }
}
