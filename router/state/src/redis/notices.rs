//! Alerts: the stream of all that were raised, and those of them that are up.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Script, ScriptInvocation, cmd};
use sluice_model::alert::Alert;

use super::codec::{alert_fields, alert_from};
use super::entries::{Entries, Entry};
use super::keys::Change;
use super::link::Lost;
use super::reader::Reader;
use super::supervisor::Supervisor;
use super::{RedisStore, answered};
use crate::clock::millis;
use crate::error::StoreError;
use crate::event::Event;
use crate::names::check_alert;
use crate::store::ALERTS_MAX;

/// About how many alerts the stream keeps: its consumers may be away for a while.
pub(super) const ALERTS_STREAM_MAX: usize = 100_000;
/// A field that an entry has if its alert stands in the stream already, and is only to be delivered again.
pub(super) const REPLAYED: &str = "replayed";

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/append_alert.lua")));

/// The alert of an entry, if it can be read.
pub(super) fn alert_of(entry: &Entry) -> Option<Alert> {
    let unreadable = |fault: &_| tracing::warn!(entry = entry.id, %fault, "alert cannot be read");
    alert_from(&entry.fields).inspect_err(unreadable).ok()
}

/// The alerts that entries tell of for the first time, in their order.
fn alerts_of(entries: &[Entry]) -> impl Iterator<Item = Alert> {
    entries.iter().filter(|entry| !entry.fields.contains_key(REPLAYED)).filter_map(alert_of)
}

/// The fields of an alert, as the last arguments of a script.
pub(super) fn with_alert(call: &mut ScriptInvocation<'_>, alert: &Alert) {
    for (name, value) in alert_fields(alert) {
        call.arg(name).arg(value);
    }
}

impl RedisStore {
    pub(super) async fn write_alert(&self, alert: &Alert, cooldown: Duration) -> Result<bool, StoreError> {
        check_alert(alert)?;
        let mut writer = self.writer().await?;
        let mut call = APPEND.key(self.keys.mute(&alert.rule, &alert.fingerprint));
        call.key(self.keys.alerts()).key(self.keys.epoch()).arg(millis(cooldown)).arg(ALERTS_STREAM_MAX);
        with_alert(&mut call, alert);
        let new = answered(call.invoke_async(&mut writer)).await?;
        if new {
            self.confirm(Change::Epoch).await?;
        }
        Ok(new)
    }

    pub(super) async fn newest_alerts(&self, newest: usize) -> Result<Vec<Alert>, StoreError> {
        let mut writer = self.writer().await?;
        let mut range = cmd("XREVRANGE");
        range.arg(self.keys.alerts()).arg("+").arg("-").arg("COUNT").arg(newest.min(ALERTS_MAX));
        let Entries(entries) = answered(range.query_async(&mut writer)).await?;
        Ok(alerts_of(&entries).collect())
    }
}

impl Supervisor {
    /// Tells of alerts since the last one.
    pub(super) async fn read_alerts(&mut self, reader: &Reader) -> Result<(), Lost> {
        let entries = reader.tail(&self.keys.alerts(), &mut self.last_alert).await?;
        if !entries.is_empty() {
            self.held.tell_arrival();
        }
        self.outbox.emit(alerts_of(&entries).map(Event::Alert)).await;
        Ok(())
    }
}
