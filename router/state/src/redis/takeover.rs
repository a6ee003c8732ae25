//! From a fresh connection to content that can be trusted: load, compare with what we had, initialise or refill.

use std::time::Duration;

use redis::cmd;
use tokio::time::Instant;

use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::reader::{Loaded, Reader};
use super::rollouts::Swap;
use super::supervisor::{LEASES_HELD, Supervisor};
use super::target::Connections;

/// How long a store may be without its data before it is refilled from here: a restart may still be loading it, and
/// a failover may still bring it.
const REFILL_AFTER: Duration = Duration::from_secs(2);
/// An outage of a third of a lease may have cost a server one heartbeat.
const HEARTBEATS_PER_LEASE: u32 = 3;
/// The epoch of a store that begins.
const FIRST_EPOCH: u64 = 1;

impl Supervisor {
    /// Takes the content of the store over and tells of it, or refuses it.
    pub(super) async fn take_over(&mut self, connections: &Connections) -> Result<Reader, Lost> {
        let reader = Reader::new(connections, self.keys.clone());
        let mut loaded = reader.load().await?;
        if loaded.epoch.is_none() && self.held.lock().holds_nothing() {
            self.initialise(connections).await?;
            loaded = reader.load().await?;
        }
        let mut refilled = false;
        if self.held.lock().is_lost_in(&loaded) {
            self.refill(connections, &loaded).await?;
            refilled = true;
            loaded = reader.load().await?;
            if self.held.lock().is_lost_in(&loaded) {
                return Err(Lost::Data);
            }
        }
        if self.put_back(connections, &loaded).await? {
            loaded = reader.load().await?;
        }
        self.lost_since = None;
        let outage = self.down_since.map_or(Duration::ZERO, |since| since.elapsed());
        if refilled || outage >= self.lease_ttl / HEARTBEATS_PER_LEASE {
            self.members.hold(Instant::now() + self.lease_ttl * LEASES_HELD);
        }
        self.accept(loaded, connections, &reader).await?;
        Ok(reader)
    }

    async fn accept(&mut self, loaded: Loaded, connections: &Connections, reader: &Reader) -> Result<(), Lost> {
        let changed = {
            let mut content = self.held.lock();
            if !self.told {
                // Nobody acts on what was on disk yet, so the store alone counts.
                content.rollouts.retain(|name, _| loaded.rollouts.contains_key(name));
            }
            content.take_over(loaded)
        };
        self.unsaved = true;
        if self.told {
            self.outbox.emit(changed).await;
            self.read_servers(connections, reader, true).await?;
        } else {
            self.take_in_servers(connections, reader, true).await?;
            self.tell_everything().await;
        }
        self.read_streams(reader).await
    }

    /// A failover may have brought back rollouts as they were before what we saw: ours are put in their place, unless
    /// someone was faster. True if there were any.
    async fn put_back(&self, connections: &Connections, loaded: &Loaded) -> Result<bool, Lost> {
        let newer = self.held.lock().newer_than(loaded);
        for (name, theirs, ours) in &newer {
            let mut writer = connections.writer.clone();
            let swap = Swap { epoch: Some(*theirs), ..Swap::default() };
            let call = swap.write(&mut writer, &self.keys, name, ours);
            let did = within(ANSWER_WAIT_MAX, "put a rollout back", call).await?;
            tracing::warn!(rollout = name, theirs, ours = ours.epoch, did, "store went back; rollout put back");
        }
        Ok(!newer.is_empty())
    }

    /// An empty store is begun by a router that holds nothing itself; the first one wins.
    async fn initialise(&self, connections: &Connections) -> Result<(), Lost> {
        let mut set = cmd("SET");
        set.arg(self.keys.epoch()).arg(FIRST_EPOCH).arg("NX");
        within(ANSWER_WAIT_MAX, "begin the store", set.exec_async(&mut connections.writer.clone())).await?;
        tracing::info!("store begun");
        Ok(())
    }

    /// Puts what we hold into a store that lost its data, once that lasts. Servers come back by their heartbeats.
    async fn refill(&mut self, connections: &Connections, loaded: &Loaded) -> Result<(), Lost> {
        if self.lost_since.get_or_insert_with(Instant::now).elapsed() < REFILL_AFTER {
            return Err(Lost::Data);
        }
        let (ours, switches, rollouts) = {
            let content = self.held.lock();
            (content.epoch, content.good_switches(), content.rollouts.clone())
        };
        for (name, on) in switches {
            let mut set = cmd("SET");
            // What an operator has set since then counts.
            set.arg(&name).arg(sluice_model::flag::switch_text(on)).arg("NX");
            within(ANSWER_WAIT_MAX, "refill", set.exec_async(&mut connections.writer.clone())).await?;
        }
        self.refill_flags(&connections.writer).await?;
        self.refill_silences(&connections.writer).await?;
        let next = ours.max(loaded.epoch.unwrap_or_default()) + 1;
        let writer = connections.writer.clone();
        let call = self.scripts.refill(writer, &self.keys, loaded.epoch, next, &rollouts);
        let did = within(ANSWER_WAIT_MAX, "refill", call).await?;
        if did {
            tracing::warn!(rollouts = rollouts.len(), epoch = next, "store refilled from the last content");
        }
        Ok(())
    }
}
