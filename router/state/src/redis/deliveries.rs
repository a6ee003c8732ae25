//! Alerts on their way to those who act on them: consumer groups over their stream, and what sinks have taken.
//!
//! Nothing blocks in Redis: whoever waits is woken by the push that tells this router of a new alert.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use redis::streams::StreamPendingCountReply;
use redis::{FromRedisValue, ParsingError, Script, Value, cmd, pipe};
use sluice_model::alert::AlertId;
use tokio::time::timeout;

use super::entries::{Entries, Entry, place};
use super::notices::alert_of;
use super::writer::Writer;
use super::{RedisStore, answered};
use crate::clock::millis;
use crate::error::StoreError;
use crate::names::{check_holder, check_sent};
use crate::store::{DELIVERIES_AT_ONCE_MAX, Delivery, Group, SENT_KEPT};

/// Where a group begins that is to have all that is there.
const FROM_THE_BEGINNING: &str = "0";
/// Where a group begins that is to have what comes from now on.
const FROM_NOW_ON: &str = "$";
/// Where a look at all pending entries begins, and what it ends with.
const ALL_SEEN: &str = "0-0";
/// Steps of one look at pending entries; Redis looks at ten times as many as are wanted in each.
const CLAIM_STEPS_MAX: usize = 64;
/// The code for a group that is not there: the stream is new, or someone deleted it.
const NO_GROUP: &str = "NOGROUP";
/// The code for a group that another router was faster to make.
const BUSY_GROUP: &str = "BUSYGROUP";

impl Group {
    /// Its name in Redis.
    const fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Scale => "scale",
        }
    }

    const fn begin(self) -> &'static str {
        match self {
            Self::Notify => FROM_THE_BEGINNING,
            Self::Scale => FROM_NOW_ON,
        }
    }
}

static HOLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/hold_delivery.lua")));

/// The answer of `XREADGROUP` of one stream: a map in RESP3, nil if there is nothing.
struct OfOneStream(Vec<Entry>);

impl FromRedisValue for OfOneStream {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let entries = match value {
            Value::Nil => None,
            Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
            other => return Err(format!("{other:?} is not the answer of a group").into()),
        };
        let entries = entries.map(Entries::from_redis_value).transpose()?;
        Ok(Self(entries.unwrap_or_default().0))
    }
}

/// The answer of `XAUTOCLAIM`: where to go on, and what was claimed. What was trimmed meanwhile is neither.
struct Claimed {
    cursor: String,
    entries: Vec<Entry>,
}

impl FromRedisValue for Claimed {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let parts = value.into_sequence().map_err(|_other| "not the answer of a claim".to_owned())?;
        let mut parts = parts.into_iter();
        let mut part = || parts.next().ok_or_else(|| ParsingError::from("a claim without an answer".to_owned()));
        Ok(Self { cursor: redis::from_redis_value(part()?)?, entries: Entries::from_redis_value(part()?)?.0 })
    }
}

impl RedisStore {
    pub(super) async fn take(
        &self,
        group: Group,
        consumer: &str,
        count_max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        check_holder(consumer)?;
        if count_max == 0 {
            return Ok(Vec::new());
        }
        let count_max = count_max.min(DELIVERIES_AT_ONCE_MAX);
        let mut arrivals = self.held.arrivals();
        let taken = self.take_now(group, consumer, count_max).await?;
        if !taken.is_empty() {
            return Ok(taken);
        }
        let _waited = timeout(wait, arrivals.changed()).await;
        self.take_now(group, consumer, count_max).await
    }

    async fn take_now(&self, group: Group, consumer: &str, count_max: usize) -> Result<Vec<Delivery>, StoreError> {
        let mut writer = self.writer().await?;
        let taken = match self.take_from_group(&mut writer, group, consumer, count_max).await {
            Err(StoreError::Redis(error)) if error.code() == Some(NO_GROUP) => {
                self.make_group(&mut writer, group).await?;
                self.take_from_group(&mut writer, group, consumer, count_max).await
            }
            taken => taken,
        };
        let mut deliveries = Vec::new();
        for (entry, times) in taken? {
            match alert_of(&entry) {
                Some(alert) => deliveries.push(Delivery { entry: entry.id, alert, times }),
                // Nobody can do anything with it, so it must not come back.
                None => self.finish(group, &entry.id).await?,
            }
        }
        Ok(deliveries)
    }

