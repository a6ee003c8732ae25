//! The intent journal: each call that changes the cloud, from before it is sent to its end.
//!
//! intended -> sent -> confirmed | abandoned. `intended` was never sent; `sent` may have happened or not; the other two
//! are over. Whoever finds an open operation looks at the cloud by its tag before doing anything.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::{Connection, Row, TransactionBehavior, named_params, params};
use serde::Serialize;
use sluice_infra_cloud::DropletId;

use super::{OperationId, State, StateError, from_sql, now_ms, to_sql};

/// A call that changes the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Its identity: the tag of the droplet that it makes.
    pub id: OperationId,
    /// What it does.
    pub kind: Kind,
    /// The pool, if it is about a droplet.
    pub pool: String,
    /// Name of the droplet, firewall or key.
    pub name: String,
    /// The droplet, once it is known; of a deletion from the beginning.
    pub droplet: Option<DropletId>,
    /// The droplet that goes once this one stands.
    pub replaces: Option<DropletId>,
    /// What was asked for, for people: size, region, image; rules of a firewall.
    pub wanted: String,
    /// Where it stands.
    pub stage: Stage,
    /// Why it was abandoned.
    pub reason: String,
    /// Token of the controller that wants it.
    pub fence: Option<u64>,
    /// When it was intended, ms since the Unix epoch.
    pub intended_ms: u64,
    /// When its stage changed, ms since the Unix epoch.
    pub changed_ms: u64,
}

impl Operation {
    /// A new one, not written yet.
    #[must_use]
    pub fn new(kind: Kind, pool: &str, name: &str) -> Self {
        let now = now_ms();
        Self {
            id: OperationId::random(),
            kind,
            pool: pool.to_owned(),
            name: name.to_owned(),
            droplet: None,
            replaces: None,
            wanted: String::new(),
            stage: Stage::Intended,
            reason: String::new(),
            fence: None,
            intended_ms: now,
            changed_ms: now,
        }
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Creates a droplet.
    CreateDroplet,
    /// Deletes a droplet.
    DeleteDroplet,
    /// Creates or replaces a firewall.
    PutFirewall,
    /// Deletes a firewall.
    DeleteFirewall,
    /// Makes a public key known.
    PutSshKey,
    /// Takes a public key away.
    DeleteSshKey,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Written down, not sent.
    Intended,
    /// About to be sent, or sent: it may have happened.
    Sent,
    /// It happened.
    Confirmed,
    /// It did not happen, or what it made is gone.
    Abandoned,
}

const KINDS: [(&str, Kind); 6] = [
    ("create_droplet", Kind::CreateDroplet),
    ("delete_droplet", Kind::DeleteDroplet),
    ("put_firewall", Kind::PutFirewall),
    ("delete_firewall", Kind::DeleteFirewall),
    ("put_ssh_key", Kind::PutSshKey),
    ("delete_ssh_key", Kind::DeleteSshKey),
];
const STAGES: [(&str, Stage); 4] = [
    ("intended", Stage::Intended),
    ("sent", Stage::Sent),
    ("confirmed", Stage::Confirmed),
    ("abandoned", Stage::Abandoned),
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&KINDS, self))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&STAGES, self))
    }
}

fn word<T: PartialEq>(words: &'static [(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

fn meaning<T: Copy>(words: &[(&str, T)], what: &'static str, found: &str) -> Result<T, StateError> {
    let known = words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value);
    known.ok_or_else(|| StateError::Content { what, found: found.to_owned() })
}

/// One step of the journal, once it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalStep {
    /// Of which operation.
    pub operation: OperationId,
    /// What it does.
    pub kind: Kind,
    /// Where it stands now.
    pub stage: Stage,
}

