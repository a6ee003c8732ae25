//! Leases of releases, as this droplet holds them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_infra_host::{AgentConfig, Releases, Running, Standing};
use sluice_model::lease::{LEASE_TTL, Server};
use sluice_state::{Leases, StoreError};
use tokio::time::{Instant, sleep};

use super::{Droplet, DropletError};
use crate::short;

/// How long a store that is away is waited for: a restart of Redis takes less.
const STORE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause between two tries.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// The lease of a release. `releases` are those it belongs to: a machine that is about to leave drains all of them.
#[must_use]
pub fn lease_of(config: &AgentConfig, releases: &Releases, running: &Running) -> Server {
    Server {
        id: running.lease.clone(),
        addr: running.address.clone(),
        app: config.app.as_ref().map(|app| app.name.clone()).unwrap_or_default(),
        variant: config.variant.clone().unwrap_or_default(),
        roles: config.roles.iter().map(|role| role.as_str().to_owned()).collect(),
        release: short(&running.commit).to_owned(),
        cpu: None,
        mem: None,
        draining: releases.draining || running.standing == Standing::Draining,
        started_ms: running.started_ms,
    }
}

/// Ms since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Droplet {
    /// Changes where releases stand, writes that down, and tells the store of each that holds a lease. All under the lock,
    /// so that no heartbeat comes between.
    pub(super) async fn move_leases(
        &self,
        change: impl FnOnce(&mut Releases) + Send + 'static,
    ) -> Result<(), DropletError> {
        let leases = self.leases()?;
        let mut locked = self.lock().await?;
        change(&mut locked.releases);
        // First on disk: if the store is away, heartbeats tell it when it is back.
        let releases = locked.releases.clone();
        let file = tokio::task::spawn_blocking(move || locked.save().map(|()| locked)).await?;
        let _locked = file.map_err(|source| super::file("write the state of the releases", source))?;
        for running in releases.running.iter().filter(|running| running.standing != Standing::Starting) {
            let server = lease_of(&self.config, &releases, running);
            put(&leases, &server).await.map_err(|source| failed(&running.lease, source))?;
        }
        Ok(())
    }

    /// Forgets a release and gives its lease back. A store that is away ends the lease by itself.
    pub(super) async fn forget(&self, service: &str) -> Result<(), DropletError> {
        let leases = self.leases()?;
        let mut locked = self.lock().await?;
        let gone: Vec<Running> = locked.releases.running.extract_if(.., |running| running.service == service).collect();
        for running in gone.iter().filter(|running| running.standing != Standing::Starting) {
            if let Err(error) = leases.delete(&running.lease).await {
                tracing::warn!(lease = running.lease, %error, "the lease was not given back; it ends by itself");
            }
        }
        super::save(locked).await
    }

    fn leases(&self) -> Result<Leases, DropletError> {
        Ok(Leases::new(&self.redis_url, &self.config.fleet, LEASE_TTL)?)
    }
}

/// Again and again while the store is away, for a bounded time. Taking a lease twice is taking it once.
async fn put(leases: &Leases, server: &Server) -> Result<(), StoreError> {
    let end = Instant::now() + STORE_WAIT_MAX;
    loop {
        match leases.put(server).await {
            Err(StoreError::Unavailable { .. }) if Instant::now() < end => sleep(STORE_PAUSE).await,
            put => return put,
        }
    }
}

fn failed(lease: &str, source: StoreError) -> DropletError {
    DropletError::Store { lease: lease.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_leaves_drains_all_of_its_releases() {
        let config = serde_json::json!({
            "fleet": "f",
            "droplet": "f-app-1",
            "pool": "app",
            "roles": ["app"],
            "address": "10.0.0.7",
            "metrics_port": 9100,
            "redis_address": "10.0.0.2",
            "redis_port": 6379,
            "app": null,
            "variant": "canary",
        });
        let config: AgentConfig = serde_json::from_value(config).unwrap();
        let running = Running {
            lease: "f-app-1-meow-3000".into(),
            commit: "0123456789abcdef".into(),
            address: "10.0.0.7:3000".into(),
            service: "app-meow-3000".into(),
            standing: Standing::Serving,
            started_ms: 7,
        };
        let mut releases = Releases::default();
        let lease = lease_of(&config, &releases, &running);
        assert_eq!((&*lease.release, &*lease.variant, &*lease.roles[0]), ("0123456789ab", "canary", "app"));
        assert!(!lease.draining);
        releases.draining = true;
        assert!(lease_of(&config, &releases, &running).draining);
        releases.draining = false;
        assert!(lease_of(&config, &releases, &Running { standing: Standing::Draining, ..running }).draining);
    }
}
