//! The audit log, a stream: what scripts are given to write into it, and how it is read.

use std::sync::LazyLock;

use redis::{Script, cmd};
use serde_json::json;
use sluice_model::audit::{AUDIT_VALUE_BYTES_MAX, AuditEntry};

use super::codec::FieldFault;
use super::entries::{Entries, Entry, place};
use super::link::Lost;
use super::reader::Reader;
use super::supervisor::Supervisor;
use super::{RedisStore, answered};
use crate::error::StoreError;
use crate::event::Event;
use crate::record::Record;
use crate::store::AUDIT_ENTRIES_MAX;

/// Entries that one answer brings.
const BATCH: usize = 256;
/// After the last entry of any stream.
const AFTER_ALL: &str = "+";

static APPEND: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("scripts/log.lua"), include_str!("scripts/append_to_log.lua"))));

/// A record as `log.lua` reads it.
pub(super) fn record_argument(record: &Record) -> String {
    let Record { by, key, old, new, reason } = record;
    let mut fields = vec!["by", by, "key", key, "reason", reason];
    for (name, value) in [("old", old), ("new", new)] {
        fields.extend(value.iter().flat_map(|value| [name, value]));
    }
    json!({ "entries_max": AUDIT_ENTRIES_MAX, "value_bytes_max": AUDIT_VALUE_BYTES_MAX, "fields": fields }).to_string()
}

fn entry_from(entry: &Entry) -> Result<AuditEntry, FieldFault> {
    let Entry { id, fields } = entry;
    let (at_ms, _order) = place(id).ok_or(FieldFault("id"))?;
    let field = |name| fields.get(name).cloned();
    let required = |name| field(name).ok_or(FieldFault(name));
    Ok(AuditEntry {
        id: id.clone(),
        at_ms,
        by: required("by")?,
        key: required("key")?,
        old: field("old"),
        new: field("new"),
        reason: field("reason").unwrap_or_default(),
    })
}

fn readable(entry: &Entry) -> Option<AuditEntry> {
    let unreadable = |fault: &FieldFault| tracing::warn!(entry = entry.id, %fault, "audit entry cannot be read");
    entry_from(entry).inspect_err(unreadable).ok()
}

impl RedisStore {
    /// Logs a write that was made in another slot. The write stands, so a failure is told and no more.
    pub(super) async fn log_apart(&self, record: &Record, old: Option<Vec<u8>>) {
        let appended = async {
            let mut writer = self.writer().await?;
            let mut call = APPEND.key(self.keys.log());
            call.key(self.keys.epoch()).arg(record_argument(record)).arg(old);
            answered(call.invoke_async::<()>(&mut writer)).await
        };
        if let Err(error) = appended.await {
            tracing::error!(key = record.key, by = record.by, %error, "a change is not in the audit log");
        }
    }

    /// The newest entries, newest first.
    pub(super) async fn read_audit(&self, key: Option<&str>, newest: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let mut writer = self.writer().await?;
        let (newest, mut before) = (newest.min(AUDIT_ENTRIES_MAX), AFTER_ALL.to_owned());
        let (mut found, mut seen) = (Vec::new(), 0);
        while found.len() < newest && seen < AUDIT_ENTRIES_MAX {
            let mut range = cmd("XREVRANGE");
            range.arg(self.keys.log()).arg(&before).arg("-").arg("COUNT").arg(BATCH);
            let Entries(entries) = answered(range.query_async(&mut writer)).await?;
            let Some(oldest) = entries.last() else { break };
            before = format!("({}", oldest.id);
            seen += entries.len();
            found.extend(entries.iter().filter_map(readable).filter(|entry| key.is_none_or(|key| entry.key == key)));
        }
        found.truncate(newest);
        Ok(found)
    }
}

impl Supervisor {
    /// Tells of what was logged since the last time.
    pub(super) async fn read_log(&mut self, reader: &Reader) -> Result<(), Lost> {
        let entries = reader.tail(&self.keys.log(), &mut self.last_logged).await?;
        self.outbox.emit(entries.iter().filter_map(readable).map(Event::Audit)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::codec::Fields;

    #[test]
    fn an_entry_needs_who_and_what() {
        let entry = |fields: &[(&str, &str)]| Entry {
            id: "7-1".into(),
            fields: fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<Fields>(),
        };
        let read = entry_from(&entry(&[("by", "op"), ("key", "flag:a"), ("new", "true")])).unwrap();
        assert_eq!((read.at_ms, &*read.reason, read.old, read.new.as_deref()), (7, "", None, Some("true")));
        assert_eq!(entry_from(&entry(&[("by", "op")])), Err(FieldFault("key")));
        assert_eq!(entry_from(&Entry { id: "x".into(), ..entry(&[]) }), Err(FieldFault("id")));
    }
}
