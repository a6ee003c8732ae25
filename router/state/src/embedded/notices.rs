//! Alerts: all that were raised, and those of them that are up. Each that is raised is to be delivered, too.

use std::time::Duration;

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use sluice_model::alert::{Alert, Firing};

use super::deliveries;
use super::state::{Done, State};
use super::tables::{ALERTS, FIRING, MUTES};
use crate::clock::millis;
use crate::error::StoreError;
use crate::event::Event;
use crate::notice::resolved;
use crate::store::{ALERTS_MAX, FIRING_MAX};

/// Cooldowns that are remembered: as many as alerts.
const MUTES_MAX: usize = ALERTS_MAX;

impl State {
    pub(super) fn append_alert(&self, alert: Alert, cooldown: Duration, now_ms: u64) -> Done<bool> {
        let text = serde_json::to_string(&alert)?;
        let new = self.commit(|transaction| raise(transaction, &alert, &text, cooldown, now_ms))?;
        Ok((new, if new { vec![Event::Alert(alert)] } else { Vec::new() }))
    }

    /// That an alert that is up was seen again stays in memory; only that it went up is worth a commit.
    pub(super) fn keep_firing(&mut self, alert: Alert, keep: Duration, cooldown: Duration, now_ms: u64) -> Done<bool> {
        let key = (alert.rule.clone(), alert.fingerprint.clone());
        if let Some(firing) = self.firing.get_mut(&key) {
            firing.seen_ms = firing.seen_ms.max(alert.at_ms);
            firing.keep_ms = millis(keep);
            return Ok((false, Vec::new()));
        }
        // One too many is raised all the same; it is only not known to be up.
        let has_room = self.firing.len() < FIRING_MAX;
        let firing = Firing { seen_ms: alert.at_ms, keep_ms: millis(keep), alert };
        let (text, firing_text) = (serde_json::to_string(&firing.alert)?, serde_json::to_string(&firing)?);
        let new = self.commit(|transaction| {
            let new = raise(transaction, &firing.alert, &text, cooldown, now_ms)?;
            if new && has_room {
                transaction.open_table(FIRING)?.insert((&*key.0, &*key.1), &*firing_text)?;
            }
            Ok(new)
        })?;
        if !new {
            return Ok((false, Vec::new()));
        }
        let event = Event::Alert(firing.alert.clone());
        if has_room {
            self.firing.insert(key, firing);
        }
        Ok((true, vec![event]))
    }

    pub(super) fn firing(&self) -> Vec<Firing> {
        self.firing.values().cloned().collect()
    }

    pub(super) fn resolve_alerts(&mut self, now_ms: u64) -> Done<Vec<Alert>> {
        let over = |firing: &&Firing| firing.seen_ms.saturating_add(firing.keep_ms) <= now_ms;
        let alerts: Vec<Alert> = self.firing.values().filter(over).map(|firing| resolved(firing, now_ms)).collect();
        if alerts.is_empty() {
            return Ok((alerts, Vec::new()));
        }
        let texts: Vec<String> = alerts.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        self.commit(|transaction| {
            for (alert, text) in alerts.iter().zip(&texts) {
                transaction.open_table(FIRING)?.remove((&*alert.rule, &*alert.fingerprint))?;
                append(transaction, text)?;
            }
            Ok(())
        })?;
        for alert in &alerts {
            self.firing.remove(&(alert.rule.clone(), alert.fingerprint.clone()));
        }
        let events = alerts.iter().cloned().map(Event::Alert).collect();
        Ok((alerts, events))
    }
}

