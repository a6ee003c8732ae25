//! The audit log, in the file: written in the transaction of what it tells of.

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use sluice_model::audit::AuditEntry;

use super::tables::LOG;
use crate::record::Record;
use crate::store::AUDIT_ENTRIES_MAX;

/// Appends, and returns the entry with its place. Places rise even if the clock is set back.
pub(super) fn append(transaction: &WriteTransaction, record: &Record, now_ms: u64) -> Result<AuditEntry, redb::Error> {
    let text = serde_json::json!(record).to_string();
    let mut log = transaction.open_table(LOG)?;
    let place = match log.last()?.map(|(place, _)| place.value()) {
        Some((last_ms, order)) if now_ms <= last_ms => (last_ms, order + 1),
        _ => (now_ms, 0),
    };
    log.insert(place, &*text)?;
    while log.len()? > AUDIT_ENTRIES_MAX as u64 {
        log.pop_first()?;
    }
    Ok(entry(place, record.clone()))
}

/// The newest entries, newest first; with `key`, those about it. Blocks.
pub(super) fn newest(
    transaction: &ReadTransaction,
    key: Option<&str>,
    newest: usize,
) -> Result<Vec<AuditEntry>, redb::Error> {
    let table = transaction.open_table(LOG)?;
    let mut found = Vec::new();
    for row in table.iter()?.rev() {
        if found.len() >= newest {
            break;
        }
        let (place, text) = row?;
        match serde_json::from_str::<Record>(text.value()) {
            Ok(record) if key.is_none_or(|key| record.key == key) => found.push(entry(place.value(), record)),
            Ok(_other) => {}
            Err(error) => tracing::warn!(%error, "audit entry cannot be read"),
        }
    }
    Ok(found)
}

fn entry((ms, order): (u64, u64), record: Record) -> AuditEntry {
    record.entry(format!("{ms}-{order}"), ms)
}

#[cfg(test)]
mod tests {
    use redb::ReadableDatabase as _;

    use super::*;
    use crate::embedded::state::fresh;
    use crate::embedded::tables::Content;

    #[test]
    fn places_rise_and_the_oldest_entry_goes_when_there_is_one_too_many() {
        let (state, _folder) = fresh(Content::default());
        let record = Record { key: "flag:a".into(), ..Record::default() };
        let ids = state.commit(|transaction| {
            let first = append(transaction, &record, 100)?.id;
            for _entry in 2..AUDIT_ENTRIES_MAX {
                append(transaction, &record, 100)?;
            }
            let back = append(transaction, &record, 50)?.id;
            assert_eq!(transaction.open_table(LOG)?.len()?, AUDIT_ENTRIES_MAX as u64);
            let other = Record { key: "flag:b".into(), ..record.clone() };
            Ok([first, back, append(transaction, &other, 101)?.id])
        });
        let most = AUDIT_ENTRIES_MAX - 1;
        assert_eq!(ids.unwrap(), ["100-0".to_owned(), format!("100-{most}"), "101-0".to_owned()]);
        let transaction = state.database.begin_read().unwrap();
        let all = newest(&transaction, None, usize::MAX).unwrap();
        assert_eq!((all.len(), &*all[0].id, &*all[most].id), (AUDIT_ENTRIES_MAX, "101-0", "100-1"));
        assert_eq!(newest(&transaction, Some("flag:b"), 9).unwrap().len(), 1);
        assert_eq!(newest(&transaction, Some("flag:a"), 2).unwrap().len(), 2);
    }
}
