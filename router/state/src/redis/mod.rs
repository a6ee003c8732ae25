//! The store of a fleet, on Redis. Writes go out here; everything that is so comes back through the [`supervisor`],
//! whoever wrote it, in one order.

mod cluster;
mod codec;
mod content;
mod dial;
mod disk;
mod follow;
mod keys;
mod lease;
mod link;
mod push;
mod reader;
mod scripts;
pub(crate) mod secrets;
mod sentinel;
mod supervisor;
mod takeover;
mod target;
pub(crate) mod url;
mod writer;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::streams::StreamRangeReply;
use redis::{RedisError, RedisResult, cmd};
use sluice_model::alert::Alert;
use sluice_model::audit::Author;
use sluice_model::flag::switch_text;
use sluice_model::lease::Server;
use sluice_model::rollout::{Applied, Command, Rollout};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use self::content::Held;
use self::disk::Disk;
use self::keys::{Change, Keys};

use self::scripts::Scripts;
use self::supervisor::{Link, Refresh, Supervisor};
use self::target::Target;
use self::writer::Writer;
use crate::config::Config;
use crate::error::{OpenError, StoreError};
use crate::names::{check_alert, check_rollout, check_server, check_server_id, check_switch, check_switches};
use crate::outbox::{Outbox, passed};
use crate::store::{ALERTS_MAX, Leadership, SERVERS_MAX, Store};

/// Writes that wait to be seen by the supervisor; more make the caller wait.
const REFRESHES_MAX: usize = 256;
/// How long a write may take. A write that timed out may be done: all may be repeated, but for a flip.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Tries of one compare-and-set; each that fails means that another one succeeded.
const SWAPS_MAX: usize = 16;
/// The code that `put_server.lua` answers with.
const FULL: &str = "FULL";
/// Codes of servers that lead no more, or not yet: nothing was done, and soon another one takes it.
const PASSING: [&str; 7] = ["ASK", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "READONLY", "TRYAGAIN"];

/// The store of a fleet.
pub(crate) struct RedisStore {
    keys: Arc<Keys>,
    held: Arc<Held>,
    scripts: Arc<Scripts>,
    link: watch::Receiver<Link>,
    refreshes: mpsc::Sender<Refresh>,
    lease_ttl: Duration,
}

/// Starts the supervisor; connects in the background.
pub(crate) fn open(url: &str, config: &Config, outbox: Outbox, tracker: &TaskTracker) -> Result<RedisStore, OpenError> {
    let target = Target::new(url)?;
    let disk = Disk::new(&config.data_dir, format!("{} {}", target.describe(), config.edge));
    let keys = Arc::new(Keys::new(config.edge.clone(), config.switches.clone()));
    let (link_sender, link) = watch::channel(Link::Starting);
    let (refreshes, refresh_queue) = mpsc::channel(REFRESHES_MAX);
    let store = RedisStore {
        keys: Arc::clone(&keys),
        held: Arc::default(),
        scripts: Arc::new(Scripts::new()),
        link,
        refreshes,
        lease_ttl: config.lease_ttl,
    };
    let supervisor = Supervisor::new(target, &store, disk, outbox, link_sender, tracker.clone());
    tracker.spawn(supervisor.run(refresh_queue));
    Ok(store)
}

impl RedisStore {
    /// A connection to write on, once it is known whether there is one.
    async fn writer(&self) -> Result<Writer, StoreError> {
        let mut link = self.link.clone();
        let settled = timeout(WRITE_WAIT_MAX, link.wait_for(|link| !matches!(link, Link::Starting))).await;
        match settled {
            Ok(Ok(link)) => match &*link {
                Link::Up(connection) => Ok(connection.clone()),
                Link::Down(reason) => Err(unavailable(reason)),
                Link::Starting => Err(unavailable("not connected yet")),
            },
            Ok(Err(_closed)) => Err(StoreError::Closed),
            Err(_elapsed) => Err(unavailable("not connected yet")),
        }
    }

    /// Returns once this router acts on what was just written.
    async fn confirm(&self, change: Change) -> Result<(), StoreError> {
        let (fence, fenced) = oneshot::channel();
        self.refreshes.send(Refresh { change, fence }).await.map_err(|_closed| StoreError::Closed)?;
        passed(fenced).await
    }

    /// Follows these switches from now on. Once it returns their values have been told, unless the store is away.
    async fn follow_switches(&self, names: &[String]) -> Result<(), StoreError> {
        if !self.keys.watch_switches(names) {
            return Ok(());
        }
        match self.confirm(Change::Epoch).await {
            Err(StoreError::Unconfirmed) => Ok(()),
            confirmed => confirmed,
        }
    }

    async fn read_rollout(&self, from: Writer, name: &str) -> Result<Option<Rollout>, StoreError> {
        let mut from = from;
        let mut command = cmd("HGETALL");
        let fields: codec::Fields = answered(command.arg(self.keys.rollout(name)).query_async(&mut from)).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let unreadable = |fault| StoreError::Invalid(format!("the store's rollout `{name}` cannot be read: {fault}"));
        codec::rollout_from(&fields).map(Some).map_err(unreadable)
    }

