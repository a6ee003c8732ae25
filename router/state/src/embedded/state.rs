//! What the embedded store does, one change after the other: commit to the file first, then change memory.
//!
//! Everything here blocks and runs on the writer's thread, never on a worker. Events come back as values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use sluice_model::alert::Alert;
use sluice_model::audit::Author;
use sluice_model::lease::{Lease, Server};
use sluice_model::rollout::{Applied, Command, Rollout};

use super::tables::{ALERTS, Content, MUTES, ROLLOUTS, SERVERS, SWITCHES};
use crate::clock::millis;
use crate::error::StoreError;
use crate::event::{Event, SwitchValue};
use crate::store::{ALERTS_MAX, ROLLOUTS_MAX, SERVERS_MAX};

/// Cooldowns that are remembered: as many as alerts.
const MUTES_MAX: usize = ALERTS_MAX;

/// What a change returned, and what it made so.
pub(super) type Done<T> = Result<(T, Vec<Event>), StoreError>;

/// The whole content, and the file behind it.
pub(super) struct State {
    database: Arc<Database>,
    switches: BTreeMap<String, bool>,
    rollouts: BTreeMap<String, Rollout>,
    leases: BTreeMap<String, Lease>,
    lease_ttl_ms: u64,
    /// A renewal moved an end or a reading, and nobody was told yet.
    renewed: bool,
}

impl State {
    /// Leases that held when the store was last closed hold for one more: it was this router that was away.
    pub(super) fn new(database: Arc<Database>, content: Content, lease_ttl: Duration, now_ms: u64) -> Self {
        let lease_ttl_ms = millis(lease_ttl);
        let ends_ms = now_ms.saturating_add(lease_ttl_ms);
        let Content { switches, rollouts, servers } = content;
        let leases = servers.into_iter().map(|(id, server)| (id, Lease { server, ends_ms })).collect();
        Self { database, switches, rollouts, leases, lease_ttl_ms, renewed: false }
    }

    /// Everything, as the first events.
    pub(super) fn everything(&self, switches: &[String]) -> Vec<Event> {
        let switches = switches.iter().map(|name| Event::Switch {
            name: name.clone(),
            value: self.switches.get(name).map_or(SwitchValue::Missing, |&on| SwitchValue::of(on)),
        });
        let rollouts =
            self.rollouts.iter().map(|(name, rollout)| Event::Rollout { name: name.clone(), rollout: rollout.clone() });
        switches.chain(rollouts).chain([self.servers()]).collect()
    }

    pub(super) fn set_switch(&mut self, name: &str, on: bool) -> Done<()> {
        self.commit(|transaction| {
            transaction.open_table(SWITCHES)?.insert(name, on)?;
            Ok(())
        })?;
        self.switches.insert(name.to_owned(), on);
        Ok(((), vec![Event::Switch { name: name.to_owned(), value: SwitchValue::of(on) }]))
    }

    pub(super) fn flip_switch(&mut self, name: &str) -> Done<bool> {
        let on = !self.switches.get(name).copied().unwrap_or(false);
        let ((), events) = self.set_switch(name, on)?;
        Ok((on, events))
    }

    pub(super) fn ensure_rollout(&mut self, name: &str, initial: Rollout) -> Done<Rollout> {
        if let Some(rollout) = self.rollouts.get(name) {
            return Ok((rollout.clone(), Vec::new()));
        }
        if self.rollouts.len() >= ROLLOUTS_MAX {
            return Err(StoreError::Full { what: "rollouts", max: ROLLOUTS_MAX });
        }
        self.write_rollout(name, initial)
    }

    pub(super) fn apply_rollout(
        &mut self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
    ) -> Done<Rollout> {
        let rollout = self.rollouts.get(name).ok_or_else(|| StoreError::NotFound(name.to_owned()))?;
        match rollout.apply(command, author, now_ms)? {
            Applied::Unchanged => Ok((rollout.clone(), Vec::new())),
            Applied::Changed(next) => self.write_rollout(name, next),
        }
    }

