//! Notices that no sink took: a stream, short and exact.

use std::sync::LazyLock;

use redis::{Script, cmd};
use sluice_model::alert::{Alert, DeadLetter};
use sluice_model::audit::Author;

use super::codec::{FieldFault, Fields};
use super::deliveries::check_entry;
use super::entries::{Entries, Entry};
use super::keys::Change;
use super::log::record_argument;
use super::notices::{ALERTS_STREAM_MAX, REPLAYED, with_alert};
use super::writer::Writer;
use super::{RedisStore, answered};
use crate::error::StoreError;
use crate::names::check_letter;
use crate::record::Record;
use crate::store::DEAD_LETTERS_MAX;

static REPLAY: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("scripts/log.lua"), include_str!("scripts/replay.lua"))));

fn letter_from(id: &str, fields: &Fields) -> Result<DeadLetter, FieldFault> {
    let text = |name: &'static str| fields.get(name).ok_or(FieldFault(name));
    let alert: Alert = serde_json::from_str(text("alert")?).map_err(|_malformed| FieldFault("alert"))?;
    let letter = DeadLetter {
        entry: id.to_owned(),
        alert,
        sink: text("sink")?.clone(),
        error: fields.get("error").cloned().unwrap_or_default(),
        attempts: text("attempts")?.parse().map_err(|_other| FieldFault("attempts"))?,
        at_ms: text("at_ms")?.parse().map_err(|_other| FieldFault("at_ms"))?,
    };
    check_letter(&letter).map_err(|_bound| FieldFault("alert"))?;
    Ok(letter)
}

fn letter_of(entry: &Entry) -> Option<DeadLetter> {
    let unreadable = |fault: &FieldFault| tracing::warn!(entry = entry.id, %fault, "dead letter cannot be read");
    letter_from(&entry.id, &entry.fields).inspect_err(unreadable).ok()
}

impl RedisStore {
    pub(super) async fn bury_letter(&self, letter: &DeadLetter) -> Result<(), StoreError> {
        check_letter(letter)?;
        let DeadLetter { entry: _, alert, sink, error, attempts, at_ms } = letter;
        let mut add = cmd("XADD");
        add.arg(self.keys.dead_letters()).arg("MAXLEN").arg(DEAD_LETTERS_MAX).arg("*");
        add.arg("alert").arg(serde_json::to_string(alert)?).arg("sink").arg(sink).arg("error").arg(error);
        add.arg("attempts").arg(attempts).arg("at_ms").arg(at_ms);
        answered(add.exec_async(&mut self.writer().await?)).await
    }

    pub(super) async fn newest_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let mut range = cmd("XREVRANGE");
        range.arg(self.keys.dead_letters()).arg("+").arg("-").arg("COUNT").arg(newest.min(DEAD_LETTERS_MAX));
        let Entries(entries) = answered(range.query_async(&mut self.writer().await?)).await?;
        Ok(entries.iter().filter_map(letter_of).collect())
    }

    pub(super) async fn replay_letter(&self, entry: &str, author: Author<'_>) -> Result<bool, StoreError> {
        check_entry(entry)?;
        let mut writer = self.writer().await?;
        let Some(letter) = self.letter(&mut writer, entry).await? else { return Ok(false) };
        let record = Record::replay(&letter, author.by, author.reason);
        let mut call = REPLAY.key(self.keys.dead_letters());
        call.key(self.keys.alerts()).key(self.keys.epoch()).key(self.keys.log());
        call.arg(entry).arg(record_argument(&record)).arg(ALERTS_STREAM_MAX).arg(REPLAYED).arg(&letter.sink);
        with_alert(&mut call, &letter.alert);
        let was_there = answered(call.invoke_async(&mut writer)).await?;
        if was_there {
            self.confirm(Change::Epoch).await?;
        }
        Ok(was_there)
    }

    async fn letter(&self, from: &mut Writer, entry: &str) -> Result<Option<DeadLetter>, StoreError> {
        let mut range = cmd("XRANGE");
        range.arg(self.keys.dead_letters()).arg(entry).arg(entry);
        let Entries(entries) = answered(range.query_async(from)).await?;
        let Some(found) = entries.first() else { return Ok(None) };
        let unreadable = |fault| StoreError::Invalid(format!("the dead letter {entry} cannot be read: {fault}"));
        letter_from(&found.id, &found.fields).map(Some).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_needs_an_alert_a_sink_and_figures() {
        let alert = Alert { rule: "upload-size".into(), ..Alert::default() };
        let text = serde_json::to_string(&alert).unwrap();
        let fields = [("alert", &*text), ("sink", "mail"), ("attempts", "3"), ("at_ms", "9")];
        let fields: Fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let letter = letter_from("1-0", &fields).unwrap();
        assert_eq!((&letter.alert, &*letter.sink, letter.attempts, &*letter.error), (&alert, "mail", 3, ""));
        for (name, strange) in [("alert", "{}"), ("sink", "a b"), ("attempts", "-1"), ("at_ms", "x")] {
            let mut fields = fields.clone();
            fields.insert(name.to_owned(), strange.to_owned());
            assert!(letter_from("1-0", &fields).is_err(), "{name}");
        }
    }
}
