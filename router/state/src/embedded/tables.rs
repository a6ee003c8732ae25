//! The tables of the embedded file, and what is read from them when it is opened.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::de::DeserializeOwned;
use sluice_model::alert::Alert;
use sluice_model::lease::Server;
use sluice_model::rollout::Rollout;

use crate::error::{OpenError, StoreError};

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

/// What a file holds that stays in memory.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) switches: BTreeMap<String, bool>,
    pub(super) rollouts: BTreeMap<String, Rollout>,
    pub(super) servers: BTreeMap<String, Server>,
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
    Ok(Content { switches, rollouts, servers })
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

/// The newest alerts, newest first. Blocks.
pub(super) fn newest_alerts(database: &Database, newest: usize) -> Result<Vec<Alert>, StoreError> {
    let texts = || -> Result<Vec<String>, redb::Error> {
        let table = database.begin_read()?.open_table(ALERTS)?;
        let rows = table.iter()?.rev().take(newest);
        rows.map(|entry| Ok(entry?.1.value().to_owned())).collect()
    };
    let texts = texts().map_err(|error| StoreError::Embedded(Box::new(error)))?;
    texts.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
}
