//! One deploy of an app at a time from this folder of state; the lock ends with the process that holds it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{DeployError, file};
use crate::droplet::now_ms;

/// Most that is read of who holds it.
const HOLDER_BYTES_MAX: u64 = 4_096;

#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    who: String,
    since_ms: u64,
}

/// Takes the turn: it is over when what is returned is dropped.
pub(super) fn take(folder: &Path, app: &str, who: &str) -> Result<File, DeployError> {
    let io = |source| file("take the turn to deploy", source);
    fs::create_dir_all(folder).map_err(io)?;
    let mut lock =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(folder.join("turn")).map_err(io)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut text = String::new();
            (&lock).take(HOLDER_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
            let holder =
                serde_json::from_str(&text).unwrap_or_else(|_| Holder { who: "somebody".into(), since_ms: now_ms() });
            let since_seconds = now_ms().saturating_sub(holder.since_ms) / 1_000;
            return Err(DeployError::Busy { app: app.to_owned(), who: holder.who, since_seconds });
        }
        Err(errno) => return Err(io(errno.into())),
    }
    let text = serde_json::to_string(&Holder { who: who.to_owned(), since_ms: now_ms() }).unwrap_or_default();
    lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(text.as_bytes())).map_err(io)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_second_is_told_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path(), "meow", "ann@desk (0123)").unwrap();
        let second = take(folder.path(), "meow", "bob@desk (4567)").unwrap_err().to_string();
        assert!(second.starts_with("ann@desk (0123) deploys meow since 0 s"), "{second}");
        drop(first);
        take(folder.path(), "meow", "bob@desk (4567)").unwrap();
    }
}
