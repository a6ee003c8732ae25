//! What a store is opened with.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sluice_model::lease::LEASE_TTL;

use crate::store::DELIVERY_IDLE_MAX;

/// Where the state lives.
#[derive(Clone, PartialEq, Eq)]
pub enum Backend {
    /// In this process, in the file `state.redb` of the data folder.
    Embedded,
    /// In a Redis that a fleet of routers shares.
    Redis {
        /// `redis://[user:password@]host:port[/db]`. Never logged: it may carry a password.
        url: String,
    },
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("Embedded"),
            Self::Redis { .. } => f.write_str("Redis { url: <hidden> }"),
        }
    }
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the state lives.
    pub backend: Backend,
    /// Name of the fleet; routers of one edge share everything. The hash tag of its Redis keys.
    pub edge: String,
    /// Switches to follow; others can neither be set nor read.
    pub switches: Vec<String>,
    /// Folder of this router: the embedded file, or with Redis the last content seen. Must exist.
    pub data_dir: PathBuf,
    /// How long a lease lives without a heartbeat.
    pub lease_ttl: Duration,
    /// How long a delivery is left to a consumer that does not say that it still works on it.
    pub delivery_idle: Duration,
}

impl Config {
    /// A config with the usual times.
    #[must_use]
    pub fn new(backend: Backend, edge: impl Into<String>, switches: Vec<String>, data_dir: impl Into<PathBuf>) -> Self {
        let (edge, data_dir) = (edge.into(), data_dir.into());
        Self { backend, edge, switches, data_dir, lease_ttl: LEASE_TTL, delivery_idle: DELIVERY_IDLE_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_printed() {
        let config = Config::new(Backend::Redis { url: "redis://u:geheim@h:1".into() }, "main", Vec::new(), ".");
        assert!(!format!("{config:?}").contains("geheim"));
    }
}
