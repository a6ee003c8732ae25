//! The tables of the state, and how an older file is brought up to them.

use rusqlite::{Connection, TransactionBehavior};

/// Version of the tables: the `user_version` of the file.
pub(super) const VERSION: i64 = 1;

/// What each version adds to the one before; the first to an empty file.
const STEPS: [&str; 1] = ["
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    pool TEXT NOT NULL,
    name TEXT NOT NULL,
    droplet TEXT,
    replaces TEXT,
    wanted TEXT NOT NULL,
    stage TEXT NOT NULL,
    reason TEXT NOT NULL,
    fence INTEGER,
    intended_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX operations_open ON operations (stage) WHERE stage IN ('intended', 'sent');
CREATE TABLE droplets (
    id TEXT PRIMARY KEY,
    operation TEXT,
    name TEXT NOT NULL,
    pool TEXT NOT NULL,
    size TEXT NOT NULL,
    region TEXT NOT NULL,
    image TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    gone_ms INTEGER
) STRICT;
CREATE TABLE firewalls (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE ssh_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    command TEXT NOT NULL,
    what TEXT NOT NULL,
    outcome TEXT,
    ended_ms INTEGER
) STRICT;
"];

/// Brings the file to [`VERSION`] in one transaction. Returns the version that it had been left at, if that is newer:
/// then nothing is touched.
pub(super) fn bring_up(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let begin = usize::try_from(found).unwrap_or(usize::MAX);
    for step in STEPS.iter().skip(begin) {
        transaction.execute_batch(step)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(found)
}
