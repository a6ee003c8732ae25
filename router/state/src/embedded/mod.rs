//! The embedded store: one durable file in the data folder of one router.
//!
//! Switches, rollouts, alerts and who holds a lease are on disk before a write returns; renewals stay in memory.

mod state;
mod tables;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::Database;
use sluice_model::alert::Alert;
use sluice_model::audit::Author;
use sluice_model::lease::Server;
use sluice_model::rollout::{Command, Rollout};
use tokio_util::task::TaskTracker;

use self::state::State;
use self::writer::Jobs;
use crate::clock::now_ms;
use crate::config::Config;
use crate::error::{OpenError, StoreError};
use crate::event::{Event, Health};
use crate::names::{check_alert, check_rollout, check_server, check_server_id, check_switch};
use crate::outbox::Outbox;
use crate::store::{ALERTS_MAX, Leadership, Store};

/// Name of the file in the data folder.
const FILE: &str = "state.redb";

/// The store of a single router.
pub(crate) struct EmbeddedStore {
    database: Arc<Database>,
    switches: Vec<String>,
    jobs: Jobs,
    tracker: TaskTracker,
}

/// Opens the file, reads it whole and starts the writer.
pub(crate) async fn open(config: &Config, outbox: Outbox, tracker: &TaskTracker) -> Result<EmbeddedStore, OpenError> {
    let path = config.data_dir.join(FILE);
    let opened = tracker.spawn_blocking(move || tables::open(&path)).await;
    let (database, content) = opened.map_err(|_interrupted| OpenError::Interrupted)??;
    let database = Arc::new(database);
    let state = State::new(Arc::clone(&database), content, config.lease_ttl, now_ms());
    let mut first = state.everything(&config.switches);
    let (since_ms, confirmed_ms) = (now_ms(), Some(now_ms()));
    first.push(Event::Health(Health { connected: true, since_ms, confirmed_ms, error: None }));
    let jobs = writer::start(state, first, outbox, tracker);
    Ok(EmbeddedStore { database, switches: config.switches.clone(), jobs, tracker: tracker.clone() })
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn set_switch(&self, name: &str, value: bool, author: Author<'_>) -> Result<(), StoreError> {
        check_switch(&self.switches, name)?;
        let switch = name.to_owned();
        self.jobs.run(move |state| state.set_switch(&switch, value)).await?;
        tracing::info!(switch = name, value, by = author.by, "switch set");
        Ok(())
    }

    async fn flip_switch(&self, name: &str, author: Author<'_>) -> Result<bool, StoreError> {
        check_switch(&self.switches, name)?;
        let switch = name.to_owned();
        let value = self.jobs.run(move |state| state.flip_switch(&switch)).await?;
        tracing::info!(switch = name, value, by = author.by, "switch flipped");
        Ok(value)
    }

    async fn ensure_rollout(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError> {
        check_rollout(name)?;
        let (name, initial) = (name.to_owned(), initial.clone());
        self.jobs.run(move |state| state.ensure_rollout(&name, initial)).await
    }

    async fn apply_rollout(
        &self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
        _leader: Option<&Leadership>,
    ) -> Result<Rollout, StoreError> {
        let (name, command) = (name.to_owned(), command.clone());
        let (by, reason) = (author.by.to_owned(), author.reason.to_owned());
        self.jobs
            .run(move |state| state.apply_rollout(&name, &command, Author { by: &by, reason: &reason }, now_ms))
            .await
    }

    async fn put_server(&self, server: &Server) -> Result<(), StoreError> {
        check_server(server)?;
        let server = server.clone();
        self.jobs.run(move |state| state.put_server(server, now_ms())).await
    }

    async fn delete_server(&self, id: &str) -> Result<(), StoreError> {
        check_server_id(id)?;
        let id = id.to_owned();
        self.jobs.run(move |state| state.delete_server(&id)).await
    }

    async fn append_alert(&self, alert: &Alert, cooldown: Duration) -> Result<bool, StoreError> {
        check_alert(alert)?;
        let alert = alert.clone();
        self.jobs.run(move |state| state.append_alert(alert, cooldown, now_ms())).await
    }

    async fn alerts(&self, newest: usize) -> Result<Vec<Alert>, StoreError> {
        let database = Arc::clone(&self.database);
        let read = self.tracker.spawn_blocking(move || tables::newest_alerts(&database, newest.min(ALERTS_MAX)));
        read.await.map_err(|_interrupted| StoreError::Closed)?
    }
}
