//! Which releases of an app run on this machine. Written by deploy, read by the agent, which holds their leases.
//!
//! Both change a lease only while they hold the lock of this file, so that a heartbeat never undoes a drain.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::layout::Layout;

/// The releases of one app on this machine: `/var/lib/sluice/releases/APP.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    /// Those that run, newest first.
    pub running: Vec<Running>,
    /// Commit of the release that was last found fit.
    pub current: Option<String>,
    /// Commit of the one before, for `rollback`.
    pub previous: Option<String>,
    /// The whole machine takes no new requests: it is about to leave.
    #[serde(default)]
    pub draining: bool,
    /// How the last deploy ended.
    #[serde(default)]
    pub last: Option<Outcome>,
}

/// One release that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Id of its lease: `DROPLET-APP-PORT`.
    pub lease: String,
    /// Source commit, 40 hex digits.
    pub commit: String,
    /// `host:port` that routers connect to.
    pub address: String,
    /// Its service.
    pub service: String,
    /// Where it stands.
    pub standing: Standing,
    /// When it was started, ms since the Unix epoch.
    pub started_ms: u64,
}

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Started, not found fit yet: no lease.
    Starting,
    /// Holds a lease.
    Serving,
    /// Holds a lease that says so: takes no new requests.
    Draining,
}

/// How a deploy ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Source commit.
    pub commit: String,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// Why it does not serve; `None` = it does.
    pub fault: Option<String>,
}

impl Releases {
    /// The releases of an app, locked against everybody else until what is returned is dropped. Blocks: others hold the lock
    /// for as long as one write to the store takes.
    ///
    /// # Errors
    /// If the files cannot be made or read.
    pub fn lock(layout: &Layout, app: &str) -> io::Result<Locked> {
        let file = layout.releases_state(app);
        fs::create_dir_all(file.parent().unwrap_or_else(|| layout.root()))?;
        // A file of its own: the state itself is replaced with each write.
        let lock = File::create(file.with_extension("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Locked { releases: read(&file)?, file, _lock: lock })
    }

    /// The releases of an app as they stand, for looking only.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn look(layout: &Layout, app: &str) -> io::Result<Self> {
        read(&layout.releases_state(app))
    }

    /// The one that runs as this service.
    #[must_use]
    pub fn of_service(&mut self, service: &str) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.service == service)
    }
}

/// Releases that nobody else changes meanwhile.
#[derive(Debug)]
pub struct Locked {
    /// As they stand, or are to be saved.
    pub releases: Releases,
    file: PathBuf,
    _lock: File,
}

impl Locked {
    /// Writes them down, whole: a crash finds these or those before.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn save(&self) -> io::Result<()> {
        let mut beside = NamedTempFile::new_in(self.file.parent().unwrap_or_else(|| Path::new(".")))?;
        beside.write_all(&serde_json::to_vec_pretty(&self.releases)?)?;
        beside.as_file().sync_data()?;
        beside.persist(&self.file)?;
        Ok(())
    }
}

/// No file = nothing runs; a file that is none is not taken for that.
fn read(file: &Path) -> io::Result<Releases> {
    match fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Releases::default()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_and_nonsense_is_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let mut locked = Releases::lock(&layout, "meow").unwrap();
        assert_eq!(locked.releases, Releases::default());
        locked.releases.current = Some("c".into());
        locked.save().unwrap();
        drop(locked);
        assert_eq!(Releases::look(&layout, "meow").unwrap().current.as_deref(), Some("c"));
        fs::write(layout.releases_state("meow"), "{half").unwrap();
        assert!(Releases::lock(&layout, "meow").is_err());
    }

    #[test]
    fn one_at_a_time_changes_them() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        drop(Releases::lock(&layout, "meow").unwrap());
        let adds = || {
            for _ in 0..50 {
                let mut locked = Releases::lock(&layout, "meow").unwrap();
                let count: u32 = locked.releases.current.as_deref().unwrap_or("0").parse().unwrap();
                locked.releases.current = Some((count + 1).to_string());
                locked.save().unwrap();
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(adds))));
        assert_eq!(Releases::look(&layout, "meow").unwrap().current.as_deref(), Some("200"));
    }
}