    fn write_rollout(&mut self, name: &str, rollout: Rollout) -> Done<Rollout> {
        let text = serde_json::to_string(&rollout)?;
        self.commit(|transaction| {
            transaction.open_table(ROLLOUTS)?.insert(name, &*text)?;
            Ok(())
        })?;
        self.rollouts.insert(name.to_owned(), rollout.clone());
        Ok((rollout.clone(), vec![Event::Rollout { name: name.to_owned(), rollout }]))
    }

    /// A renewal stays in memory; only what routing reads is worth a commit.
    pub(super) fn put_server(&mut self, server: Server, now_ms: u64) -> Done<()> {
        let known = self.leases.get(&server.id);
        let moved = known.is_none_or(|lease| !lease.server.is_same_but_for_load(&server));
        if known.is_none() && self.leases.len() >= SERVERS_MAX {
            return Err(StoreError::Full { what: "servers", max: SERVERS_MAX });
        }
        if moved {
            let text = serde_json::to_string(&server)?;
            self.commit(|transaction| {
                transaction.open_table(SERVERS)?.insert(&*server.id, &*text)?;
                Ok(())
            })?;
        }
        let ends_ms = now_ms.saturating_add(self.lease_ttl_ms);
        self.leases.insert(server.id.clone(), Lease { server, ends_ms });
        self.renewed = true;
        Ok(((), if moved { self.tell_servers() } else { Vec::new() }))
    }

    pub(super) fn delete_server(&mut self, id: &str) -> Done<()> {
        if !self.leases.contains_key(id) {
            return Ok(((), Vec::new()));
        }
        self.forget(&[id.to_owned()])?;
        Ok(((), self.tell_servers()))
    }

    /// Ends the leases that are over, and tells of renewals since the last time.
    pub(super) fn expire(&mut self, now_ms: u64) -> Done<()> {
        let over = self.leases.iter().filter(|(_, lease)| !lease.holds(now_ms));
        let over: Vec<String> = over.map(|(id, _)| id.clone()).collect();
        if !over.is_empty() {
            tracing::warn!(servers = over.join(" "), "leases ended without a renewal");
            self.forget(&over)?;
            self.renewed = true;
        }
        Ok(((), if self.renewed { self.tell_servers() } else { Vec::new() }))
    }

    fn forget(&mut self, ids: &[String]) -> Result<(), StoreError> {
        self.commit(|transaction| {
            let mut servers = transaction.open_table(SERVERS)?;
            for id in ids {
                servers.remove(&**id)?;
            }
            Ok(())
        })?;
        self.leases.retain(|id, _| !ids.contains(id));
        Ok(())
    }

    pub(super) fn append_alert(&self, alert: Alert, cooldown: Duration, now_ms: u64) -> Done<bool> {
        let text = serde_json::to_string(&alert)?;
        let muted_until_ms = now_ms.saturating_add(millis(cooldown));
        let new = self.commit(|transaction| {
            let mut mutes = transaction.open_table(MUTES)?;
            let key = (&*alert.rule, &*alert.fingerprint);
            if mutes.get(key)?.is_some_and(|until_ms| now_ms < until_ms.value()) {
                return Ok(false);
            }
            mutes.insert(key, muted_until_ms)?;
            if mutes.len()? > MUTES_MAX as u64 {
                mutes.retain(|_, until_ms| now_ms < until_ms)?;
            }
            while mutes.len()? > MUTES_MAX as u64 {
                mutes.pop_first()?;
            }
            let mut alerts = transaction.open_table(ALERTS)?;
            let next = alerts.last()?.map_or(0, |(order, _)| order.value() + 1);
            alerts.insert(next, &*text)?;
            while alerts.len()? > ALERTS_MAX as u64 {
                alerts.pop_first()?;
            }
            Ok(true)
        })?;
        Ok((new, if new { vec![Event::Alert(alert)] } else { Vec::new() }))
    }

    /// One durable transaction: on disk when this returns.
    fn commit<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let transact = || {
            let transaction = self.database.begin_write()?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        transact().map_err(|error| StoreError::Embedded(Box::new(error)))
    }

    fn tell_servers(&mut self) -> Vec<Event> {
        self.renewed = false;
        vec![self.servers()]
    }

