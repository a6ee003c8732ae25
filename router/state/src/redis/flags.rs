//! Sets of flag definitions: one key each, which any client may `SET`; beside them, what the counter was when a router
//! wrote them.

use std::sync::LazyLock;

use redis::aio::ConnectionLike;
use redis::{RedisError, RedisResult, Script, Value, pipe};
use sluice_model::audit::Author;

use super::flag_sets::Found;
use super::keys::{Change, Keys};
use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::log::record_argument;
use super::reader::{Reader, WRONG_TYPE};
use super::supervisor::Supervisor;
use super::writer::Writer;
use super::{FULL, RedisStore, answered};
use crate::error::StoreError;
use crate::event::FlagDocument;
use crate::names::{check_flag_set, check_flags};
use crate::record::Record;
use crate::store::{FLAG_DOCUMENT_BYTES_MAX, FLAG_SETS_MAX};

/// The version of a set that no router has written. The counter begins above it, and 0 stands for no set at all.
const UNWRITTEN: u64 = 1;

static PUT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("scripts/log.lua"), include_str!("scripts/put_flags.lua"))));
static DELETE: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("scripts/log.lua"), include_str!("scripts/delete_flags.lua"))));
static REFILL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/refill_flags.lua")));

/// Reads one set, never more of it than a document may have.
async fn read(connection: &mut impl ConnectionLike, keys: &Keys, set: &str) -> RedisResult<Found> {
    let mut reads = pipe();
    reads.ignore_errors();
    // The version first: if someone writes in between it is too old, and a compare-and-set with it is refused.
    reads.cmd("HGET").arg(keys.flags_versions()).arg(set);
    reads.cmd("GETRANGE").arg(keys.flags(set)).arg(0).arg(FLAG_DOCUMENT_BYTES_MAX);
    reads.cmd("EXISTS").arg(keys.flags(set));
    let answers: [RedisResult<Value>; 3] = reads.query_async(connection).await?;
    let [version, text, exists] = answers;
    let text: Vec<u8> = match text {
        Ok(text) => redis::from_redis_value(text)?,
        Err(error) if is_wrong_type(&error) => return Ok(Found::Refused("a key of another type".to_owned())),
        Err(error) => return Err(error),
    };
    let version = match version {
        Ok(version) => redis::from_redis_value(version).unwrap_or_default(),
        Err(error) if is_wrong_type(&error) => None,
        Err(error) => return Err(error),
    };
    Ok(found(text, version, redis::from_redis_value(exists?)?))
}

fn found(text: Vec<u8>, version: Option<u64>, exists: bool) -> Found {
    if text.is_empty() {
        return if exists { Found::Refused("it is empty".to_owned()) } else { Found::Missing };
    }
    if text.len() > FLAG_DOCUMENT_BYTES_MAX {
        return Found::Refused("it is longer than 1 MiB".to_owned());
    }
    match String::from_utf8(text) {
        Ok(text) => Found::Document(FlagDocument { text: text.into(), version: version.unwrap_or(UNWRITTEN) }),
        Err(_binary) => Found::Refused("it is not UTF-8".to_owned()),
    }
}

fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some(WRONG_TYPE)
}

impl Reader {
    /// A set as it is now.
    pub(super) async fn flags(&self, set: &str) -> Result<Found, Lost> {
        let mut connection = self.connection();
        within(ANSWER_WAIT_MAX, "read flag definitions", read(&mut connection, self.keys(), set)).await
    }
}

impl Supervisor {
    pub(super) async fn read_flags(&mut self, set: &str, reader: &Reader) -> Result<(), Lost> {
        let found = reader.flags(set).await?;
        if found == Found::Missing {
            // That it was deleted is believed of a store only that has not lost everything.
            self.read_epoch(reader).await?;
        }
        let event = self.held.lock().flags.apply(set, found);
        self.tell(event).await;
        Ok(())
    }