impl State {
    /// Writes a new operation down, before anything is sent.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::Fenced`] if a newer leader has acted.
    pub fn intend(&self, operation: &Operation) -> Result<(), StateError> {
        let newest = self.with("written", |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let newest: Option<i64> =
                transaction.query_row("SELECT max(fence) FROM operations", [], |row| row.get(0))?;
            if operation.fence.is_some_and(|fence| newest.is_some_and(|newest| fence < from_sql(newest))) {
                return Ok(newest);
            }
            insert(&transaction, operation)?;
            transaction.commit()?;
            Ok(None)
        })?;
        if let (Some(fence), Some(newest)) = (operation.fence, newest) {
            return Err(StateError::Fenced { fence, newest: from_sql(newest) });
        }
        self.tell(operation, Stage::Intended);
        Ok(())
    }

    /// Writes down that an operation is about to be sent: from here on it may have happened.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn sent(&self, operation: &Operation) -> Result<(), StateError> {
        self.reach(operation, Stage::Sent, None, "")
    }

    /// Writes down that it happened, and to which droplet.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn confirmed(&self, operation: &Operation, droplet: Option<&DropletId>) -> Result<(), StateError> {
        self.reach(operation, Stage::Confirmed, droplet, "")
    }

    /// Writes down that it did not happen, or that what it made is gone.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn abandoned(&self, operation: &Operation, reason: &str) -> Result<(), StateError> {
        self.reach(operation, Stage::Abandoned, None, reason)
    }

    fn reach(
        &self,
        operation: &Operation,
        stage: Stage,
        droplet: Option<&DropletId>,
        reason: &str,
    ) -> Result<(), StateError> {
        self.with("written", |connection| {
            connection.execute(
                "UPDATE operations SET stage = ?2, droplet = coalesce(?3, droplet), reason = ?4, changed_ms = ?5 WHERE id = ?1",
                params![
                    operation.id.as_str(),
                    word(&STAGES, &stage),
                    droplet.map(|id| id.0.as_str()),
                    reason,
                    to_sql(now_ms())
                ],
            )
        })?;
        self.tell(operation, stage);
        Ok(())
    }

    fn tell(&self, operation: &Operation, stage: Stage) {
        if let Some(observer) = &self.observer {
            observer(&JournalStep { operation: operation.id.clone(), kind: operation.kind, stage });
        }
    }

    /// Operations that are not over: an apply was interrupted, or runs.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn open_operations(&self) -> Result<Vec<Operation>, StateError> {
        self.operations("WHERE stage IN ('intended', 'sent') ORDER BY intended_ms, id")
    }

    /// Operations that came to nothing and what they were to make.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn abandoned_operations(&self) -> Result<Vec<Operation>, StateError> {
        self.operations("WHERE stage = 'abandoned' ORDER BY intended_ms, id")
    }

    /// Every operation, oldest first.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn journal(&self) -> Result<Vec<Operation>, StateError> {
        self.operations("ORDER BY intended_ms, rowid")
    }

    /// Droplets that were to go once another one stands, by the one that stands now.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn replacements(&self) -> Result<BTreeMap<DropletId, DropletId>, StateError> {
        let confirmed =
            self.operations("WHERE stage = 'confirmed' AND replaces IS NOT NULL ORDER BY intended_ms, id")?;
        Ok(confirmed.into_iter().filter_map(|operation| Some((operation.droplet?, operation.replaces?))).collect())
    }

    fn operations(&self, tail: &str) -> Result<Vec<Operation>, StateError> {
        let sql = format!(
            "SELECT id, kind, pool, name, droplet, replaces, wanted, stage, reason, fence, intended_ms, changed_ms FROM operations {tail}"
        );
        let rows = self.with("read", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([], operation_of)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        rows.into_iter().collect()
    }

    /// Droplets that we deleted and saw gone, and when (ms since the Unix epoch). A listing may show them for another
    /// minute.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn deleted(&self) -> Result<BTreeMap<DropletId, u64>, StateError> {
        let deleted = self.operations("WHERE kind = 'delete_droplet' AND stage = 'confirmed'")?;
        Ok(deleted.into_iter().filter_map(|operation| Some((operation.droplet?, operation.changed_ms))).collect())
    }
}

fn insert(connection: &Connection, operation: &Operation) -> rusqlite::Result<usize> {
    connection.execute(
        "INSERT INTO operations (id, kind, pool, name, droplet, replaces, wanted, stage, reason, fence, intended_ms, changed_ms)
         VALUES (:id, :kind, :pool, :name, :droplet, :replaces, :wanted, :stage, '', :fence, :at, :at)",
        named_params! {
            ":id": operation.id.as_str(),
            ":kind": word(&KINDS, &operation.kind),
            ":pool": operation.pool,
            ":name": operation.name,
            ":droplet": operation.droplet.as_ref().map(|id| id.0.as_str()),
            ":replaces": operation.replaces.as_ref().map(|id| id.0.as_str()),
            ":wanted": operation.wanted,
            ":stage": word(&STAGES, &Stage::Intended),
            ":fence": operation.fence.map(to_sql),
            ":at": to_sql(operation.intended_ms),
        },
    )
}

fn operation_of(row: &Row<'_>) -> rusqlite::Result<Result<Operation, StateError>> {
    let (kind, stage): (String, String) = (row.get(1)?, row.get(7)?);
    let operation = Operation {
        id: OperationId(row.get(0)?),
        kind: Kind::CreateDroplet,
        pool: row.get(2)?,
        name: row.get(3)?,
        droplet: row.get::<_, Option<String>>(4)?.map(DropletId),
        replaces: row.get::<_, Option<String>>(5)?.map(DropletId),
        wanted: row.get(6)?,
        stage: Stage::Intended,
        reason: row.get(8)?,
        fence: row.get::<_, Option<i64>>(9)?.map(from_sql),
        intended_ms: from_sql(row.get(10)?),
        changed_ms: from_sql(row.get(11)?),
    };
    let checked = || {
        let kind = meaning(&KINDS, "a kind of operation", &kind)?;
        Ok(Operation { kind, stage: meaning(&STAGES, "a stage", &stage)?, ..operation })
    };
    Ok(checked())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn an_operation_is_open_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let observer = Box::new(move |step: &JournalStep| told.lock().unwrap().push(step.stage));
        let state = State::open(folder.path()).unwrap().observed_by(observer);
        let mut operation = Operation::new(Kind::CreateDroplet, "app", "cats-app-abc234");
        operation.replaces = Some(DropletId("1".to_owned()));
        state.intend(&operation).unwrap();
        state.sent(&operation).unwrap();
        let open = state.open_operations().unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].stage, open[0].kind), (Stage::Sent, Kind::CreateDroplet));
        state.confirmed(&operation, Some(&DropletId("2".to_owned()))).unwrap();
        assert!(state.open_operations().unwrap().is_empty());
        let replaced = state.replacements().unwrap();
        assert_eq!(replaced.get(&DropletId("2".to_owned())), Some(&DropletId("1".to_owned())));
        assert_eq!(*seen.lock().unwrap(), [Stage::Intended, Stage::Sent, Stage::Confirmed]);
    }

    #[test]
    fn who_no_longer_leads_intends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let with_fence = |fence| Operation { fence: Some(fence), ..Operation::new(Kind::CreateDroplet, "app", "x") };
        state.intend(&with_fence(7)).unwrap();
        state.intend(&with_fence(7)).unwrap();
        let error = state.intend(&with_fence(6)).unwrap_err();
        assert!(matches!(error, StateError::Fenced { fence: 6, newest: 7 }), "{error}");
        state.intend(&Operation::new(Kind::CreateDroplet, "app", "x")).unwrap();
    }
}
