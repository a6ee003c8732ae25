//! One writer per fleet: a file that the kernel locks, with who holds it and since when.
//!
//! The lock ends with its process, however that ends, so a file that is not locked says nothing: nobody has to break a
//! stale one. It holds on one machine; between two operators and a controller, tags and journal keep droplets single.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::state::now_ms;

/// The file, in the folder of state.
const FILE: &str = "lock";
/// Longest text in it that is read.
const FILE_BYTES_MAX: u64 = 4096;

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `user@host`.
    pub who: String,
    /// Process id.
    pub pid: u32,
    /// The command.
    pub command: String,
    /// Since when, ms since the Unix epoch.
    pub since_ms: u64,
}

/// The lock of a fleet, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why it was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{}", held(.0.as_ref()))]
    Held(Option<Holder>),
    /// Its file cannot be used.
    #[error("the lock {path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

fn held(holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || "another sluice-infra is at work on this fleet".to_owned(),
        |holder| {
            let since = std::time::Duration::from_millis(now_ms().saturating_sub(holder.since_ms)).as_secs();
            let Holder { who, pid, command, .. } = holder;
            format!("`sluice-infra {command}` of {who} (process {pid}) is at work on this fleet since {since} s")
        },
    )
}

/// `user@host` of this process, for lock and audit log.
#[must_use]
pub fn who() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let uid = rustix::process::getuid();
    let user = user.unwrap_or_else(|| if uid.is_root() { "root".to_owned() } else { format!("uid {}", uid.as_raw()) });
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", host.trim())
}

impl Lock {
    /// Takes the lock in this folder for a command, or says who holds it.
    ///
    /// # Errors
    /// [`LockError`]
    pub fn take(folder: &Path, command: &str) -> Result<Self, LockError> {
        let path = folder.join(FILE);
        let failed = |source| LockError::File { path: path.clone(), source };
        // Closed on exec: droplets of the local cloud outlive us and must not hold it.
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held(read(&mut file))),
            Err(error) => return Err(failed(error.into())),
        }
        let holder = Holder { who: who(), pid: std::process::id(), command: command.to_owned(), since_ms: now_ms() };
        let text = serde_json::to_vec(&holder).unwrap_or_default();
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&text)
        };
        write(&mut file).map_err(failed)?;
        Ok(Self { file })
    }

    /// Who holds the lock in this folder; `None` = nobody, whatever its file says.
    ///
    /// # Errors
    /// [`LockError`]
    pub fn holder(folder: &Path) -> Result<Option<Holder>, LockError> {
        let path = folder.join(FILE);
        let failed = |source| LockError::File { path: path.clone(), source };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let unnamed = || Holder { who: String::new(), pid: 0, command: String::new(), since_ms: now_ms() };
                Ok(Some(read(&mut file).unwrap_or_else(unnamed)))
            }
            Err(error) => Err(failed(error.into())),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The text goes first, while nobody else can hold the lock; the kernel lets go when the file closes.
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "the lock file was not emptied");
        }
    }
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_other_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::holder(folder.path()).unwrap(), None);
        let lock = Lock::take(folder.path(), "apply").unwrap();
        let error = Lock::take(folder.path(), "plan").unwrap_err();
        assert!(error.to_string().contains("`sluice-infra apply`"), "{error}");
        assert_eq!(Lock::holder(folder.path()).unwrap().unwrap().pid, std::process::id());
        drop(lock);
        assert_eq!(Lock::holder(folder.path()).unwrap(), None);
        Lock::take(folder.path(), "apply").unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let left = Holder { who: "ann@desk".to_owned(), pid: 1, command: "apply".to_owned(), since_ms: 0 };
        std::fs::write(folder.path().join(FILE), serde_json::to_vec(&left).unwrap()).unwrap();
        assert_eq!(Lock::holder(folder.path()).unwrap(), None);
        Lock::take(folder.path(), "apply").unwrap();
    }

    #[test]
    fn a_file_full_of_anything_is_no_holder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), vec![b'x'; 100_000]).unwrap();
        let _lock = Lock::take(folder.path(), "apply").unwrap();
        assert_eq!(Lock::holder(folder.path()).unwrap().unwrap().command, "apply");
    }
}