    /// Puts the sets we hold back into a store that lost its data.
    pub(super) async fn refill_flags(&self, to: &Writer) -> Result<(), Lost> {
        let documents = self.held.lock().flags.documents().clone();
        for (set, FlagDocument { text, version }) in documents {
            let mut call = REFILL.key(self.keys.flags(&set));
            call.key(self.keys.flags_versions()).key(self.keys.flags_counter()).arg(&set).arg(&*text).arg(version);
            let mut to = to.clone();
            within(ANSWER_WAIT_MAX, "refill flag definitions", call.invoke_async::<()>(&mut to)).await?;
        }
        Ok(())
    }
}

impl RedisStore {
    pub(super) async fn write_flags(
        &self,
        set: &str,
        text: &str,
        expected: Option<u64>,
        author: Author<'_>,
    ) -> Result<u64, StoreError> {
        check_flag_set(set)?;
        check_flags(text)?;
        let mut writer = self.writer().await?;
        let epoch = {
            let held = self.held.lock();
            if !held.flags.has_room_for(set) {
                return Err(full());
            }
            held.epoch
        };
        let record = Record::new(author, format!("flags:{set}")).new_value(Some(text));
        let mut call = PUT.key(self.keys.flags(set));
        call.key(self.keys.flags_versions()).key(self.keys.flags_counter()).key(self.keys.epoch()).key(self.keys.log());
        call.arg(set).arg(text).arg(expected.map_or_else(String::new, |version| version.to_string()));
        call.arg(UNWRITTEN).arg(FLAG_SETS_MAX).arg(self.keys.flags_prefix()).arg(epoch);
        call.arg(record_argument(&record));
        let (written, version): (bool, u64) = match answered(call.invoke_async(&mut writer)).await {
            Err(StoreError::Redis(error)) if error.code() == Some(FULL) => return Err(full()),
            answer => answer?,
        };
        if !written {
            let expected = expected.unwrap_or_default();
            return Err(StoreError::Conflict { key: format!("flags:{set}"), expected, found: version });
        }
        tracing::info!(set, version, by = author.by, "flag definitions written");
        self.confirm(Change::Flags(set.to_owned())).await?;
        Ok(version)
    }

    pub(super) async fn remove_flags(&self, set: &str, author: Author<'_>) -> Result<bool, StoreError> {
        check_flag_set(set)?;
        let mut writer = self.writer().await?;
        let record = Record::new(author, format!("flags:{set}"));
        let mut call = DELETE.key(self.keys.flags(set));
        call.key(self.keys.flags_versions()).key(self.keys.flags_counter()).key(self.keys.epoch()).key(self.keys.log());
        call.arg(set).arg(record_argument(&record));
        let was: bool = answered(call.invoke_async(&mut writer)).await?;
        if was {
            tracing::info!(set, by = author.by, "flag definitions deleted");
            self.confirm(Change::Flags(set.to_owned())).await?;
        }
        Ok(was)
    }

    pub(super) async fn flags_now(&self, set: &str) -> Result<Option<FlagDocument>, StoreError> {
        check_flag_set(set)?;
        let mut writer = self.writer().await?;
        match answered(read(&mut writer, &self.keys, set)).await? {
            Found::Document(document) => Ok(Some(document)),
            Found::Missing => Ok(None),
            Found::Refused(reason) => {
                Err(StoreError::Invalid(format!("the store's flag definitions `{set}` cannot be read: {reason}")))
            }
        }
    }
}

const fn full() -> StoreError {
    StoreError::Full { what: "sets of flags", max: FLAG_SETS_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_ends_at_its_bound_and_is_text() {
        let document = |text: &str, version| Found::Document(FlagDocument { text: text.into(), version });
        assert_eq!(found(b"{}".to_vec(), Some(7), true), document("{}", 7));
        assert_eq!(found(b"{}".to_vec(), None, true), document("{}", UNWRITTEN));
        let most = "x".repeat(FLAG_DOCUMENT_BYTES_MAX);
        assert_eq!(found(most.clone().into_bytes(), Some(2), true), document(&most, 2));
        for refused in [format!("{most}x").into_bytes(), b"\xff".to_vec(), Vec::new()] {
            assert!(matches!(found(refused, Some(2), true), Found::Refused(_)));
        }
        assert_eq!(found(Vec::new(), Some(2), false), Found::Missing);
    }
}