    /// Creates the rollout unless there is one; returns what there is.
    async fn create_or_read(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError> {
        // A rollout that was deleted in the store returns as we knew it, not as it once began: its epoch only grows.
        let rollout = self.held.lock().rollouts.get(name).unwrap_or(initial).clone();
        for _try in 0..SWAPS_MAX {
            let writer = self.writer().await?;
            if let Some(found) = self.read_rollout(writer.clone(), name).await? {
                return Ok(found);
            }
            if answered(self.scripts.swap_rollout(writer, &self.keys, name, None, &rollout)).await? {
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
    ) -> Result<Rollout, StoreError> {
        for _try in 0..SWAPS_MAX {
            let writer = self.writer().await?;
            let found = self.read_rollout(writer.clone(), name).await?;
            let rollout = found.ok_or_else(|| StoreError::NotFound(name.to_owned()))?;
            let Applied::Changed(next) = rollout.apply(command, author, now_ms)? else { return Ok(rollout) };
            let epoch = Some(rollout.epoch);
            if answered(self.scripts.swap_rollout(writer, &self.keys, name, epoch, &next)).await? {
                return Ok(next);
            }
        }
        Err(StoreError::Contended(name.to_owned()))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn set_switch(&self, name: &str, value: bool, author: Author<'_>) -> Result<(), StoreError> {
        check_switch(&self.keys.switches(), name)?;
        let mut writer = self.writer().await?;
        let mut set = cmd("SET");
        set.arg(name).arg(switch_text(value));
        answered(set.exec_async(&mut writer)).await?;
        tracing::info!(switch = name, value, by = author.by, "switch set");
        self.confirm(Change::Switch(name.to_owned())).await
    }

    async fn flip_switch(&self, name: &str, author: Author<'_>) -> Result<bool, StoreError> {
        check_switch(&self.keys.switches(), name)?;
        let writer = self.writer().await?;
        let last_good = self.held.lock().good_switch(name).unwrap_or(false);
        let value = answered(self.scripts.flip(writer, name, last_good)).await?;
        tracing::info!(switch = name, value, by = author.by, "switch flipped");
        self.confirm(Change::Switch(name.to_owned())).await?;
        Ok(value)
    }

    async fn watch_switches(&self, names: &[String]) -> Result<(), StoreError> {
        check_switches(names)?;
        self.follow_switches(names).await
    }

    async fn ensure_rollout(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError> {
        check_rollout(name)?;
        let rollout = self.create_or_read(name, initial).await?;
        self.confirm(Change::Rollout(name.to_owned())).await?;
        Ok(rollout)
    }

    async fn apply_rollout(
        &self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
        _leader: Option<&Leadership>,
    ) -> Result<Rollout, StoreError> {
        check_rollout(name)?;
        let rollout = self.transition(name, command, author, now_ms).await?;
        self.confirm(Change::Rollout(name.to_owned())).await?;
        Ok(rollout)
    }

    async fn put_server(&self, server: &Server) -> Result<(), StoreError> {
        check_server(server)?;
        let writer = self.writer().await?;
        let put = answered(self.scripts.put_server(writer, &self.keys, server, self.lease_ttl)).await;
        match put {
            Ok(true) => self.confirm(Change::Servers).await,
            Ok(false) => Ok(()),
            Err(StoreError::Redis(error)) if error.code() == Some(FULL) => {
                Err(StoreError::Full { what: "servers", max: SERVERS_MAX })
            }
            Err(error) => Err(error),
        }
    }

    async fn delete_server(&self, id: &str) -> Result<(), StoreError> {
        check_server_id(id)?;
        let writer = self.writer().await?;
        if answered(self.scripts.delete_server(writer, &self.keys, id)).await? {
            self.confirm(Change::Servers).await?;
        }
        Ok(())
    }

    async fn append_alert(&self, alert: &Alert, cooldown: Duration) -> Result<bool, StoreError> {
        check_alert(alert)?;
        let writer = self.writer().await?;
        let new = answered(self.scripts.append_alert(writer, &self.keys, alert, cooldown)).await?;
        if new {
            self.confirm(Change::Epoch).await?;
        }
        Ok(new)
    }

    async fn alerts(&self, newest: usize) -> Result<Vec<Alert>, StoreError> {
        let mut writer = self.writer().await?;
        let mut range = cmd("XREVRANGE");
        range.arg(self.keys.alerts()).arg("+").arg("-").arg("COUNT").arg(newest.min(ALERTS_MAX));
        let reply: StreamRangeReply = answered(range.query_async(&mut writer)).await?;
        Ok(reader::alerts_of(&reply))
    }
}

/// Awaits the answer to a write, for a bounded time.
async fn answered<T>(answer: impl Future<Output = RedisResult<T>>) -> Result<T, StoreError> {
    match timeout(WRITE_WAIT_MAX, answer).await {
        Ok(answer) => answer.map_err(failed),
        Err(_elapsed) => Err(unavailable("no answer in time; it may be done")),
    }
}

fn failed(error: RedisError) -> StoreError {
    if error.is_io_error() || error.is_connection_dropped() || PASSING.contains(&error.code().unwrap_or_default()) {
        return unavailable(&error.to_string());
    }
    StoreError::Redis(error)
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable { reason: reason.to_owned() }
}
