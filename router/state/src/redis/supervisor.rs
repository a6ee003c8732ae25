//! The one task that follows Redis: connect, take over, follow; when that fails say so, keep what we have, try again.
//!
//! Only this task reads the content and sends events, so they have one order.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::RedisStore;
use super::content::{Content, Held};
use super::disk::{Disk, Document};
use super::keys::{Change, Keys, Names};
use super::lease::Membership;
use super::link::Lost;
use super::scripts::Scripts;
use super::target::Target;
use super::writer::Writer;
use crate::clock::{millis, now_ms};
use crate::event::{Event, Health};
use crate::outbox::Outbox;

/// The first pause after a failure; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: a store that came back is found this soon.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How many leases members are held after an outage: one to find the store again, one for luck.
pub(super) const LEASES_HELD: u32 = 2;

/// Whether there is something to write on.
#[derive(Clone)]
pub(super) enum Link {
    /// Not known yet.
    Starting,
    /// Here.
    Up(Writer),
    /// No, because.
    Down(String),
}

/// Someone wrote this and waits until this router acts on it. Dropping it says that this cannot be told.
pub(super) struct Refresh {
    pub(super) change: Change,
    pub(super) fence: oneshot::Sender<()>,
}

/// The state of the task.
pub(super) struct Supervisor {
    pub(super) target: Target,
    pub(super) keys: Arc<Keys>,
    pub(super) scripts: Arc<Scripts>,
    pub(super) held: Arc<Held>,
    pub(super) members: Membership,
    pub(super) lease_ttl: Duration,
    pub(super) outbox: Outbox,
    /// The first content has been told.
    pub(super) told: bool,
    /// The switches that were to be followed when anything was told last.
    watched: Names,
    /// The content differs from the disk.
    pub(super) unsaved: bool,
    /// The write to the disk that was begun last.
    saving: Option<JoinHandle<()>>,
    /// The last alert that was told.
    pub(super) last_alert: Option<String>,
    /// The last entry of the audit log that was told.
    pub(super) last_logged: Option<String>,
    /// Since when the store answers without its data.
    pub(super) lost_since: Option<Instant>,
    /// Since when the store is away.
    pub(super) down_since: Option<Instant>,
    /// When the content was last known to be that of the store.
    pub(super) confirmed_ms: Option<u64>,
    health: Option<Health>,
    link: watch::Sender<Link>,
    disk: Disk,
    tracker: TaskTracker,
}

impl Supervisor {
    pub(super) fn new(
        target: Target,
        store: &RedisStore,
        disk: Disk,
        outbox: Outbox,
        link: watch::Sender<Link>,
        tracker: TaskTracker,
    ) -> Self {
        Self {
            target,
            keys: Arc::clone(&store.keys),
            scripts: Arc::clone(&store.scripts),
            held: Arc::clone(&store.held),
            members: Membership::default(),
            lease_ttl: store.lease_ttl,
            outbox,
            told: false,
            watched: store.keys.switches(),
            unsaved: false,
            saving: None,
            last_alert: None,
            last_logged: None,
            lost_since: None,
            down_since: None,
            confirmed_ms: None,
            health: None,
            link,
            disk,
            tracker,
        }
    }

