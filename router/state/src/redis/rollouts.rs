//! Rollouts: read, changed by the model, and written back if nobody was faster, and if whoever leads still does.

use std::sync::LazyLock;

use redis::{RedisResult, Script, cmd};
use sluice_model::audit::Author;
use sluice_model::rollout::{Applied, Command, Rollout};

use super::codec::{rollout_fields, rollout_from};
use super::entries::Hash;
use super::keys::{Change, Keys};
use super::log::record_argument;
use super::writer::Writer;
use super::{FENCED, RedisStore, answered};
use crate::error::StoreError;
use crate::names::check_rollout;
use crate::record::{Record, rollout_text};
use crate::store::Leadership;

/// Tries of one compare-and-set; each that fails means that another one succeeded.
const SWAPS_MAX: usize = 16;
/// Stands for "there is none" among the arguments of a script.
const NONE: &str = "";

static SWAP: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("scripts/log.lua"), include_str!("scripts/swap_rollout.lua"))));

/// On what a rollout is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Swap<'a> {
    /// The epoch that the store must hold it with; `None` = it must hold none of this name.
    pub(super) epoch: Option<u64>,
    /// Who must lead.
    pub(super) leader: Option<&'a Leadership>,
    /// What is logged.
    pub(super) record: Option<&'a Record>,
}

impl Swap<'_> {
    /// Writes the rollout; false if the store holds another epoch.
    pub(super) async fn write(self, to: &mut Writer, keys: &Keys, name: &str, rollout: &Rollout) -> RedisResult<bool> {
        let mut call = SWAP.key(keys.rollout(name));
        call.key(keys.epoch()).key(keys.log());
        if let Some(leader) = self.leader {
            call.key(keys.fence(&leader.job));
        }
        let text = |number: u64| number.to_string();
        call.arg(self.epoch.map_or_else(|| NONE.to_owned(), text));
        call.arg(self.leader.map_or_else(|| NONE.to_owned(), |leader| text(leader.token)));
        call.arg(self.record.map_or_else(|| NONE.to_owned(), record_argument));
        for (name, value) in rollout_fields(rollout) {
            call.arg(name).arg(value);
        }
        call.invoke_async(to).await
    }
}

impl RedisStore {
    pub(super) async fn create_rollout(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError> {
        check_rollout(name)?;
        let rollout = self.create_or_read(name, initial).await?;
        self.confirm(Change::Rollout(name.to_owned())).await?;
        Ok(rollout)
    }

    pub(super) async fn move_rollout(
        &self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
        leader: Option<&Leadership>,
    ) -> Result<Rollout, StoreError> {
        check_rollout(name)?;
        let rollout = self.transition(name, command, author, now_ms, leader).await?;
        self.confirm(Change::Rollout(name.to_owned())).await?;
        Ok(rollout)
    }

    /// Creates the rollout unless there is one; returns what there is.
    async fn create_or_read(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError> {
        // A rollout that was deleted in the store returns as we knew it, not as it once began: its epoch only grows.
        let rollout = self.held.lock().rollouts.get(name).unwrap_or(initial).clone();
        let author = Author { by: &rollout.by, reason: &rollout.reason };
        let record = record(name, author, None, &rollout);
        for _try in 0..SWAPS_MAX {
            let mut writer = self.writer().await?;
            if let Some(found) = self.read_rollout(&mut writer, name).await? {
                return Ok(found);
            }
            let swap = Swap { record: Some(&record), ..Swap::default() };
            if answered(swap.write(&mut writer, &self.keys, name, &rollout)).await? {
                return Ok(rollout);
            }
        }
        Err(StoreError::Contended(name.to_owned()))
    }

    /// Compare-and-set on the epoch, until nobody was faster.
    async fn transition(
        &self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
        leader: Option<&Leadership>,
    ) -> Result<Rollout, StoreError> {
        for _try in 0..SWAPS_MAX {
            let mut writer = self.writer().await?;
            let found = self.read_rollout(&mut writer, name).await?;
            let rollout = found.ok_or_else(|| StoreError::NotFound(name.to_owned()))?;
            let Applied::Changed(next) = rollout.apply(command, author, now_ms)? else { return Ok(rollout) };
            let record = record(name, Author { reason: &next.reason, ..author }, Some(&rollout), &next);
            let swap = Swap { epoch: Some(rollout.epoch), leader, record: Some(&record) };
            let written = answered(swap.write(&mut writer, &self.keys, name, &next)).await;
            match (written, leader) {
                (Err(StoreError::Redis(error)), Some(leader)) if error.code() == Some(FENCED) => {
                    return Err(StoreError::Fenced(leader.job.clone()));
                }
                (Ok(true), _) => return Ok(next),
                (Ok(false), _) => {}
                (Err(error), _) => return Err(error),
            }
        }
        Err(StoreError::Contended(name.to_owned()))
    }

    async fn read_rollout(&self, from: &mut Writer, name: &str) -> Result<Option<Rollout>, StoreError> {
        let mut command = cmd("HGETALL");
        let Hash(fields) = answered(command.arg(self.keys.rollout(name)).query_async(from)).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let unreadable = |fault| StoreError::Invalid(format!("the store's rollout `{name}` cannot be read: {fault}"));
        rollout_from(&fields).map(Some).map_err(unreadable)
    }
}

fn record(name: &str, author: Author<'_>, old: Option<&Rollout>, new: &Rollout) -> Record {
    let old = old.map(rollout_text);
    Record::new(author, format!("rollout:{name}")).old(old.as_deref()).new_value(Some(&rollout_text(new)))
}
