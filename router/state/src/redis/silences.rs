//! Silences: one hash, small and told whole.

use std::sync::LazyLock;

use redis::{Script, cmd};
use sluice_model::audit::Author;
use sluice_model::silence::{SILENCES_MAX, Silence};

use super::entries::Hash;
use super::keys::Change;
use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::log::record_argument;
use super::reader::{Reader, WRONG_TYPE};
use super::supervisor::Supervisor;
use super::writer::Writer;
use super::{FULL, RedisStore, answered};
use crate::clock::now_ms;
use crate::error::StoreError;
use crate::event::Event;
use crate::names::{check_silence, check_silence_id};
use crate::record::Record;

/// Fields of the hash above which nobody reads it: far more than routers let in.
const FIELDS_MAX: usize = 4 * SILENCES_MAX;

static PUT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("scripts/log.lua"), include_str!("scripts/put_silence.lua"))));
static DELETE: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("scripts/log.lua"), include_str!("scripts/delete_silence.lua"))));

/// Silences that still hold, by id.
#[derive(Debug, Default)]
pub(super) struct Silences(Vec<Silence>);

impl Silences {
    /// What was held before a restart.
    pub(super) const fn from_disk(silences: Vec<Silence>) -> Self {
        Self(silences)
    }

    pub(super) const fn list(&self) -> &Vec<Silence> {
        &self.0
    }

    pub(super) fn event(&self) -> Event {
        Event::Silences(self.0.clone())
    }

    /// Takes in all that there are; `None` if nothing changed.
    pub(super) fn apply(&mut self, mut silences: Vec<Silence>, now_ms: u64) -> Option<Event> {
        silences.retain(|silence| now_ms < silence.until_ms);
        silences.sort_by(|one, other| one.id.cmp(&other.id));
        silences.truncate(SILENCES_MAX);
        if self.0 == silences {
            return None;
        }
        self.0 = silences;
        Some(self.event())
    }

    /// Lets those go that are over; `None` if there are none.
    pub(super) fn expire(&mut self, now_ms: u64) -> Option<Event> {
        let before = self.0.len();
        self.0.retain(|silence| now_ms < silence.until_ms);
        (self.0.len() < before).then(|| self.event())
    }
}

/// Those that can be read.
fn silences_of(Hash(fields): Hash) -> Vec<Silence> {
    let silence = |(id, text): (String, String)| {
        let silence = serde_json::from_str(&text).map_err(StoreError::from).and_then(|silence: Silence| {
            check_silence(&silence)?;
            if silence.id == id { Ok(silence) } else { Err(StoreError::Invalid("another id".to_owned())) }
        });
        silence.inspect_err(|error| tracing::warn!(silence = id, %error, "silence cannot be read")).ok()
    };
    fields.into_iter().filter_map(silence).collect()
}

impl Reader {
    /// All silences; `None` if what stands there is no hash of silences, and those before count.
    pub(super) async fn silences(&self) -> Result<Option<Vec<Silence>>, Lost> {
        let key = self.keys().silences();
        let count: usize = match self.ask("count silences", cmd("HLEN").arg(&key)).await {
            Err(Lost::Redis { source, .. }) if source.code() == Some(WRONG_TYPE) => {
                tracing::warn!(key, "no silences: a key of another type; those before count");
                return Ok(None);
            }
            count => count?,
        };
        if count > FIELDS_MAX {
            tracing::warn!(key, count, "far too many silences; those before count");
            return Ok(None);
        }
        Ok(Some(silences_of(self.ask("read silences", cmd("HGETALL").arg(&key)).await?)))
    }
}

impl Supervisor {
    pub(super) async fn read_silences(&mut self, reader: &Reader) -> Result<(), Lost> {
        let Some(silences) = reader.silences().await? else { return Ok(()) };
        if silences.is_empty() {
            // That all were ended is believed of a store only that has not lost everything.
            self.read_epoch(reader).await?;
        }
        let event = self.held.lock().silences.apply(silences, now_ms());
        self.tell(event).await;
        Ok(())
    }

    pub(super) async fn expire_silences(&mut self) {
        let event = self.held.lock().silences.expire(now_ms());
        self.tell(event).await;
    }

    /// Puts the silences we hold back into a store that lost its data; what was made there since counts.
    pub(super) async fn refill_silences(&self, to: &Writer) -> Result<(), Lost> {
        let silences = self.held.lock().silences.list().clone();
        for silence in silences {
            let text = serde_json::json!(silence).to_string();
            let mut put = cmd("HSETNX");
            put.arg(self.keys.silences()).arg(&silence.id).arg(text);
            within(ANSWER_WAIT_MAX, "refill silences", put.exec_async(&mut to.clone())).await?;
        }
        Ok(())
    }
}

impl RedisStore {
    pub(super) async fn write_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        check_silence(silence)?;
        let mut writer = self.writer().await?;
        let text = serde_json::to_string(silence)?;
        let author = Author { by: &silence.by, reason: &silence.reason };
        let record = Record::new(author, format!("silence:{}", silence.id)).new_value(Some(&text));
        let mut call = PUT.key(self.keys.silences());
        call.key(self.keys.epoch()).key(self.keys.log());
        call.arg(&silence.id).arg(&text).arg(SILENCES_MAX).arg(now_ms()).arg(record_argument(&record));
        match answered(call.invoke_async::<()>(&mut writer)).await {
            Err(StoreError::Redis(error)) if error.code() == Some(FULL) => {
                return Err(StoreError::Full { what: "silences", max: SILENCES_MAX });
            }
            answer => answer?,
        }
        self.confirm(Change::Silences).await
    }

    pub(super) async fn end_silence(&self, id: &str, author: Author<'_>) -> Result<bool, StoreError> {
        check_silence_id(id)?;
        let mut writer = self.writer().await?;
        let record = Record::new(author, format!("silence:{id}"));
        let mut call = DELETE.key(self.keys.silences());
        call.key(self.keys.epoch()).key(self.keys.log()).arg(id).arg(record_argument(&record));
        let was: bool = answered(call.invoke_async(&mut writer)).await?;
        if was {
            self.confirm(Change::Silences).await?;
        }
        Ok(was)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(id: &str, until_ms: u64) -> Silence {
        Silence { id: id.to_owned(), until_ms, ..Silence::default() }
    }

    #[test]
    fn those_that_are_over_are_none() {
        let mut silences = Silences::default();
        assert!(silences.apply(vec![silence("b", 20), silence("a", 10), silence("c", 5)], 5).is_some());
        assert_eq!(silences.list(), &[silence("a", 10), silence("b", 20)]);
        assert!(silences.apply(vec![silence("a", 10), silence("b", 20)], 5).is_none());
        assert!(silences.expire(9).is_none());
        assert!(silences.expire(10).is_some());
        assert_eq!(silences.list(), &[silence("b", 20)]);
    }

    #[test]
    fn nonsense_among_them_is_left_out() {
        let fields = [
            ("a", serde_json::json!(silence("a", 1)).to_string()),
            ("b", "{".to_owned()),
            ("c", serde_json::json!(silence("another", 1)).to_string()),
        ];
        let fields = fields.map(|(id, text)| (id.to_owned(), text)).into();
        assert_eq!(silences_of(Hash(fields)), [silence("a", 1)]);
    }
}
