//! What starts and stops services on a machine: systemd, or our own supervisor where there is none.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::manifest::ServiceUnit;
use crate::supervisor::Supervisor;
use crate::systemd::Systemd;

/// How a service fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceStatus {
    /// Nobody knows it.
    Unknown,
    /// It runs as this process.
    Running {
        /// Process id.
        pid: u32,
    },
    /// It does not run.
    Stopped,
    /// It ended by itself and is not (or no longer) started again.
    Failed {
        /// What is known of its end.
        reason: String,
    },
}

/// Why the init did not do it.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// It cannot be reached or run.
    #[error("{init} does not answer: {message}")]
    Away {
        /// Which init.
        init: &'static str,
        /// What is known.
        message: String,
    },
    /// It refused.
    #[error("{service}: {message}")]
    Refused {
        /// Of which service.
        service: String,
        /// What it says.
        message: String,
    },
}

/// The init of a machine: our supervisor where its socket is below the root, else systemd.
#[must_use]
pub fn of_this_machine(layout: &Layout) -> Box<dyn Init> {
    if Supervisor::is_there(layout) {
        Box::new(Supervisor::new(layout.clone()))
    } else {
        Box::new(Systemd::new(layout.clone()))
    }
}

/// The init of a machine. A service that was started comes back when the machine is switched on again, one that was
/// stopped does not.
#[async_trait]
pub trait Init: Send + Sync {
    /// Installs the unit, or replaces it; does not start or stop anything. True if it was different.
    ///
    /// # Errors
    /// [`InitError`]
    async fn install(&self, unit: &ServiceUnit) -> Result<bool, InitError>;

    /// The unit as it is installed.
    ///
    /// # Errors
    /// [`InitError`]
    async fn installed(&self, name: &str) -> Result<Option<ServiceUnit>, InitError>;

    /// Stops and forgets a service; one that is not there is fine.
    ///
    /// # Errors
    /// [`InitError`]
    async fn remove(&self, name: &str) -> Result<(), InitError>;

    /// Starts it, if it does not run.
    ///
    /// # Errors
    /// [`InitError`]
    async fn start(&self, name: &str) -> Result<(), InitError>;

    /// SIGTERM, then SIGKILL after the unit's time. Returns once it ended.
    ///
    /// # Errors
    /// [`InitError`]
    async fn stop(&self, name: &str) -> Result<(), InitError>;

    /// How it fares.
    ///
    /// # Errors
    /// [`InitError`]
    async fn status(&self, name: &str) -> Result<ServiceStatus, InitError>;

    /// The last lines that it printed, oldest first.
    ///
    /// # Errors
    /// [`InitError`]
    async fn log(&self, name: &str, lines_max: usize) -> Result<Vec<String>, InitError>;
}