/// Appends unless quiet; true if it did.
fn raise(
    transaction: &WriteTransaction,
    alert: &Alert,
    text: &str,
    cooldown: Duration,
    now_ms: u64,
) -> Result<bool, redb::Error> {
    let mut mutes = transaction.open_table(MUTES)?;
    let key = (&*alert.rule, &*alert.fingerprint);
    if mutes.get(key)?.is_some_and(|until_ms| now_ms < until_ms.value()) {
        return Ok(false);
    }
    mutes.insert(key, now_ms.saturating_add(millis(cooldown)))?;
    if mutes.len()? > MUTES_MAX as u64 {
        mutes.retain(|_, until_ms| now_ms < until_ms)?;
    }
    while mutes.len()? > MUTES_MAX as u64 {
        mutes.pop_first()?;
    }
    append(transaction, text)?;
    Ok(true)
}

fn append(transaction: &WriteTransaction, text: &str) -> Result<(), redb::Error> {
    let mut alerts = transaction.open_table(ALERTS)?;
    let next = alerts.last()?.map_or(0, |(order, _)| order.value() + 1);
    alerts.insert(next, text)?;
    while alerts.len()? > ALERTS_MAX as u64 {
        alerts.pop_first()?;
    }
    deliveries::append(transaction, text)
}

/// The newest alerts as they were written, newest first. Blocks.
pub(super) fn newest(transaction: &ReadTransaction, newest: usize) -> Result<Vec<String>, redb::Error> {
    let table = transaction.open_table(ALERTS)?;
    let rows = table.iter()?.rev().take(newest);
    rows.map(|row| Ok(row?.1.value().to_owned())).collect()
}

/// Reads them.
pub(super) fn parsed(texts: &[String]) -> Result<Vec<Alert>, StoreError> {
    texts.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
}

#[cfg(test)]
mod tests {
    use redb::ReadableDatabase as _;

    use super::*;
    use crate::embedded::state::fresh;
    use crate::embedded::tables::Content;

    const SECOND: Duration = Duration::from_secs(1);

    fn alert(fingerprint: &str) -> Alert {
        Alert { rule: "upload-size".to_owned(), fingerprint: fingerprint.to_owned(), ..Alert::default() }
    }

    #[test]
    fn the_oldest_alert_goes_when_there_is_one_too_many() {
        let (state, _folder) = fresh(Content::default());
        state
            .commit(|transaction| {
                let mut alerts = transaction.open_table(ALERTS)?;
                let text = serde_json::to_string(&alert("old")).expect("an alert is JSON");
                for order in 0..ALERTS_MAX as u64 {
                    alerts.insert(order, &*text)?;
                }
                Ok(())
            })
            .unwrap();
        assert!(state.append_alert(alert("new"), SECOND, 0).unwrap().0);
        let kept = newest(&state.database.begin_read().unwrap(), usize::MAX).unwrap();
        assert_eq!((kept.len(), &*parsed(&kept).unwrap()[0].fingerprint), (ALERTS_MAX, "new"));
    }

    #[test]
    fn cooldowns_that_are_over_make_room() {
        let (state, _folder) = fresh(Content::default());
        state
            .commit(|transaction| {
                let mut mutes = transaction.open_table(MUTES)?;
                for n in 0..MUTES_MAX {
                    mutes.insert(("rule", &*n.to_string()), if n == 0 { 100 } else { 10 })?;
                }
                Ok(())
            })
            .unwrap();
        assert!(state.append_alert(alert("new"), SECOND, 50).unwrap().0);
        let left = state.commit(|transaction| Ok(transaction.open_table(MUTES)?.len()?)).unwrap();
        assert_eq!(left, 2, "the one that still runs, and the new one");
    }

    #[test]
    fn one_alert_too_many_is_raised_and_not_known_to_be_up() {
        let firing = |n: usize| Firing { alert: alert(&n.to_string()), seen_ms: 1, keep_ms: 1_000 };
        let firing = (0..FIRING_MAX - 1).map(firing).collect();
        let (mut state, _folder) = fresh(Content { firing, ..Content::default() });
        assert!(state.keep_firing(alert("last"), SECOND, SECOND, 1).unwrap().0);
        assert!(state.keep_firing(alert("one more"), SECOND, SECOND, 1).unwrap().0);
        assert_eq!(state.firing().len(), FIRING_MAX);
    }
}
