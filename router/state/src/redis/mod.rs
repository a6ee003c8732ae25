//! The store of a fleet, on Redis. Writes go out here; everything that is so comes back through the [`supervisor`],
//! whoever wrote it, in one order.

mod cluster;
mod codec;
mod content;
mod dead_letters;
mod deliveries;
mod dial;
mod disk;
mod entries;
mod firing;
mod flag_sets;
mod flags;
mod follow;
mod keys;
mod leader;
mod lease;
pub(crate) mod leases;
mod link;
mod log;
mod notices;
mod push;
mod reader;
mod rollouts;
mod scaling;
mod scripts;
pub(crate) mod secrets;
mod sentinel;
mod servers;
mod silences;
mod stats;
mod store;
mod supervisor;
mod switches;
mod takeover;
mod target;
pub(crate) mod url;
mod writer;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, RedisResult};
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
use crate::outbox::{Outbox, passed};

/// Writes that wait to be seen by the supervisor; more make the caller wait.
const REFRESHES_MAX: usize = 256;
/// How long a write may take. A write that timed out may be done: all may be repeated, but for a flip.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(2);
/// The code that our scripts answer with if another one leads.
const FENCED: &str = "FENCED";
/// The code that our scripts answer with if there is no room.
const FULL: &str = "FULL";
/// Codes of servers that lead no more, or not yet, or have lost their data: nothing was done, and soon it can be.
const PASSING: [&str; 8] = ["ASK", "CLUSTERDOWN", "LOADING", "LOST", "MASTERDOWN", "MOVED", "READONLY", "TRYAGAIN"];

/// The store of a fleet.
pub(crate) struct RedisStore {
    keys: Arc<Keys>,
    held: Arc<Held>,
    scripts: Arc<Scripts>,
    link: watch::Receiver<Link>,
    refreshes: mpsc::Sender<Refresh>,
    lease_ttl: Duration,
    delivery_idle: Duration,
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
        delivery_idle: config.delivery_idle,
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
