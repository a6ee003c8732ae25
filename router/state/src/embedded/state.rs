//! What the embedded store does, one change after the other: commit to the file first, then change memory.
//!
//! Everything here blocks and runs on the writer's thread, never on a worker. Events come back as values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, WriteTransaction};
use sluice_model::alert::Firing;
use sluice_model::lease::Lease;
use sluice_model::rollout::Rollout;
use sluice_model::silence::Silence;

use super::deliveries::Taken;
use super::log;
use super::tables::Content;
use crate::clock::millis;
use crate::error::StoreError;
use crate::event::{Event, FlagDocument};
use crate::record::Record;
use crate::store::Group;

/// What a change returned, and what it made so.
pub(super) type Done<T> = Result<(T, Vec<Event>), StoreError>;

/// The whole content, and the file behind it. What it does stands in a file for each matter.
pub(super) struct State {
    pub(super) database: Arc<Database>,
    /// Switches that are followed; of the others the file knows, too.
    pub(super) watched: Vec<String>,
    pub(super) switches: BTreeMap<String, bool>,
    pub(super) rollouts: BTreeMap<String, Rollout>,
    pub(super) flags: BTreeMap<String, FlagDocument>,
    pub(super) silences: BTreeMap<String, Silence>,
    /// Alerts that are up, by rule and fingerprint.
    pub(super) firing: BTreeMap<(String, String), Firing>,
    /// Deliveries of each group that someone works on.
    pub(super) taken: BTreeMap<Group, BTreeMap<u64, Taken>>,
    pub(super) leases: BTreeMap<String, Lease>,
    pub(super) lease_ttl_ms: u64,
    /// A renewal moved an end or a reading, and nobody was told yet.
    pub(super) renewed: bool,
}

impl State {
    /// Leases that held when the store was last closed hold for one more, and alerts that were up were seen just now: it
    /// was this router that was away.
    pub(super) fn new(database: Arc<Database>, content: Content, lease_ttl: Duration, now_ms: u64) -> Self {
        let lease_ttl_ms = millis(lease_ttl);
        let ends_ms = now_ms.saturating_add(lease_ttl_ms);
        let Content { switches, rollouts, servers, flags, silences, firing } = content;
        let leases = servers.into_iter().map(|(id, server)| (id, Lease { server, ends_ms })).collect();
        let seen_now = |firing: Firing| Firing { seen_ms: firing.seen_ms.max(now_ms), ..firing };
        let firing = firing.into_iter().map(seen_now);
        let firing = firing.map(|up| ((up.alert.rule.clone(), up.alert.fingerprint.clone()), up)).collect();
        Self {
            database,
            watched: Vec::new(),
            switches,
            rollouts,
            flags,
            silences,
            firing,
            taken: BTreeMap::new(),
            leases,
            lease_ttl_ms,
            renewed: false,
        }
    }

    /// Everything but switches, as the first events.
    pub(super) fn everything(&self) -> Vec<Event> {
        let rollouts =
            self.rollouts.iter().map(|(name, rollout)| Event::Rollout { name: name.clone(), rollout: rollout.clone() });
        let flags = self
            .flags
            .iter()
            .map(|(set, document)| Event::Flags { set: set.clone(), document: Some(document.clone()) });
        rollouts.chain(flags).chain([self.tell_silences(), self.servers()]).collect()
    }

    /// Ends what is over by now, and tells of renewals since the last time.
    pub(super) fn expire(&mut self, now_ms: u64) -> Done<()> {
        let mut events = self.expire_silences(now_ms)?;
        events.extend(self.expire_leases(now_ms)?);
        Ok(((), events))
    }

    /// One durable transaction: on disk when this returns.
    pub(super) fn commit<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let transact = || {
            let transaction = self.database.begin_write()?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        transact().map_err(|error| StoreError::Embedded(Box::new(error)))
    }

    /// Likewise, with an entry in the audit log.
    pub(super) fn commit_logged<T>(
        &self,
        record: &Record,
        now_ms: u64,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<(T, Event), StoreError> {
        self.commit(|transaction| {
            let value = change(transaction)?;
            Ok((value, Event::Audit(log::append(transaction, record, now_ms)?)))
        })
    }
}

/// A state over a fresh file, as if `content` had been read from it.
#[cfg(test)]
pub(super) fn fresh(content: Content) -> (State, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let (database, _empty) = super::tables::open(&folder.path().join("state.redb")).expect("a fresh file");
    (State::new(Arc::new(database), content, Duration::from_secs(15), 0), folder)
}
