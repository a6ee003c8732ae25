//! Switches: raw keys of any client. They lie outside the hash tag, so what is done to them is logged by a script of its
//! own.

use std::sync::LazyLock;

use redis::Script;
use sluice_model::audit::Author;
use sluice_model::flag::switch_text;

use super::keys::Change;
use super::{RedisStore, answered};
use crate::error::StoreError;
use crate::names::check_switch;
use crate::record::Record;

/// Stands for a value where a switch is to be flipped.
const FLIP: &str = "flip";

static WRITE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/switch.lua")));

impl RedisStore {
    /// Sets a switch, or flips it; returns its new value.
    pub(super) async fn write_switch(
        &self,
        name: &str,
        value: Option<bool>,
        author: Author<'_>,
    ) -> Result<bool, StoreError> {
        check_switch(&self.keys.switches(), name)?;
        let mut writer = self.writer().await?;
        let last_good = self.held.lock().good_switch(name).unwrap_or(false);
        let mut call = WRITE.key(name);
        call.arg(value.map_or(FLIP, switch_text)).arg(u8::from(last_good));
        let (value, old): (bool, Option<Vec<u8>>) = answered(call.invoke_async(&mut writer)).await?;
        tracing::info!(switch = name, value, by = author.by, "switch written");
        let record = Record::new(author, format!("flag:{name}")).new_value(Some(switch_text(value)));
        self.log_apart(&record, old).await;
        self.confirm(Change::Switch(name.to_owned())).await?;
        Ok(value)
    }

    /// Follows these switches from now on. Once it returns their values have been told, unless the store is away.
    pub(super) async fn follow_switches(&self, names: &[String]) -> Result<(), StoreError> {
        if !self.keys.watch_switches(names) {
            return Ok(());
        }
        match self.confirm(Change::Epoch).await {
            Err(StoreError::Unconfirmed) => Ok(()),
            confirmed => confirmed,
        }
    }
}
