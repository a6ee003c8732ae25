//! What this operator knows: the journal of operations, the droplets that stand, the audit log. One SQLite file,
//! `.sluice-infra/state.db`.
//!
//! Each write is one transaction, on disk before the call that it announces is sent. It is no copy of the cloud: what
//! the fleet has is read there, each time; without this file the tags still tell. It holds no secret.

mod audit;
mod droplets;
mod operations;
mod schema;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt as _;
use rusqlite::Connection;

pub use audit::{AuditEntry, AuditId};
pub use droplets::Known;
pub use operations::{JournalStep, Kind, Operation, Stage};

/// File of the state, in the folder of state.
pub const FILE: &str = "state.db";
/// How long another process of ours may hold the file: its writes take milliseconds.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// Called after each step of the journal is on disk.
pub type Observer = Box<dyn Fn(&JournalStep) + Send + Sync>;

/// What this operator knows.
pub struct State {
    connection: Mutex<Connection>,
    observer: Option<Observer>,
}

/// Why the state is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// SQLite says no.
    #[error("the state {path} cannot be {action}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What was done.
        action: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer program wrote it.
    #[error("the state {path} has schema {found}, this program knows up to {known}: use the newer sluice-infra")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The state was written by someone who is no longer the leader's follower.
    #[error("fence {fence} is over: {newest} has acted already, another controller leads")]
    Fenced {
        /// The token of who asks.
        fence: u64,
        /// The newest that has acted.
        newest: u64,
    },
    /// What is read there was not written by us.
    #[error("the state holds {what} that makes no sense: {found}")]
    Content {
        /// Which part.
        what: &'static str,
        /// What stands there.
        found: String,
    },
}

impl State {
    /// Opens the state in this folder, or begins it.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join(FILE);
        let failed = |action| {
            let path = path.clone();
            move |source| StateError::Database { path, action, source }
        };
        let mut connection = Connection::open(&path).map_err(failed("opened"))?;
        connection.busy_timeout(BUSY_WAIT).map_err(failed("opened"))?;
        // WAL + FULL: a step that was written survives kill -9 and the loss of power.
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed("opened"))?;
        connection.pragma_update(None, "synchronous", "full").map_err(failed("opened"))?;
        let found = schema::bring_up(&mut connection).map_err(failed("brought to its schema"))?;
        if found > schema::VERSION {
            return Err(StateError::Newer { path, found, known: schema::VERSION });
        }
        Ok(Self { connection: Mutex::new(connection), observer: None })
    }

    /// The same, with someone who is told of each step once it is on disk.
    #[must_use]
    pub fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the connection; the lock is never held over an await.
    fn with<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut connection = self.connection();
        work(&mut connection).map_err(|source| {
            let path = connection.path().map(PathBuf::from).unwrap_or_default();
            StateError::Database { path, action, source }
        })
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State(..)")
    }
}

/// Identity of an operation: 16 characters of base32, 80 random bits, drawn here and never twice. It is the tag of
/// what the operation makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct OperationId(String);

impl OperationId {
    const CHARS: usize = 16;
    const ALPHABET: &'static [u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        let mut rng = rand::rng();
        Self((0..Self::CHARS).map(|_| char::from(Self::ALPHABET[rng.random_range(0..Self::ALPHABET.len())])).collect())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Milliseconds since the Unix epoch, now.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// SQLite has signed numbers only.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Back from SQLite; a negative number was not written by us.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_outlives_its_process_and_a_newer_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(State::open(folder.path()).unwrap());
        drop(State::open(folder.path()).unwrap());
        let connection = Connection::open(folder.path().join(FILE)).unwrap();
        connection.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
        drop(connection);
        let error = State::open(folder.path()).unwrap_err();
        assert!(matches!(error, StateError::Newer { found, known, .. } if found == known + 1), "{error}");
    }

    #[test]
    fn a_file_that_is_no_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "not a database, and long enough to be read as a header").unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::Database { .. })));
    }
}
