//! Sets of flag definitions, each with the version that the counter gave it.

use redb::ReadableTable as _;

use super::state::{Done, State};
use super::tables::{COUNTERS, FLAGS};
use crate::error::StoreError;
use crate::event::{Event, FlagDocument};
use crate::record::Record;
use crate::store::FLAG_SETS_MAX;

/// Raised by each write, so that a set that is made anew has a higher version than the one before.
const FLAGS_COUNTER: &str = "flags";

impl State {
    pub(super) fn put_flags(
        &mut self,
        set: &str,
        text: &str,
        expected: Option<u64>,
        record: Record,
        now_ms: u64,
    ) -> Done<u64> {
        let known = self.flags.get(set);
        let found = known.map_or(0, |document| document.version);
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(StoreError::Conflict { key: record.key, expected, found });
        }
        if known.is_none() && self.flags.len() >= FLAG_SETS_MAX {
            return Err(StoreError::Full { what: "sets of flags", max: FLAG_SETS_MAX });
        }
        let record = record.old(known.map(|document| &*document.text)).new_value(Some(text));
        let (version, logged) = self.commit_logged(&record, now_ms, |transaction| {
            let mut counters = transaction.open_table(COUNTERS)?;
            let version = counters.get(FLAGS_COUNTER)?.map_or(0, |counter| counter.value()) + 1;
            counters.insert(FLAGS_COUNTER, version)?;
            transaction.open_table(FLAGS)?.insert(set, (version, text))?;
            Ok(version)
        })?;
        let document = FlagDocument { text: text.into(), version };
        self.flags.insert(set.to_owned(), document.clone());
        Ok((version, vec![Event::Flags { set: set.to_owned(), document: Some(document) }, logged]))
    }

    pub(super) fn delete_flags(&mut self, set: &str, record: Record, now_ms: u64) -> Done<bool> {
        let Some(known) = self.flags.get(set) else { return Ok((false, Vec::new())) };
        let record = record.old(Some(&known.text));
        let ((), logged) = self.commit_logged(&record, now_ms, |transaction| {
            transaction.open_table(FLAGS)?.remove(set)?;
            Ok(())
        })?;
        self.flags.remove(set);
        Ok((true, vec![Event::Flags { set: set.to_owned(), document: None }, logged]))
    }

    pub(super) fn flags(&self, set: &str) -> Option<FlagDocument> {
        self.flags.get(set).cloned()
    }
}
