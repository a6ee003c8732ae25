//! The embedded store: one durable file in the data folder of one router.
//!
//! Switches, rollouts, flag definitions, silences, alerts, the audit log and who holds a lease are on disk before a write
//! returns; renewals and figures stay in memory.

mod deliveries;
mod flags;
mod log;
mod notices;
mod rollouts;
mod scaling;
mod servers;
mod silences;
mod state;
mod stats;
mod store;
mod switches;
mod tables;
mod writer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::{Database, ReadTransaction, ReadableDatabase as _};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use self::state::State;
use self::stats::Stats;
use self::writer::Jobs;
use crate::clock::now_ms;
use crate::config::Config;
use crate::error::{OpenError, StoreError};
use crate::event::{Event, Health};
use crate::outbox::Outbox;

/// Name of the file in the data folder.
const FILE: &str = "state.redb";

/// The store of a single router.
pub(crate) struct EmbeddedStore {
    database: Arc<Database>,
    jobs: Jobs,
    tracker: TaskTracker,
    stats: Mutex<Stats>,
    delivery_idle: Duration,
    /// Something new is to be delivered.
    arrivals: watch::Sender<()>,
}

/// Opens the file, reads it whole and starts the writer.
pub(crate) async fn open(config: &Config, outbox: Outbox, tracker: &TaskTracker) -> Result<EmbeddedStore, OpenError> {
    let path = config.data_dir.join(FILE);
    let opened = tracker.spawn_blocking(move || tables::open(&path)).await;
    let (database, content) = opened.map_err(|_interrupted| OpenError::Interrupted)??;
    let database = Arc::new(database);
    let mut state = State::new(Arc::clone(&database), content, config.lease_ttl, now_ms());
    let mut first = state.watch_switches(config.switches.clone());
    first.extend(state.everything());
    let (since_ms, confirmed_ms) = (now_ms(), Some(now_ms()));
    first.push(Event::Health(Health { connected: true, since_ms, confirmed_ms, error: None }));
    let jobs = writer::start(state, first, outbox, tracker);
    Ok(EmbeddedStore {
        database,
        jobs,
        tracker: tracker.clone(),
        stats: Mutex::default(),
        delivery_idle: config.delivery_idle,
        arrivals: watch::Sender::default(),
    })
}

impl EmbeddedStore {
    /// Reads from the file, beside the writer.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        let reading = self.tracker.spawn_blocking(move || read(&database.begin_read()?));
        let read = reading.await.map_err(|_interrupted| StoreError::Closed)?;
        read.map_err(|error| StoreError::Embedded(Box::new(error)))
    }
}
