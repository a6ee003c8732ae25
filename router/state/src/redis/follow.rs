//! Following a store that was taken over: what is pushed is read anew, once a second everything is looked after, and
//! whoever wrote something is let go when its events are out.

use std::time::Duration;

use redis::cmd;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::keys::{Change, Names};
use super::lease::Moved;
use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::push::Pushed;
use super::reader::Reader;
use super::supervisor::{Refresh, Supervisor};
use super::target::{Connections, Misled};
use crate::clock::now_ms;
use crate::event::Event;

/// How often the epoch, the leases and the switches are read without being told to.
const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Follows until the connection, or the data, is lost.
    pub(super) async fn follow(
        &mut self,
        connections: &Connections,
        reader: &Reader,
        refreshes: &mut mpsc::Receiver<Refresh>,
        mut watched: watch::Receiver<Names>,
        mut misled: Misled,
    ) -> Lost {
        let mut tick = interval(PROBE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                biased;
                // First: whoever waits for its new switches must not be let go by the old connections.
                Ok(()) = watched.changed() => Err(Lost::Rewatch),
                lost = &mut misled => Err(lost),
                pushed = connections.pushes.next() => self.take_in_pushed(pushed, connections, reader).await,
                Some(refresh) = refreshes.recv() => self.refresh(refresh, connections, reader).await,
                _at = tick.tick() => self.probe(connections, reader).await,
            };
            if let Err(lost) = step {
                return lost;
            }
        }
    }

    async fn take_in_pushed(&mut self, pushed: Pushed, connections: &Connections, reader: &Reader) -> Result<(), Lost> {
        if pushed.closed {
            return Err(Lost::Disconnected);
        }
        if pushed.everything {
            return self.reload(reader).await;
        }
        let keys = std::sync::Arc::clone(&self.keys);
        for change in pushed.keys.iter().filter_map(|key| keys.change(key)) {
            self.take_in(change, connections, reader).await?;
        }
        Ok(())
    }

    async fn refresh(&mut self, refresh: Refresh, connections: &Connections, reader: &Reader) -> Result<(), Lost> {
        self.take_in(refresh.change, connections, reader).await?;
        self.read_streams(reader).await?;
        self.outbox.emit([Event::Fence(refresh.fence)]).await;
        Ok(())
    }

    async fn take_in(&mut self, change: Change, connections: &Connections, reader: &Reader) -> Result<(), Lost> {
        match change {
            Change::Switch(name) => self.read_switch(&name, reader).await,
            Change::Rollout(name) => {
                let Some(rollout) = reader.rollout(&name).await? else { return Ok(()) };
                let event = self.held.lock().apply_rollout(&name, rollout);
                self.tell(event).await;
                Ok(())
            }
            Change::Flags(set) => self.read_flags(&set, reader).await,
            Change::Silences => self.read_silences(reader).await,
            Change::Servers => self.read_servers(connections, reader, true).await,
            Change::Epoch => {
                self.read_epoch(reader).await?;
                self.read_streams(reader).await
            }
        }
    }

    /// The backstop of pushes: notices a connection that hangs, data that is gone, and pushes that were lost.
    async fn probe(&mut self, connections: &Connections, reader: &Reader) -> Result<(), Lost> {
        let ping = cmd("PING");
        within(ANSWER_WAIT_MAX, "write", ping.exec_async(&mut connections.writer.clone())).await?;
        if self.read_epoch(reader).await? {
            self.reload(reader).await?;
        }
        let keys = std::sync::Arc::clone(&self.keys);
        for name in keys.switches().iter() {
            self.read_switch(name, reader).await?;
        }
        self.read_servers(connections, reader, false).await?;
        self.read_streams(reader).await?;
        self.expire_silences().await;
        self.confirmed_ms = Some(now_ms());
        self.save_disk();
        Ok(())
    }

    /// Reads everything that is pushed, except servers.
    async fn reload(&mut self, reader: &Reader) -> Result<(), Lost> {
        let loaded = reader.load().await?;
        let changed = {
            let mut content = self.held.lock();
            if content.is_lost_in(&loaded) {
                return Err(Lost::Data);
            }
            content.take_over(loaded)
        };
        self.unsaved = true;
        self.outbox.emit(changed).await;
        Ok(())
    }

    /// True if the epoch rose. That it went away or fell means that data was lost.
    pub(super) async fn read_epoch(&mut self, reader: &Reader) -> Result<bool, Lost> {
        let theirs = reader.epoch().await?;
        let mut content = self.held.lock();
        match theirs {
            Some(theirs) if theirs >= content.epoch => {
                let rose = theirs > content.epoch;
                content.epoch = theirs;
                self.unsaved |= rose;
                Ok(rose)
            }
            Some(_) | None => Err(Lost::Data),
        }
    }

    async fn read_switch(&mut self, name: &str, reader: &Reader) -> Result<(), Lost> {
        let value = reader.switch(name).await?;
        let event = self.held.lock().apply_switch(name, value);
        self.tell(event).await;
        Ok(())
    }

    pub(super) async fn tell(&mut self, event: Option<Event>) {
        self.unsaved |= event.is_some();
        self.outbox.emit(event).await;
    }

    /// Reads the leases, and the servers whose lease moved (or all), and tells if the list is another one.
    pub(super) async fn read_servers(
        &mut self,
        connections: &Connections,
        reader: &Reader,
        all: bool,
    ) -> Result<(), Lost> {
        if self.take_in_servers(connections, reader, all).await? != Moved::Nothing {
            self.outbox.emit([Event::Servers(self.members.leases())]).await;
        }
        Ok(())
    }

    /// Like [`Self::read_servers`], but tells nobody.
    pub(super) async fn take_in_servers(
        &mut self,
        connections: &Connections,
        reader: &Reader,
        all: bool,
    ) -> Result<Moved, Lost> {
        let ends = reader.lease_ends().await?;
        let servers = reader.servers(&self.members.to_read(&ends, all)).await?;
        let moved = self.members.apply(&ends, servers, now_ms(), Instant::now());
        // A heartbeat is not worth a write to the disk.
        self.unsaved |= moved == Moved::Members;
        if ends.any_over() && !self.members.is_holding(Instant::now()) {
            let reap = self.scripts.reap(connections.writer.clone(), &self.keys);
            let reaped = within(ANSWER_WAIT_MAX, "end leases", reap).await?;
            tracing::warn!(reaped, "leases ended without a renewal");
        }
        Ok(moved)
    }

    /// Tells of alerts and audit entries since the last ones.
    pub(super) async fn read_streams(&mut self, reader: &Reader) -> Result<(), Lost> {
        self.read_alerts(reader).await?;
        self.read_log(reader).await
    }
}
