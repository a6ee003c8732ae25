//! Alerts that are up: a hash of the fleet. Whoever sees one again says so; whoever looks first resolves what is over.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Script, cmd};
use sluice_model::alert::{Alert, Firing};

use super::entries::Hash;
use super::keys::Change;
use super::notices::{ALERTS_STREAM_MAX, with_alert};
use super::{RedisStore, answered};
use crate::clock::millis;
use crate::error::StoreError;
use crate::names::check_alert;
use crate::notice::resolved;
use crate::store::FIRING_MAX;

/// Fields of the hash above which nobody reads it: far more than routers let in.
const FIELDS_MAX: usize = 4 * FIRING_MAX;

static KEEP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/keep_firing.lua")));
static RESOLVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/resolve_alert.lua")));

/// The field of an alert: its rule has no space.
fn field(alert: &Alert) -> String {
    format!("{} {}", alert.rule, alert.fingerprint)
}

/// What stands in a field: `SEEN_MS KEEP_MS ALERT`, so that a script can move the times and leave the alert as it is.
fn parse(text: &str) -> Option<Firing> {
    let (seen_ms, rest) = text.split_once(' ')?;
    let (keep_ms, alert) = rest.split_once(' ')?;
    let alert: Alert = serde_json::from_str(alert).ok()?;
    check_alert(&alert).ok()?;
    Some(Firing { alert, seen_ms: seen_ms.parse().ok()?, keep_ms: keep_ms.parse().ok()? })
}

impl RedisStore {
    pub(super) async fn keep_alert_firing(
        &self,
        alert: &Alert,
        keep: Duration,
        cooldown: Duration,
    ) -> Result<bool, StoreError> {
        check_alert(alert)?;
        let mut writer = self.writer().await?;
        let mut call = KEEP.key(self.keys.firing());
        call.key(self.keys.mute(&alert.rule, &alert.fingerprint)).key(self.keys.alerts()).key(self.keys.epoch());
        call.arg(field(alert)).arg(alert.at_ms).arg(millis(keep)).arg(serde_json::to_string(alert)?).arg(FIRING_MAX);
        call.arg(millis(cooldown)).arg(ALERTS_STREAM_MAX);
        with_alert(&mut call, alert);
        let new = answered(call.invoke_async(&mut writer)).await?;
        if new {
            self.confirm(Change::Epoch).await?;
        }
        Ok(new)
    }

    pub(super) async fn all_firing(&self) -> Result<Vec<Firing>, StoreError> {
        let fields = self.firing_fields().await?;
        let mut firing: Vec<Firing> = fields.iter().filter_map(|(_, text)| parse(text)).collect();
        if firing.len() < fields.len() {
            tracing::warn!(strange = fields.len() - firing.len(), "fields that are no alerts that are up");
        }
        firing.sort_by(|one, other| (one.alert.at_ms, &one.alert.id).cmp(&(other.alert.at_ms, &other.alert.id)));
        Ok(firing)
    }

    pub(super) async fn resolve_all(&self, now_ms: u64) -> Result<Vec<Alert>, StoreError> {
        let mut alerts = Vec::new();
        for (name, text) in self.firing_fields().await? {
            let firing = parse(&text);
            if firing.as_ref().is_some_and(|firing| now_ms < firing.seen_ms.saturating_add(firing.keep_ms)) {
                continue;
            }
            // What is no alert is taken out, for it would take the place of one.
            let alert = firing.map(|firing| resolved(&firing, now_ms));
            let mut call = RESOLVE.key(self.keys.firing());
            call.key(self.keys.alerts()).key(self.keys.epoch()).arg(name).arg(text).arg(ALERTS_STREAM_MAX);
            if let Some(alert) = &alert {
                with_alert(&mut call, alert);
            }
            let mut writer = self.writer().await?;
            let was_first: bool = answered(call.invoke_async(&mut writer)).await?;
            alerts.extend(alert.filter(|_alert| was_first));
        }
        if !alerts.is_empty() {
            self.confirm(Change::Epoch).await?;
        }
        Ok(alerts)
    }

    async fn firing_fields(&self) -> Result<Vec<(String, String)>, StoreError> {
        let (mut writer, key) = (self.writer().await?, self.keys.firing());
        let count: usize = answered(cmd("HLEN").arg(&key).query_async(&mut writer)).await?;
        if count > FIELDS_MAX {
            return Err(StoreError::Invalid(format!("the store's `{key}` has {count} fields; delete it")));
        }
        let Hash(fields) = answered(cmd("HGETALL").arg(&key).query_async(&mut writer)).await?;
        Ok(fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_alert_that_is_up_is_none() {
        let alert = Alert { rule: "upload-size".into(), message: "a b".into(), ..Alert::default() };
        let text = serde_json::to_string(&alert).unwrap();
        let firing = parse(&format!("10 20 {text}")).unwrap();
        assert_eq!(firing, Firing { alert, seen_ms: 10, keep_ms: 20 });
        for strange in ["", "10", "10 20", "10 20 {}", &format!("x 20 {text}"), &format!("-1 20 {text}")] {
            assert!(parse(strange).is_none(), "{strange}");
        }
    }
}
