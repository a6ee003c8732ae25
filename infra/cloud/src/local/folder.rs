//! The folder of a local cloud, and the lock that whoever reads or changes it holds.
//!
//! ```text
//! lock  cloud.json  droplets/ID/{droplet.json,root/,console.log,..}  logs/ID-NAME/  leaving/
//! ```

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::book::{Book, Record};
use super::program::file_fault;
use crate::error::CloudError;

/// Droplets whose logs are kept after their end.
const LOGS_KEPT_MAX: usize = 20;

/// The folder of a local cloud.
#[derive(Clone, Debug)]
pub(super) struct CloudFolder {
    path: PathBuf,
}

/// It is locked: no other program changes it, nor another task of this one.
#[derive(Debug)]
pub(super) struct Locked {
    path: PathBuf,
    _lock: File,
}

impl CloudFolder {
    /// Makes it if it is not there. Its path becomes absolute: droplets live longer than our working folder.
    pub(super) fn open(path: &Path) -> Result<Self, CloudError> {
        std::fs::create_dir_all(path.join("droplets")).map_err(|error| file_fault("make", path, &error))?;
        let path = std::fs::canonicalize(path).map_err(|error| file_fault("find", path, &error))?;
        Ok(Self { path })
    }

    /// Waits for its turn.
    pub(super) async fn lock(&self) -> Result<Locked, CloudError> {
        let path = self.path.clone();
        let wait = move || -> io::Result<File> {
            let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"))?;
            lock.lock()?;
            Ok(lock)
        };
        let locked = tokio::task::spawn_blocking(wait).await.map_err(io::Error::other).flatten();
        let lock = locked.map_err(|error| file_fault("lock", &self.path, &error))?;
        Ok(Locked { path: self.path.clone(), _lock: lock })
    }

    /// The folder of a droplet. Ids come from outside, too: only numbers lead to a folder.
    pub(super) fn droplet(&self, id: &str) -> Option<PathBuf> {
        is_number(id).then(|| self.path.join("droplets").join(id))
    }
}

impl Locked {
    /// The path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a droplet on record.
    pub(super) fn droplet(&self, record: &Record) -> PathBuf {
        self.path.join("droplets").join(&record.id)
    }

    pub(super) fn read_book(&self) -> Result<Book, CloudError> {
        Ok(read(&self.path.join("cloud.json"))?.unwrap_or_default())
    }

    pub(super) fn write_book(&self, book: &Book) -> Result<(), CloudError> {
        write(&self.path.join("cloud.json"), book)
    }

    pub(super) fn write_droplet(&self, record: &Record) -> Result<(), CloudError> {
        let folder = self.droplet(record);
        std::fs::create_dir_all(&folder).map_err(|error| file_fault("make", &folder, &error))?;
        write(&folder.join("droplet.json"), record)
    }

    pub(super) fn read_droplet(&self, id: &str) -> Result<Option<Record>, CloudError> {
        if is_number(id) { read(&self.path.join("droplets").join(id).join("droplet.json")) } else { Ok(None) }
    }

    /// All droplets on record, oldest first.
    pub(super) fn read_droplets(&self) -> Result<Vec<Record>, CloudError> {
        let folder = self.path.join("droplets");
        let mut records = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(|error| file_fault("list", &folder, &error))? {
            let entry = entry.map_err(|error| file_fault("list", &folder, &error))?;
            records.extend(entry.file_name().to_str().map(|id| self.read_droplet(id)).transpose()?.flatten());
        }
        records.sort_by_key(|record: &Record| record.id.parse().unwrap_or(u64::MAX));
        Ok(records)
    }

    /// Removes the folder of a droplet that does not run; its logs stay in `logs/ID-NAME`, those of so many droplets.
    pub(super) fn remove_droplet(&self, record: &Record) -> Result<(), CloudError> {
        let (folder, kept) = (self.droplet(record), self.path.join("logs"));
        let leaving = self.path.join("leaving");
        // In this order, so that what is cut short leaves a droplet or none, and never a half.
        let removed = (|| -> io::Result<()> {
            let logs = kept.join(format!("{}-{}", record.id, record.wanted.name));
            std::fs::create_dir_all(&logs)?;
            move_files(&folder.join("root/var/log/sluice"), &logs)?;
            move_file(&folder.join("console.log"), &logs)?;
            std::fs::create_dir_all(&leaving)?;
            std::fs::rename(&folder, leaving.join(&record.id))?;
            std::fs::remove_dir_all(&leaving)?;
            forget_oldest(&kept)
        })();
        removed.map_err(|error| file_fault("remove", &folder, &error))
    }
}

/// True for what we give as an id.
fn is_number(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn move_files(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::read_dir(from) {
        Ok(mut entries) => entries.try_for_each(|entry| move_file(&entry?.path(), to)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn move_file(file: &Path, to: &Path) -> io::Result<()> {
    let Some(name) = file.file_name() else { return Ok(()) };
    match std::fs::rename(file, to.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

fn forget_oldest(kept: &Path) -> io::Result<()> {
    let mut folders: Vec<(u64, PathBuf)> = std::fs::read_dir(kept)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.split('-').next()?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    folders.sort();
    let old = folders.len().saturating_sub(LOGS_KEPT_MAX);
    folders[..old].iter().try_for_each(|(_, folder)| std::fs::remove_dir_all(folder))
}

/// A JSON file; `None` if it is not there.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CloudError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_fault("read", path, &error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| file_fault("understand", path, &error.into()))
}

/// Writes a JSON file, whole or not at all, also when the machine loses power.
fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), CloudError> {
    let unfinished = path.with_extension("json.new");
    let written = (|| -> io::Result<()> {
        let file = File::create(&unfinished)?;
        serde_json::to_writer_pretty(&file, value)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    })();
    written.map_err(|error| file_fault("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_lead_to_a_folder() {
        let outer = tempfile::tempdir().unwrap();
        let folder = CloudFolder::open(&outer.path().join("local")).unwrap();
        assert!(folder.droplet("17").is_some());
        for id in ["", "..", "1/../..", "/etc", "-1", "a"] {
            assert_eq!(folder.droplet(id), None, "{id}");
        }
    }

    #[tokio::test]
    async fn one_at_a_time() {
        let outer = tempfile::tempdir().unwrap();
        let folder = CloudFolder::open(&outer.path().join("local")).unwrap();
        let held = folder.lock().await.unwrap();
        let other = folder.clone();
        let mut second = std::pin::pin!(other.lock());
        let early = tokio::time::timeout(std::time::Duration::from_millis(50), second.as_mut()).await;
        assert!(early.is_err());
        drop(held);
        second.await.unwrap();
    }

    #[test]
    fn logs_of_so_many_droplets_are_kept() {
        let kept = tempfile::tempdir().unwrap();
        for number in 1..=LOGS_KEPT_MAX + 1 {
            std::fs::create_dir(kept.path().join(format!("{number}-fleet-app"))).unwrap();
        }
        forget_oldest(kept.path()).unwrap();
        assert!(!kept.path().join("1-fleet-app").exists());
        assert_eq!(std::fs::read_dir(kept.path()).unwrap().count(), LOGS_KEPT_MAX);
    }
}
