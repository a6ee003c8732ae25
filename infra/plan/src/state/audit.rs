//! The audit log: who did what, when, by which command, and how it ended. Written before the deed; never a secret.

use rusqlite::params;
use serde::Serialize;

use super::{State, StateError, from_sql, now_ms, to_sql};

/// Longest text of an entry: it is for reading.
const TEXT_BYTES_MAX: usize = 4096;
/// Entries that are kept; the oldest go.
const ENTRIES_MAX: i64 = 100_000;

/// Identity of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AuditId(i64);

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its number.
    pub id: AuditId,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// Who: `user@host`, or the controller.
    pub who: String,
    /// By which command.
    pub command: String,
    /// What.
    pub what: String,
    /// How it ended; `None` = it runs, or was killed.
    pub outcome: Option<String>,
    /// When it ended, ms since the Unix epoch.
    pub ended_ms: Option<u64>,
}

impl State {
    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn audit_begin(&self, who: &str, command: &str, what: &str) -> Result<AuditId, StateError> {
        self.with("written", |connection| {
            connection.execute(
                "INSERT INTO audit (at_ms, who, command, what) VALUES (?1, ?2, ?3, ?4)",
                params![to_sql(now_ms()), cut(who), cut(command), cut(what)],
            )?;
            let id = connection.last_insert_rowid();
            connection.execute("DELETE FROM audit WHERE id <= ?1", params![id - ENTRIES_MAX])?;
            Ok(AuditId(id))
        })
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn audit_end(&self, id: AuditId, outcome: &str) -> Result<(), StateError> {
        self.with("written", |connection| {
            let sql = "UPDATE audit SET outcome = ?2, ended_ms = ?3 WHERE id = ?1";
            connection.execute(sql, params![id.0, cut(outcome), to_sql(now_ms())])
        })?;
        Ok(())
    }

    /// Writes down something that is over already.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn audit(&self, who: &str, command: &str, what: &str, outcome: &str) -> Result<(), StateError> {
        let id = self.audit_begin(who, command, what)?;
        self.audit_end(id, outcome)
    }

    /// The last entries, newest first.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn audit_log(&self, entries_max: u32) -> Result<Vec<AuditEntry>, StateError> {
        let sql = "SELECT id, at_ms, who, command, what, outcome, ended_ms FROM audit ORDER BY id DESC LIMIT ?1";
        self.with("read", |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let entry = |row: &rusqlite::Row<'_>| {
                Ok(AuditEntry {
                    id: AuditId(row.get(0)?),
                    at_ms: from_sql(row.get(1)?),
                    who: row.get(2)?,
                    command: row.get(3)?,
                    what: row.get(4)?,
                    outcome: row.get(5)?,
                    ended_ms: row.get::<_, Option<i64>>(6)?.map(from_sql),
                })
            };
            statement.query_map(params![entries_max], entry)?.collect()
        })
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_without_an_end_was_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let first = state.audit_begin("ann@desk", "apply", "3 to create").unwrap();
        state.audit_begin("ann@desk", "apply", "1 to create").unwrap();
        state.audit_end(first, "done").unwrap();
        let log = state.audit_log(10).unwrap();
        assert_eq!(log.iter().map(|entry| entry.outcome.as_deref()).collect::<Vec<_>>(), [None, Some("done")]);
        assert_eq!(state.audit_log(1).unwrap().len(), 1);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "ü".repeat(TEXT_BYTES_MAX);
        assert_eq!(cut(&text).len(), TEXT_BYTES_MAX);
        assert_eq!(cut(&format!("x{text}")).len(), TEXT_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
