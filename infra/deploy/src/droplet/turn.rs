//! One deploy at a time on a droplet, over both hooks of a push.
//!
//! The turn belongs to the process that both hooks are children of, git's receive-pack, and to the hook at work, which may
//! outlive it when a connection breaks off. It ends with them: nothing has to be cleaned up after a crash.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use procfs::process::Process;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sluice_infra_host::Layout;

use super::store::now_ms;

/// Ancestors that are looked through for git: a hook is its child, with a shell between them at the most.
const ANCESTORS_MAX: usize = 4;
/// What its name begins with, as the kernel keeps it.
const GIT: &str = "git";

/// Another deploy is under way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{who} is being deployed here since {since_seconds} s; try again when it is done")]
pub struct Busy {
    /// What is deployed, and from where.
    pub who: String,
    /// For how long by now.
    pub since_seconds: u64,
}

/// Whose turn it is.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    who: String,
    since_ms: u64,
    /// The push, or whoever else deploys.
    process: Identity,
    /// Who is at work for it.
    worker: Identity,
}

impl Holder {
    fn lives(&self) -> bool {
        self.process.lives() || self.worker.lives()
    }
}

/// A process, as no later one can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    pid: i32,
    /// When it started, in ticks since boot.
    started: u64,
}

/// The turn to deploy.
#[derive(Debug)]
pub(super) struct Turn {
    /// Removed when the turn is over; `None` = it is passed on.
    file: Option<PathBuf>,
}

impl Turn {
    /// Takes it, or goes on with it in the second hook of the same push.
    pub(super) fn take(layout: &Layout, app: &str, who: &str) -> io::Result<Result<Self, Busy>> {
        let file = layout.releases_state(app).with_extension("turn");
        fs::create_dir_all(file.parent().unwrap_or_else(|| layout.root()))?;
        let lock = File::create(file.with_extension("turn.lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let (process, worker) = ours()?;
        // What cannot be read was cut off by a crash, and so was who wrote it.
        let before = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Holder>(&text).ok());
        if let Some(before) = before.filter(|before| before.process != process && before.lives()) {
            let since_seconds = now_ms().saturating_sub(before.since_ms) / 1_000;
            return Ok(Err(Busy { who: before.who, since_seconds }));
        }
        fs::write(&file, serde_json::to_vec(&Holder { who: who.to_owned(), since_ms: now_ms(), process, worker })?)?;
        Ok(Ok(Self { file: Some(file) }))
    }

    /// Leaves it to the second hook of the push.
    pub(super) fn pass_on(mut self) {
        self.file = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Left behind it does no harm: we end.
            let _gone = fs::remove_file(file);
        }
    }
}

impl Identity {
    fn of(process: &Process) -> Option<Self> {
        Some(Self { pid: process.pid, started: process.stat().ok()?.starttime })
    }

    fn lives(&self) -> bool {
        Process::new(self.pid).ok().and_then(|process| Self::of(&process)).as_ref() == Some(self)
    }
}

/// The push that we are a hook of, else this process; and this process.
fn ours() -> io::Result<(Identity, Identity)> {
    let own = Process::myself().map_err(io::Error::other)?;
    let mut parent = own.stat().map_err(io::Error::other)?.ppid;
    let own = Identity::of(&own).ok_or_else(|| io::Error::other("this process is not in /proc"))?;
    for _ancestor in 0..ANCESTORS_MAX {
        let Some(stat) = Process::new(parent).ok().and_then(|process| process.stat().ok()) else { break };
        if stat.comm.starts_with(GIT) {
            return Ok((Identity { pid: stat.pid, started: stat.starttime }, own));
        }
        parent = stat.ppid;
    }
    Ok((own.clone(), own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_of_a_live_process_is_respected_and_that_of_a_dead_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let file = layout.releases_state("meow").with_extension("turn");
        let turn = Turn::take(&layout, "meow", "release 1").unwrap().unwrap();
        let again = Turn::take(&layout, "meow", "release 1").unwrap().unwrap();
        again.pass_on();
        let other = Identity::of(&Process::new(1).unwrap()).unwrap();
        let gone = Identity { started: other.started + 1, ..other.clone() };
        let holder = |process: &Identity, worker: &Identity| {
            let (process, worker) = (process.clone(), worker.clone());
            serde_json::to_vec(&Holder { who: "release 2 from b".into(), since_ms: 0, process, worker }).unwrap()
        };
        for (process, worker) in [(&other, &gone), (&gone, &other)] {
            fs::write(&file, holder(process, worker)).unwrap();
            let busy = Turn::take(&layout, "meow", "release 3").unwrap().unwrap_err();
            assert!(busy.to_string().starts_with("release 2 from b is being deployed here since"), "{busy}");
        }
        // The same number, another process.
        fs::write(&file, holder(&gone, &gone)).unwrap();
        drop(Turn::take(&layout, "meow", "release 3").unwrap().unwrap());
        fs::write(&file, "{half").unwrap();
        drop(Turn::take(&layout, "meow", "release 3").unwrap().unwrap());
        assert!(!file.exists());
        drop(turn);
    }
}
