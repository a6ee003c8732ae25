//! Reads on the connection that is pushed to: one method per thing, each with its own time limit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::streams::StreamRangeReply;
use redis::{Cmd, FromRedisValue, RedisResult, cmd, pipe};
use sluice_model::alert::Alert;
use sluice_model::lease::Server;
use sluice_model::rollout::Rollout;

use super::codec::{Fields, alert_from, rollout_from, server_from};
use super::keys::Keys;
use super::lease::Ends;
use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::target::Connections;
use crate::event::SwitchValue;
use crate::store::{ROLLOUTS_MAX, SERVERS_MAX};

/// Keys that one step of a scan looks at.
const SCAN_STEP: usize = 1_000;
/// Hashes or alerts that one answer brings.
const BATCH: usize = 256;
/// The code of Redis for a key of another type.
const WRONG_TYPE: &str = "WRONGTYPE";
/// Before the first entry of any stream.
const BEFORE_ALL_ALERTS: &str = "0-0";

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
}

impl Reader {
    pub(super) fn new(connections: &Connections, keys: Arc<Keys>) -> Self {
        Self { connection: connections.reader.clone(), apart: connections.apart.clone(), keys }
    }

    /// Switches, rollouts and the epoch.
    pub(super) async fn load(&self) -> Result<Loaded, Lost> {
        let mut loaded = Loaded { epoch: self.epoch().await?, ..Loaded::default() };
        for name in self.keys.switches().iter() {
            loaded.switches.insert(name.clone(), self.switch(name).await?);
        }
        for name in self.rollout_names().await? {
            if let Some(rollout) = self.rollout(&name).await? {
                loaded.rollouts.insert(name, rollout);
            }
        }
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
        let fields: Fields = match self.ask("read a rollout", cmd("HGETALL").arg(&key)).await {
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

    async fn rollout_names(&self) -> Result<Vec<String>, Lost> {
        let prefix = self.keys.rollout_prefix();
        let mut names = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(SCAN_STEP);
            let (next, keys): (u64, Vec<String>) = self.ask("list rollouts", &scan).await?;
            names.extend(keys.iter().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned));
            if next == 0 || names.len() >= ROLLOUTS_MAX {
                names.truncate(ROLLOUTS_MAX);
                return Ok(names);
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
            let answers: Vec<RedisResult<Fields>> = within(ANSWER_WAIT_MAX, "read servers", answer).await?;
            for (id, fields) in batch.iter().zip(answers) {
                match fields.map(|fields| server_from(id, &fields)) {
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

    /// Alerts after the entry of this id, oldest first, and the id of the last entry. At most one batch.
    pub(super) async fn alerts_after(&self, id: &str) -> Result<(Vec<Alert>, Option<String>), Lost> {
        let mut range = cmd("XRANGE");
        range.arg(self.keys.alerts()).arg(format!("({id}")).arg("+").arg("COUNT").arg(BATCH);
        let reply: StreamRangeReply = self.ask("read alerts", &range).await?;
        let last = reply.ids.last().map(|entry| entry.id.clone());
        Ok((alerts_of(&reply), last))
    }

    /// The id of the newest entry, or one before all.
    pub(super) async fn last_alert(&self) -> Result<String, Lost> {
        let mut range = cmd("XREVRANGE");
        range.arg(self.keys.alerts()).arg("+").arg("-").arg("COUNT").arg(1);
        let reply: StreamRangeReply = self.ask("read alerts", &range).await?;
        Ok(reply.ids.first().map_or_else(|| BEFORE_ALL_ALERTS.to_owned(), |entry| entry.id.clone()))
    }

    async fn ask<T: FromRedisValue>(&self, doing: &'static str, command: &Cmd) -> Result<T, Lost> {
        within(ANSWER_WAIT_MAX, doing, command.query_async(&mut self.connection.clone())).await
    }
}

/// The alerts of a range, in its order; entries that cannot be read are left out.
pub(super) fn alerts_of(reply: &StreamRangeReply) -> Vec<Alert> {
    let read = |entry: &redis::streams::StreamId| {
        let fields = entry.map.keys().filter_map(|name| Some((name.clone(), entry.get(name)?))).collect();
        alert_from(&fields).inspect_err(|fault| tracing::warn!(entry = entry.id, %fault, "alert cannot be read")).ok()
    };
    reply.ids.iter().filter_map(read).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: a nonsensical end is 0 or for ever"
)]
const fn score_ms(score: f64) -> u64 {
    score as u64
}
