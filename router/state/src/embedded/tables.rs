//! The tables of the embedded file, and what is read from them when it is opened.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::de::DeserializeOwned;
use sluice_model::alert::Firing;
use sluice_model::lease::Server;
use sluice_model::rollout::Rollout;
use sluice_model::silence::Silence;

use crate::error::OpenError;
use crate::event::FlagDocument;

/// Switch name -> on.
pub(super) const SWITCHES: TableDefinition<'_, &str, bool> = TableDefinition::new("switches");
/// Rollout name -> JSON.
pub(super) const ROLLOUTS: TableDefinition<'_, &str, &str> = TableDefinition::new("rollouts");
/// Server id -> JSON. Only who holds a lease; renewals are not written.
pub(super) const SERVERS: TableDefinition<'_, &str, &str> = TableDefinition::new("servers");
/// Order of arrival -> JSON.
pub(super) const ALERTS: TableDefinition<'_, u64, &str> = TableDefinition::new("alerts");
/// (rule, fingerprint) -> end of the cooldown, ms since the Unix epoch.
pub(super) const MUTES: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("mutes");

/// Set -> (version, document).
pub(super) const FLAGS: TableDefinition<'_, &str, (u64, &str)> = TableDefinition::new("flags");
/// What is counted -> how far.
pub(super) const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// Silence id -> JSON.
pub(super) const SILENCES: TableDefinition<'_, &str, &str> = TableDefinition::new("silences");
/// (ms since the Unix epoch, order within it) -> JSON.
pub(super) const LOG: TableDefinition<'_, (u64, u64), &str> = TableDefinition::new("log");
/// (rule, fingerprint) of an alert that is up -> JSON. That it was seen again is not written.
pub(super) const FIRING: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("firing");
/// Order of arrival -> (how often it was handed out, JSON of the alert). Only what is not finished.
pub(super) const DELIVERIES: TableDefinition<'_, u64, (u64, &str)> = TableDefinition::new("deliveries");
/// Likewise, of those who add droplets.
pub(super) const SCALE_DELIVERIES: TableDefinition<'_, u64, (u64, &str)> = TableDefinition::new("deliveries-scale");
/// Alert id -> (the operation that carries it out, when it was claimed, ms since the Unix epoch).
pub(super) const SCALE_OPERATIONS: TableDefinition<'_, &str, (&str, u64)> = TableDefinition::new("scale-operations");
/// (alert id, sink) -> when the sink took the notice, ms since the Unix epoch.
pub(super) const SENT: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("sent");
/// Order of arrival -> JSON.
pub(super) const DEAD_LETTERS: TableDefinition<'_, u64, &str> = TableDefinition::new("dead-letters");

/// What a file holds that stays in memory.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) switches: BTreeMap<String, bool>,
    pub(super) rollouts: BTreeMap<String, Rollout>,
    pub(super) servers: BTreeMap<String, Server>,
    pub(super) flags: BTreeMap<String, FlagDocument>,
    pub(super) silences: BTreeMap<String, Silence>,
    pub(super) firing: Vec<Firing>,
}

/// Opens or creates the file and reads it. Blocks.
pub(super) fn open(path: &Path) -> Result<(Database, Content), OpenError> {
    let embedded = |source: redb::Error| OpenError::Embedded { path: path.to_owned(), source: Box::new(source) };
    let database = Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::Locked { path: path.to_owned() }
        }
        error => embedded(error.into()),
    })?;
    create_tables(&database).map_err(embedded)?;
    let content = read(&database).map_err(|error| match error {
        ReadError::Embedded(source) => embedded(source),
        ReadError::Document(source) => OpenError::Document { path: path.to_owned(), source },
    })?;
    Ok((database, content))
}

fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(SWITCHES)?;
    transaction.open_table(ROLLOUTS)?;
    transaction.open_table(SERVERS)?;
    transaction.open_table(ALERTS)?;
    transaction.open_table(MUTES)?;
    transaction.open_table(FLAGS)?;
    transaction.open_table(COUNTERS)?;
    transaction.open_table(SILENCES)?;
    transaction.open_table(LOG)?;
    transaction.open_table(FIRING)?;
    transaction.open_table(DELIVERIES)?;
    transaction.open_table(SCALE_DELIVERIES)?;
    transaction.open_table(SCALE_OPERATIONS)?;
    transaction.open_table(SENT)?;
    transaction.open_table(DEAD_LETTERS)?;
    transaction.commit()?;
    Ok(())
}

/// Why the tables could not be read.
enum ReadError {
    Embedded(redb::Error),
    Document(serde_json::Error),
}

impl<E: Into<redb::Error>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Embedded(error.into())
    }
}

fn read(database: &Database) -> Result<Content, ReadError> {
    let transaction = database.begin_read()?;
    let mut switches = BTreeMap::new();
    for entry in transaction.open_table(SWITCHES)?.iter()? {
        let (name, on) = entry?;
        switches.insert(name.value().to_owned(), on.value());
    }
    let rollouts = documents(&transaction.open_table(ROLLOUTS)?)?;
    let servers = documents(&transaction.open_table(SERVERS)?)?;
    let silences = documents(&transaction.open_table(SILENCES)?)?;
    let mut flags = BTreeMap::new();
    for entry in transaction.open_table(FLAGS)?.iter()? {
        let (set, document) = entry?;
        let (version, text) = document.value();
        flags.insert(set.value().to_owned(), FlagDocument { text: text.into(), version });
    }
    let mut firing = Vec::new();
    for entry in transaction.open_table(FIRING)?.iter()? {
        firing.push(serde_json::from_str(entry?.1.value()).map_err(ReadError::Document)?);
    }
    Ok(Content { switches, rollouts, servers, flags, silences, firing })
}

fn documents<T: DeserializeOwned>(
    table: &redb::ReadOnlyTable<&'static str, &'static str>,
) -> Result<BTreeMap<String, T>, ReadError> {
    let mut documents = BTreeMap::new();
    for entry in table.iter()? {
        let (key, text) = entry?;
        let document = serde_json::from_str(text.value()).map_err(ReadError::Document)?;
        documents.insert(key.value().to_owned(), document);
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_of_the_version_before_is_one_canary_with_its_weight() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (database, _empty) = open(&path).unwrap();
        let text = r#"{"state":"running","weight_bps":2500,"salt":"s","epoch":3,"run":1,"reason":"r","by":"b",
            "changed_ms":7,"seen_aborts":[]}"#;
        let transaction = database.begin_write().unwrap();
        transaction.open_table(ROLLOUTS).unwrap().insert("demo", text).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let (_database, content) = open(&path).unwrap();
        assert_eq!(content.rollouts["demo"].slots.to_string(), "@canary*2500 @stable*7500");
    }
}
