//! The handle: what the admin port sees and may do. Cheap to clone; reads never wait, writes wait for the store and then
//! for this router to act on them.

use std::sync::Arc;

use sluice_model::alert::Alert;
use sluice_model::lease::Server;
use sluice_snapshot::{Cells, EffectQueue, Published, Traffic};
use sluice_state::StoreError;
use tokio::sync::{Semaphore, broadcast, mpsc};

use crate::builder::rollback::Order;
use crate::clock::now_ms;
use crate::explain::EXPLANATIONS_AT_ONCE_MAX;
use crate::fault::chain;
use crate::gate::Gate;
use crate::shared::Shared;
use crate::status::{Health, Status};
use crate::workshop::Workshop;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No such rollout or plugin.
    #[error("no policy declares `{0}`")]
    NotFound(String),
    /// No such revision; the text says which there are.
    #[error("{0}")]
    NoRevision(String),
    /// Not in this state, or not at all; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(name) => Self::NotFound(name),
            error @ (StoreError::Refused(_) | StoreError::Invalid(_) | StoreError::Full { .. }) => {
                Self::Refused(error.to_string())
            }
            error => Self::Store(chain(&error)),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) workshop: Workshop,
    pub(crate) orders: mpsc::Sender<Order>,
    /// Explanations that may still begin.
    pub(crate) explaining: Arc<Semaphore>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>, gate: Arc<Gate>, workshop: Workshop, orders: mpsc::Sender<Order>) -> Self {
        Self { shared, gate, workshop, orders, explaining: Arc::new(Semaphore::new(EXPLANATIONS_AT_ONCE_MAX)) }
    }

    /// Where the current snapshot stands.
    #[must_use]
    pub fn published(&self) -> &Arc<Published> {
        &self.shared.published
    }

    /// The live cells.
    #[must_use]
    pub fn cells(&self) -> &Arc<Cells> {
        &self.shared.cells
    }

    /// The counters of the data plane.
    #[must_use]
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.shared.traffic
    }

    /// The queue of effects.
    #[must_use]
    pub fn effects(&self) -> &Arc<EffectQueue> {
        &self.shared.effects
    }

    /// How the router is.
    #[must_use]
    pub fn status(&self) -> Status {
        let content = self.shared.board.read();
        Status {
            state: if content.faults.is_empty() { Health::Ok } else { Health::Degraded },
            revision: self.shared.published.load().1.revision,
            published_ms: content.published_ms,
            router: self.shared.router.clone(),
            faults: content.faults,
            store: content.store.at(now_ms()),
            reloads: content.reloads,
            alerts_dropped: content.alerts_dropped,
            pinned: content.pinned,
        }
    }

    /// Is told when something that a page shows changed. A listener that lags is told that it does.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<()> {
        self.shared.board.subscribe()
    }

    /// Sets a switch.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn set_switch(&self, name: &str, value: bool, by: &str) -> Result<(), CommandError> {
        Ok(self.shared.store.set_switch(name, value, by.into()).await?)
    }

    /// Flips a switch and returns its new value.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn flip_switch(&self, name: &str, by: &str) -> Result<bool, CommandError> {
        Ok(self.shared.store.flip_switch(name, by.into()).await?)
    }

    /// Takes or renews the lease of a server.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn put_server(&self, server: Server) -> Result<(), CommandError> {
        Ok(self.shared.store.put_server(&server).await?)
    }

    /// Gives the lease of a server back.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn delete_server(&self, id: &str) -> Result<(), CommandError> {
        Ok(self.shared.store.delete_server(id).await?)
    }

    /// The newest alerts, newest first.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn alerts(&self, newest: usize) -> Result<Vec<Alert>, CommandError> {
        Ok(self.shared.store.alerts(newest).await?)
    }
}
