//! Reads on the connection that is pushed to: one method per thing, each with its own time limit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisResult, cmd, pipe};
use sluice_model::lease::Server;
use sluice_model::rollout::Rollout;
use sluice_model::silence::Silence;

use super::codec::{rollout_from, server_from};
use super::entries::{Entries, Entry, Hash, Texts, place};
use super::flag_sets::Found;
use super::keys::Keys;
use super::lease::Ends;
use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::target::Connections;
use crate::event::SwitchValue;
use crate::names::is_flag_set;
use crate::store::{FLAG_SETS_MAX, ROLLOUTS_MAX, SERVERS_MAX};

/// Keys that one step of a scan looks at.
const SCAN_STEP: usize = 1_000;
/// Hashes or entries that one answer brings.
const BATCH: usize = 256;
/// Batches of a stream that one look reads; what is left is read by the next one.
const BATCHES_MAX: usize = 4;
/// What is done where a stream is read.
const READ_STREAM: &str = "read a stream";
/// The code of Redis for a key of another type.
pub(super) const WRONG_TYPE: &str = "WRONGTYPE";
/// Before the first entry of any stream.
const BEFORE_ALL: &str = "0-0";

/// Reads the content of one store.
pub(super) struct Reader {
    connection: MultiplexedConnection,
    apart: BTreeMap<String, MultiplexedConnection>,
    keys: Arc<Keys>,
}

/// The content at about one moment; what changes meanwhile is pushed.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) epoch: Option<u64>,
    pub(super) switches: BTreeMap<String, SwitchValue>,
    pub(super) rollouts: BTreeMap<String, Rollout>,
    pub(super) flags: BTreeMap<String, Found>,
    /// `None` if they cannot be read.
    pub(super) silences: Option<Vec<Silence>>,
}

/// Names of what has a key each.
#[derive(Debug, Default)]
struct Named {
    rollouts: Vec<String>,
    flags: Vec<String>,
}

impl Reader {
    pub(super) fn new(connections: &Connections, keys: Arc<Keys>) -> Self {
        Self { connection: connections.reader.clone(), apart: connections.apart.clone(), keys }
    }

    /// A connection that reads only.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Everything that is pushed, except servers.
    pub(super) async fn load(&self) -> Result<Loaded, Lost> {
        let mut loaded = Loaded { epoch: self.epoch().await?, ..Loaded::default() };
        for name in self.keys.switches().iter() {
            loaded.switches.insert(name.clone(), self.switch(name).await?);
        }
        let Named { rollouts, flags } = self.named().await?;
        for name in rollouts {
            if let Some(rollout) = self.rollout(&name).await? {
                loaded.rollouts.insert(name, rollout);
            }
        }
        for set in flags {
            let found = self.flags(&set).await?;
            loaded.flags.insert(set, found);
        }
        loaded.silences = self.silences().await?;
        Ok(loaded)
    }

    /// The epoch, `None` if there is none.
    pub(super) async fn epoch(&self) -> Result<Option<u64>, Lost> {
        self.ask("read the epoch", cmd("GET").arg(self.keys.epoch())).await
    }

