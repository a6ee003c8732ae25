//! The droplet's side: what the hooks of the bare repository run, as whoever owns the services there.
//!
//! `receive` says whether a push may come in, [`tree`] whether its files may lie here, `unpack` puts them there, `unit` makes
//! a service of them, `health` says whether it is fit, `switch` moves the leases, `leave` waits until nobody is served any
//! more. [`Releases`] is what is so: each step is written down before it is taken, and what a
//! crash left behind is put right before the next one (`recover`).

mod connections;
mod health;
mod heartbeat;
mod leave;
mod receive;
mod recover;
mod rollback;
mod store;
mod switch;
pub mod tree;
mod turn;
mod unit;
mod unpack;

use std::io;
use std::time::Duration;

use sluice_infra_host::{AgentConfig, AgentSecrets, DeployKey, Init, InitError, Layout, Releases};
use sluice_infra_spec::App;
use tokio::task::{JoinError, spawn_blocking};

use crate::GitError;
use crate::git::Git;

pub use heartbeat::{Beat, Heart};
pub use receive::Refusal;
pub use store::{lease_of, now_ms};
pub use turn::Busy;

/// How long routers may take to learn of a lease: the store pushes at once, and each router looks once a second, waiting
/// at most a second for the answer (`router/state`, `PROBE_EVERY` and `ANSWER_WAIT_MAX`); the rest is for a busy machine.
pub const NOTICE: Duration = Duration::from_millis(2_500);
/// Lines of a release's log that are shown when it is not fit.
pub const LOG_LINES: usize = 50;

/// Why a droplet did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DropletError {
    /// A file of ours cannot be read or written.
    #[error("{what}")]
    File {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `agent.json` or `secrets.json` is none.
    #[error("{path} cannot be understood")]
    Document {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No app runs here.
    #[error("no app runs on this droplet; its pool has none")]
    NoApp,
    /// The store is not open to us, or full.
    #[error("the store did not take the lease of {lease}")]
    Store {
        /// Whose.
        lease: String,
        /// Why.
        #[source]
        source: sluice_state::StoreError,
    },
    /// Its URL is none.
    #[error("the store cannot be opened")]
    Open(#[from] sluice_state::OpenError),
    /// The init did not do it.
    #[error("the service was not started or stopped")]
    Init(#[from] InitError),
    /// Git did not do it.
    #[error("the repository did not do it")]
    Git(#[from] GitError),
    /// The push is not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another deploy is under way.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The release did not become fit; the one before serves on.
    #[error("{reason}")]
    Unfit {
        /// Why, and what was seen last.
        reason: String,
    },
    /// A template of the app cannot be rendered.
    #[error("`{text}` of the app cannot be rendered")]
    Template {
        /// The template.
        text: String,
        /// Why.
        #[source]
        source: minijinja::Error,
    },
    /// There is nothing to go back to.
    #[error("{0}")]
    NoRelease(String),
    /// We are being shut down.
    #[error("interrupted")]
    Interrupted(#[from] JoinError),
}

/// What a droplet needs to know to take releases.
pub struct Droplet {
    layout: Layout,
    config: AgentConfig,
    app: App,
    key: Option<DeployKey>,
    redis_url: String,
    app_redis_url: String,
    init: Box<dyn Init>,
}

impl Droplet {
    /// Of the machine at this layout, whose services `init` runs.
    ///
    /// # Errors
    /// [`DropletError::NoApp`], or if the configuration cannot be read.
    pub fn open(layout: Layout, init: Box<dyn Init>) -> Result<Self, DropletError> {
        let config: AgentConfig = document(&layout.agent_config())?;
        let secrets: AgentSecrets = document(&layout.secrets())?;
        let app = config.app.clone().ok_or(DropletError::NoApp)?;
        let key = secrets.deploy_key.as_deref().and_then(DeployKey::parse);
        let (redis_url, app_redis_url) = (config.redis_url(&secrets), config.app_redis_url(&secrets));
        Ok(Self { layout, config, app, key, redis_url, app_redis_url, init })
    }

    /// The app that runs here.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// What runs, as it stands.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn releases(&self) -> Result<Releases, DropletError> {
        Releases::look(&self.layout, &self.app.name).map_err(|source| file("read the state of the releases", source))
    }

    /// The last lines that the newest release printed, oldest first.
    ///
    /// # Errors
    /// If the init does not say.
    pub async fn log(&self, lines_max: usize) -> Result<Vec<String>, DropletError> {
        match self.releases()?.running.first() {
            Some(newest) => Ok(self.init.log(&newest.service, lines_max).await?),
            None => Ok(Vec::new()),
        }
    }

    fn repository(&self) -> Git {
        Git::at(self.layout.repository(&self.app.name))
    }

    /// Changes what runs, and whatever must not be torn from it, while nobody else does.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Releases) -> T + Send + 'static,
    ) -> Result<T, DropletError> {
        let mut locked = self.lock().await?;
        let changed = change(&mut locked.releases);
        save(locked).await?;
        Ok(changed)
    }

    async fn lock(&self) -> Result<sluice_infra_host::Locked, DropletError> {
        let (layout, app) = (self.layout.clone(), self.app.name.clone());
        let locked = spawn_blocking(move || Releases::lock(&layout, &app)).await?;
        locked.map_err(|source| file("lock the state of the releases", source))
    }
}

/// Writes the state down and gives the lock back.
async fn save(locked: sluice_infra_host::Locked) -> Result<(), DropletError> {
    let saved = spawn_blocking(move || locked.save()).await?;
    saved.map_err(|source| file("write the state of the releases", source))
}

fn document<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Result<T, DropletError> {
    let shown = || path.display().to_string();
    let text = std::fs::read(path)
        .map_err(|source| file(&format!("read {}; was this droplet configured?", shown()), source))?;
    serde_json::from_slice(&text).map_err(|source| DropletError::Document { path: shown(), source })
}

fn file(what: &str, source: io::Error) -> DropletError {
    DropletError::File { what: what.to_owned(), source }
}