    fn servers(&self) -> Event {
        Event::Servers(self.leases.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::alert::AlertId;
    use sluice_model::rollout::Rollout;
    use sluice_model::weight::BasisPoints;

    use super::*;
    use crate::embedded::tables;

    fn server(id: &str) -> Server {
        let addr = "127.0.0.1:1";
        serde_json::from_value(serde_json::json!({ "id": id, "addr": addr, "app": "meow", "variant": "stable" }))
            .unwrap()
    }

    fn alert(fingerprint: &str) -> Alert {
        Alert {
            id: AlertId::from_text("id"),
            rule: "upload-size".to_owned(),
            fingerprint: fingerprint.to_owned(),
            route: String::new(),
            plugin: String::new(),
            message: String::new(),
            observed: 0,
            limit: 0,
            variant: None,
            rollout: None,
            request_id: String::new(),
            at_ms: 0,
            ..Alert::default()
        }
    }

    /// A state over a fresh file that already holds `content`.
    fn state(content: Content) -> (State, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (database, _empty) = tables::open(&folder.path().join("state.redb")).unwrap();
        (State::new(Arc::new(database), content, Duration::from_secs(15), 0), folder)
    }

    #[test]
    fn servers_end_at_their_bound_and_renewals_do_not_count() {
        let servers = (0..SERVERS_MAX - 1).map(|n| (n.to_string(), server(&n.to_string()))).collect();
        let (mut state, _folder) = state(Content { servers, ..Content::default() });
        assert!(state.put_server(server("last"), 1).is_ok());
        assert!(matches!(state.put_server(server("one more"), 1), Err(StoreError::Full { .. })));
        assert!(state.put_server(server("last"), 2).is_ok());
    }

    #[test]
    fn rollouts_end_at_their_bound() {
        let rollout = Rollout::initial(BasisPoints::FULL, String::new(), "test", 0);
        let rollouts = (0..ROLLOUTS_MAX - 1).map(|n| (n.to_string(), rollout.clone())).collect();
        let (mut state, _folder) = state(Content { rollouts, ..Content::default() });
        assert!(state.ensure_rollout("last", rollout.clone()).is_ok());
        assert!(matches!(state.ensure_rollout("one more", rollout.clone()), Err(StoreError::Full { .. })));
        assert!(state.ensure_rollout("last", rollout).is_ok());
    }

    #[test]
    fn the_oldest_alert_goes_when_there_is_one_too_many() {
        let (state, _folder) = state(Content::default());
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
        assert!(state.append_alert(alert("new"), Duration::from_secs(1), 0).unwrap().0);
        let kept = tables::newest_alerts(&state.database, usize::MAX).unwrap();
        assert_eq!((kept.len(), &*kept[0].fingerprint), (ALERTS_MAX, "new"));
    }

    #[test]
    fn cooldowns_that_are_over_make_room() {
        let (state, _folder) = state(Content::default());
        state
            .commit(|transaction| {
                let mut mutes = transaction.open_table(MUTES)?;
                for n in 0..MUTES_MAX {
                    mutes.insert(("rule", &*n.to_string()), if n == 0 { 100 } else { 10 })?;
                }
                Ok(())
            })
            .unwrap();
        assert!(state.append_alert(alert("new"), Duration::from_secs(1), 50).unwrap().0);
        let left = state.commit(|transaction| Ok(transaction.open_table(MUTES)?.len()?)).unwrap();
        assert_eq!(left, 2, "the one that still runs, and the new one");
    }

    #[test]
    fn a_renewal_is_not_written() {
        let (mut state, _folder) = state(Content::default());
        assert_eq!(state.put_server(server("a"), 1).unwrap().1.len(), 1);
        let busy = Server { cpu: Some(50.0), ..server("a") };
        assert!(state.put_server(busy, 2).unwrap().1.is_empty(), "told of with the next look at the leases");
        assert_eq!(state.expire(3).unwrap().1.len(), 1);
        let text = state.commit(|transaction| {
            let servers = transaction.open_table(SERVERS)?;
            let text = servers.get("a")?.map(|text| text.value().to_owned());
            Ok(text)
        });
        assert!(text.unwrap().unwrap().contains("\"cpu\":null"));
    }
}