    /// What others have left, then what is new; each with how often it was handed out.
    async fn take_from_group(
        &self,
        writer: &mut Writer,
        group: Group,
        consumer: &str,
        count_max: usize,
    ) -> Result<Vec<(Entry, u64)>, StoreError> {
        let left = self.claim(writer, group, consumer, count_max).await?;
        let times = self.times_delivered(writer, group, &left).await?;
        let again = |entry: Entry| {
            let times = times.get(&entry.id).copied().unwrap_or(1);
            (entry, times)
        };
        let mut taken: Vec<(Entry, u64)> = left.into_iter().map(again).collect();
        if taken.len() < count_max {
            let mut read = cmd("XREADGROUP");
            read.arg("GROUP").arg(group.name()).arg(consumer).arg("COUNT").arg(count_max - taken.len());
            read.arg("STREAMS").arg(self.keys.alerts()).arg(">");
            let OfOneStream(new) = answered(read.query_async(writer)).await?;
            taken.extend(new.into_iter().map(|entry| (entry, 1)));
        }
        Ok(taken)
    }

    async fn claim(
        &self,
        writer: &mut Writer,
        group: Group,
        consumer: &str,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (mut left, mut cursor) = (Vec::new(), ALL_SEEN.to_owned());
        for _step in 0..CLAIM_STEPS_MAX {
            let mut claim = cmd("XAUTOCLAIM");
            claim.arg(self.keys.alerts()).arg(group.name()).arg(consumer).arg(millis(self.delivery_idle)).arg(&cursor);
            claim.arg("COUNT").arg(count_max - left.len());
            let claimed: Claimed = answered(claim.query_async(writer)).await?;
            left.extend(claimed.entries);
            if claimed.cursor == ALL_SEEN || left.len() >= count_max {
                break;
            }
            cursor = claimed.cursor;
        }
        Ok(left)
    }

    async fn times_delivered(
        &self,
        writer: &mut Writer,
        group: Group,
        entries: &[Entry],
    ) -> Result<HashMap<String, u64>, StoreError> {
        if entries.is_empty() {
            return Ok(HashMap::new());
        }
        let mut questions = pipe();
        for entry in entries {
            questions.cmd("XPENDING").arg(self.keys.alerts()).arg(group.name()).arg(&entry.id).arg(&entry.id).arg(1);
        }
        let answers: Vec<StreamPendingCountReply> = answered(questions.query_async(writer)).await?;
        Ok(answers.into_iter().flat_map(|answer| answer.ids).map(|id| (id.id, id.times_delivered as u64)).collect())
    }

    async fn make_group(&self, writer: &mut Writer, group: Group) -> Result<(), StoreError> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(self.keys.alerts()).arg(group.name()).arg(group.begin()).arg("MKSTREAM");
        match answered(create.exec_async(&mut *writer)).await {
            Err(StoreError::Redis(error)) if error.code() == Some(BUSY_GROUP) => Ok(()),
            made => made,
        }
    }

    pub(super) async fn hold(&self, group: Group, consumer: &str, entry: &str) -> Result<(), StoreError> {
        check_holder(consumer)?;
        check_entry(entry)?;
        let mut writer = self.writer().await?;
        let mut call = HOLD.key(self.keys.alerts());
        let held = answered(call.arg(group.name()).arg(consumer).arg(entry).invoke_async(&mut writer)).await?;
        if held { Ok(()) } else { Err(StoreError::Fenced(format!("delivery {entry}"))) }
    }

    pub(super) async fn finish(&self, group: Group, entry: &str) -> Result<(), StoreError> {
        check_entry(entry)?;
        let mut writer = self.writer().await?;
        let mut finish = cmd("XACK");
        answered(finish.arg(self.keys.alerts()).arg(group.name()).arg(entry).exec_async(&mut writer)).await
    }

    pub(super) async fn note_sent(&self, alert: &AlertId, sink: &str) -> Result<(), StoreError> {
        check_sent(alert, sink)?;
        let mut writer = self.writer().await?;
        let mut set = cmd("SET");
        set.arg(self.keys.sent(alert.as_str(), sink)).arg(1).arg("PX").arg(millis(SENT_KEPT));
        answered(set.exec_async(&mut writer)).await
    }

    pub(super) async fn is_sent(&self, alert: &AlertId, sink: &str) -> Result<bool, StoreError> {
        check_sent(alert, sink)?;
        let mut writer = self.writer().await?;
        answered(cmd("EXISTS").arg(self.keys.sent(alert.as_str(), sink)).query_async(&mut writer)).await
    }
}

/// Checks that an entry is a place in a stream.
pub(super) fn check_entry(entry: &str) -> Result<(), StoreError> {
    match place(entry) {
        Some(_) => Ok(()),
        None => Err(StoreError::Invalid(format!("`{}` is no entry", entry.escape_default()))),
    }
}