    pub(super) async fn switch(&self, name: &str) -> Result<SwitchValue, Lost> {
        let mut owner = self.apart.get(name).unwrap_or(&self.connection).clone();
        let mut get = cmd("GET");
        let answer = get.arg(name).query_async(&mut owner);
        let content: Result<Option<Vec<u8>>, Lost> = within(ANSWER_WAIT_MAX, "read a switch", answer).await;
        match content {
            Ok(content) => Ok(SwitchValue::parse(content.as_deref())),
            Err(Lost::Redis { source, .. }) if source.code() == Some(WRONG_TYPE) => {
                Ok(SwitchValue::Invalid("a key of another type".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// `None` if there is none, or none that can be read.
    pub(super) async fn rollout(&self, name: &str) -> Result<Option<Rollout>, Lost> {
        let key = self.keys.rollout(name);
        let Hash(fields) = match self.ask("read a rollout", cmd("HGETALL").arg(&key)).await {
            Ok(fields) => fields,
            Err(Lost::Redis { source, .. }) if source.code() == Some(WRONG_TYPE) => {
                tracing::warn!(key, "not a rollout: a key of another type");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if fields.is_empty() {
            return Ok(None);
        }
        Ok(rollout_from(&fields).inspect_err(|fault| tracing::warn!(key, %fault, "rollout cannot be read")).ok())
    }

    /// Rollouts and sets of flags; what is above the bounds is left out, and some more flags tell that there are.
    async fn named(&self) -> Result<Named, Lost> {
        let (rollouts, flags) = (self.keys.rollout_prefix(), self.keys.flags_prefix());
        let mut named = Named::default();
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(self.keys.tracked_pattern()).arg("COUNT").arg(SCAN_STEP);
            let (next, Texts(keys)) = self.ask("list rollouts and flags", &scan).await?;
            for key in keys {
                if let Some(name) = key.strip_prefix(&rollouts) {
                    named.rollouts.push(name.to_owned());
                } else if let Some(set) = key.strip_prefix(&flags).filter(|set| is_flag_set(set)) {
                    named.flags.push(set.to_owned());
                }
            }
            named.rollouts.truncate(ROLLOUTS_MAX);
            named.flags.truncate(2 * FLAG_SETS_MAX);
            if next == 0 {
                return Ok(named);
            }
            cursor = next;
        }
    }

    /// When each lease ends.
    pub(super) async fn lease_ends(&self) -> Result<Ends, Lost> {
        let (seconds, micros): (u64, u64) = self.ask("read the time", &cmd("TIME")).await?;
        let mut range = cmd("ZRANGE");
        range.arg(self.keys.leases()).arg(0).arg(SERVERS_MAX - 1).arg("WITHSCORES");
        let ends: Vec<(String, f64)> = self.ask("read the leases", &range).await?;
        let ends = ends.into_iter().map(|(id, score)| (id, score_ms(score))).collect();
        Ok(Ends { now_ms: seconds * 1_000 + micros / 1_000, ends })
    }

    /// What these servers say of themselves; who cannot be read is left out.
    pub(super) async fn servers(&self, ids: &[String]) -> Result<HashMap<String, Server>, Lost> {
        let mut servers = HashMap::new();
        for batch in ids.chunks(BATCH) {
            let mut hashes = pipe();
            hashes.ignore_errors();
            for id in batch {
                hashes.cmd("HGETALL").arg(self.keys.server(id));
            }
            let mut connection = self.connection.clone();
            let answer = hashes.query_async(&mut connection);
            let answers: Vec<RedisResult<Hash>> = within(ANSWER_WAIT_MAX, "read servers", answer).await?;
            for (id, fields) in batch.iter().zip(answers) {
                match fields.map(|Hash(fields)| server_from(id, &fields)) {
                    Ok(Ok(server)) => {
                        servers.insert(id.clone(), server);
                    }
                    Ok(Err(fault)) => tracing::warn!(server = id, %fault, "server cannot be read"),
                    Err(error) => tracing::warn!(server = id, %error, "server cannot be read"),
                }
            }
        }
        Ok(servers)
    }

    /// Entries of a stream after `last`, oldest first, and moves it; none at the first look, which only finds the place.
    pub(super) async fn tail(&self, key: &str, last: &mut Option<String>) -> Result<Vec<Entry>, Lost> {
        let Some(mut place) = last.clone() else {
            *last = Some(self.last_entry(key).await?);
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for _batch in 0..BATCHES_MAX {
            let before = entries.len();
            place = self.entries_after(key, place, &mut entries).await?;
            if entries.len() - before < BATCH {
                break;
            }
        }
        *last = Some(place);
        Ok(entries)
    }

    /// Adds at most one batch, and returns the place to go on from.
    async fn entries_after(&self, key: &str, last: String, found: &mut Vec<Entry>) -> Result<String, Lost> {
        let mut ranges = pipe();
        ranges.ignore_errors();
        ranges.cmd("XRANGE").arg(key).arg(format!("({last}")).arg("+").arg("COUNT").arg(BATCH);
        ranges.add_command(newest(key));
        let mut connection = self.connection.clone();
        let answer = ranges.query_async(&mut connection);
        let [after, newest]: [RedisResult<Entries>; 2] = within(ANSWER_WAIT_MAX, READ_STREAM, answer).await?;
        let (after, newest) = (entries(key, after)?, entries(key, newest)?);
        if let Some(told) = after.last().map(|entry| entry.id.clone()) {
            found.extend(after);
            return Ok(told);
        }
        // A stream that someone deleted begins anew, perhaps with lower ids.
        let began_anew = newest.into_iter().map(|entry| entry.id).find(|newest| place(newest) < place(&last));
        Ok(began_anew.unwrap_or(last))
    }

    /// The id of the newest entry, or one before all.
    async fn last_entry(&self, key: &str) -> Result<String, Lost> {
        let mut connection = self.connection.clone();
        let newest = newest(key);
        let answer = async { Ok(newest.query_async::<Entries>(&mut connection).await) };
        let newest = entries(key, within(ANSWER_WAIT_MAX, READ_STREAM, answer).await?)?.pop();
        Ok(newest.map_or_else(|| BEFORE_ALL.to_owned(), |entry| entry.id))
    }

    pub(super) async fn ask<T: FromRedisValue>(&self, doing: &'static str, command: &Cmd) -> Result<T, Lost> {
        within(ANSWER_WAIT_MAX, doing, command.query_async(&mut self.connection.clone())).await
    }
}

fn newest(key: &str) -> Cmd {
    let mut range = cmd("XREVRANGE");
    range.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
    range
}

/// A key of another type has no entries.
fn entries(key: &str, answer: RedisResult<Entries>) -> Result<Vec<Entry>, Lost> {
    match answer {
        Ok(Entries(entries)) => Ok(entries),
        Err(error) if error.code() == Some(WRONG_TYPE) => {
            tracing::warn!(key, "a key of another type stands where a stream belongs");
            Ok(Vec::new())
        }
        Err(source) => Err(Lost::Redis { doing: READ_STREAM, source }),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: a nonsensical end is 0 or for ever"
)]
const fn score_ms(score: f64) -> u64 {
    score as u64
}
