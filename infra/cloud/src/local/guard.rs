//! The first process of a droplet: starts its init, waits for it, and leaves nothing running when that ends.
//!
//! Whatever lost its parent in the droplet becomes the guard's child, which ends it with the others. The lock that it holds
//! is what says that the droplet is on; the init, in turn, cuts the power itself when it sees that the guard is gone. So
//! `kill -9` of either is a power cut, and never half of one. The guard itself is outside of the droplet's namespaces.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{
    Flock, FlockType, Pid, Signal, WaitOptions, fcntl_getlk, getpid, kill_process, set_child_subreaper, wait,
};

use super::processes;

/// What is printed once the droplet counts as on.
pub(super) const ON: &str = "on";

/// Runs `init` (a command that ends when its standard input does) as the init of the droplet in this folder; returns when
/// the droplet is off.
///
/// # Errors
/// If the droplet is on already, or `init` cannot be started.
pub fn guard(folder: &Path, init: &mut Command) -> io::Result<()> {
    let lock = open(folder)?;
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, "the droplet is on already"))?;
    set_child_subreaper(Some(getpid()))?;
    let mut init = init.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    // The end of this pipe, at our own end, is what tells the init that we are gone.
    let _leash = init.stdin.take();
    writeln!(io::stdout(), "{ON}")?;
    let id = i32::try_from(init.id()).ok().and_then(Pid::from_raw);
    while let Ok(Some((ended, _))) = wait(WaitOptions::empty()) {
        if Some(ended) == id {
            break;
        }
    }
    end_children();
    drop(lock);
    Ok(())
}

/// The process that holds the droplet on, as numbered where this is asked; `None` = it is off.
pub(super) fn holder(folder: &Path) -> Option<Pid> {
    let lock = File::options().read(true).write(true).open(path(folder)).ok()?;
    fcntl_getlk(&lock, &Flock::from(FlockType::WriteLock)).ok()??.pid
}

fn open(folder: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).open(path(folder))
}

fn path(folder: &Path) -> PathBuf {
    folder.join("on.lock")
}

/// Ends all children, and those that become ours when they lose their parents, until there is none.
fn end_children() {
    loop {
        for child in processes::children() {
            // One that ended by itself is waited for below, like all.
            let _gone = kill_process(child, Signal::KILL);
        }
        if wait(WaitOptions::empty()).is_err() {
            return;
        }
    }
}