    /// Runs until stopped.
    pub(super) async fn run(mut self, mut refreshes: mpsc::Receiver<Refresh>) {
        self.load_disk().await;
        let stop = self.outbox.stop().clone();
        let mut pause = PAUSE_MIN;
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => break,
                ended = self.session(&mut refreshes) => ended,
            };
            if matches!(ended, Lost::Rewatch) {
                continue;
            }
            if self.down_since.is_none() {
                pause = PAUSE_MIN;
            }
            self.report_down(&ended).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = answer_nothing(&mut refreshes, sleep(pause)) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        let _down = self.link.send_replace(Link::Down("stopping".to_owned()));
        // Until when the content was right is worth a write.
        self.unsaved |= self.told && self.down_since.is_none();
        self.saved().await;
        self.save_disk();
        self.saved().await;
    }

    /// One connection, from connecting to its end.
    async fn session(&mut self, refreshes: &mut mpsc::Receiver<Refresh>) -> Lost {
        let watched = self.keys.switches_watched();
        self.tell_watched().await;
        let connected = async {
            let (connections, misled) = self.target.connect(&self.keys, &self.tracker).await?;
            let reader = self.take_over(&connections).await?;
            Ok((connections, misled, reader))
        };
        let (connections, misled, reader) = match connected.await {
            Ok(connected) => connected,
            Err(lost) => return lost,
        };
        self.report_up(&connections.writer).await;
        self.follow(&connections, &reader, refreshes, watched, misled).await
    }

    async fn report_up(&mut self, writer: &Writer) {
        self.down_since = None;
        self.confirmed_ms = Some(now_ms());
        self.report(true, None).await;
        let _before = self.link.send_replace(Link::Up(writer.clone()));
        self.save_disk();
    }

    async fn report_down(&mut self, lost: &Lost) {
        let reason = lost.describe();
        self.down_since.get_or_insert_with(Instant::now);
        let _before = self.link.send_replace(Link::Down(reason.clone()));
        if !self.told && !self.held.lock().holds_nothing() {
            self.tell_everything().await;
        }
        self.report(false, Some(reason)).await;
    }

    /// Switches that are followed since the last look stand as last seen, until the store says otherwise.
    async fn tell_watched(&mut self) {
        let before = std::mem::replace(&mut self.watched, self.keys.switches());
        if self.told {
            let new = self.watched.iter().filter(|name| !before.contains(name));
            let stand = self.held.lock().switches(new);
            self.outbox.emit(stand).await;
        }
    }

    /// The whole content, as first events.
    pub(super) async fn tell_everything(&mut self) {
        let everything = {
            let content = self.held.lock();
            let mut events = content.switches(self.watched.iter());
            events.extend(content.rollouts());
            events.extend(content.flags.events());
            events.push(content.silences.event());
            events
        };
        self.outbox.emit(everything.into_iter().chain([Event::Servers(self.members.leases())])).await;
        self.told = true;
    }

    async fn report(&mut self, connected: bool, error: Option<String>) {
        let before = self.health.as_ref();
        if before.is_some_and(|health| health.connected == connected && health.error == error) {
            return;
        }
        let since_ms =
            before.filter(|health| health.connected == connected).map_or_else(now_ms, |health| health.since_ms);
        match &error {
            None => tracing::info!(store = self.disk.store(), "store connected"),
            Some(error) => tracing::warn!(store = self.disk.store(), error, "store away; serving the last content"),
        }
        let health = Health { connected, since_ms, confirmed_ms: self.confirmed_ms, error };
        self.health = Some(health.clone());
        self.outbox.emit([Event::Health(health)]).await;
    }

    async fn load_disk(&mut self) {
        let disk = self.disk.clone();
        let Ok(Some(document)) = self.tracker.spawn_blocking(move || disk.load()).await else { return };
        self.confirmed_ms = document.confirmed_ms;
        let ends_ms = now_ms().saturating_add(millis(self.lease_ttl * LEASES_HELD));
        self.members = Membership::from_disk(document.servers.clone(), ends_ms);
        *self.held.lock() = Content::from_disk(document);
    }

    /// Writes the content to disk if it changed, beside everything else: a disk that others keep busy must not hold back
    /// what the store pushes meanwhile. One write at a time; what changes during it is written after the next probe.
    pub(super) fn save_disk(&mut self) {
        let is_saving = self.saving.as_ref().is_some_and(|saving| !saving.is_finished());
        if is_saving || !std::mem::take(&mut self.unsaved) {
            return;
        }
        let document = {
            let content = self.held.lock();
            Document {
                store: self.disk.store().to_owned(),
                epoch: content.epoch,
                confirmed_ms: self.confirmed_ms,
                switches: content.good_switches(),
                rollouts: content.rollouts.clone(),
                servers: self.members.servers(),
                flags: content.flags.documents().clone(),
                silences: content.silences.list().clone(),
            }
        };
        let disk = self.disk.clone();
        let save = move || {
            if let Err(error) = disk.save(&document) {
                tracing::warn!(%error, "cannot save the last content");
            }
        };
        self.saving = Some(self.tracker.spawn_blocking(save));
    }

    /// Waits for the write that is under way.
    async fn saved(&mut self) {
        if let Some(saving) = self.saving.take()
            && let Err(error) = saving.await
        {
            tracing::warn!(%error, "saving the last content was interrupted");
        }
    }
}

/// Lets go of whoever waits for a confirmation, until `until`: there is nothing to confirm with.
async fn answer_nothing(refreshes: &mut mpsc::Receiver<Refresh>, until: impl Future<Output = ()>) {
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return,
            refresh = refreshes.recv() => match refresh {
                Some(refresh) => drop(refresh),
                None => return until.await,
            },
        }
    }
}
