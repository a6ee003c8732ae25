//! Heartbeats: the leases of releases that are fit are renewed. One that is not fit is left alone, and leaves the routers when its
//! lease ends, by itself.

use reqwest::Client;
use sluice_infra_host::{Running, Standing};
use sluice_model::lease::LEASE_TTL;
use sluice_state::Leases;

use super::health::{ask, client, ended};
use super::{Droplet, DropletError, lease_of};

/// What is kept from beat to beat.
pub struct Heart {
    client: Client,
    leases: Leases,
}

/// How one round went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Leases that were renewed.
    pub renewed: Vec<String>,
    /// Leases that were not, because their release is not fit, and why.
    pub unfit: Vec<(String, String)>,
}

impl Droplet {
    /// What heartbeats need.
    ///
    /// # Errors
    /// If the address of the store makes no sense, or no HTTP client can be had.
    pub fn heart(&self) -> Result<Heart, DropletError> {
        let client = client(&self.app.health).map_err(|reason| DropletError::Unfit { reason })?;
        Ok(Heart { client, leases: Leases::new(&self.redis_url, &self.config.fleet, LEASE_TTL)? })
    }

    /// Renews the leases, with the machine's CPU and memory in percent.
    ///
    /// # Errors
    /// If the state of the releases cannot be read, or the store does not take them; the next beat tries again.
    pub async fn beat(&self, heart: &Heart, cpu: Option<f32>, memory: Option<f32>) -> Result<Beat, DropletError> {
        let mut beat = Beat::default();
        let mut fit = Vec::new();
        for running in self.releases()?.running {
            match self.look(heart, &running).await? {
                Ok(()) => fit.push(running.lease),
                Err(reason) => beat.unfit.push((running.lease, reason)),
            }
        }
        // Where they stand is read again under the lock: a drain may have begun meanwhile, and no heartbeat undoes it.
        let locked = self.lock().await?;
        let holders = locked.releases.running.iter().filter(|running| running.standing != Standing::Starting);
        for running in holders.filter(|running| fit.contains(&running.lease)) {
            let mut server = lease_of(&self.config, &locked.releases, running);
            (server.cpu, server.mem) = (cpu, memory);
            let put = heart.leases.put(&server).await;
            put.map_err(|source| DropletError::Store { lease: running.lease.clone(), source })?;
            beat.renewed.push(running.lease.clone());
        }
        Ok(beat)
    }

    /// Whether a release is fit for a lease. One that drains is not asked: it has requests to finish, and nothing new comes.
    async fn look(&self, heart: &Heart, running: &Running) -> Result<Result<(), String>, DropletError> {
        if let Some(reason) = ended(&self.init.status(&running.service).await?) {
            return Ok(Err(reason));
        }
        Ok(match running.standing {
            Standing::Draining => Ok(()),
            Standing::Starting => Err("it is being started".to_owned()),
            Standing::Serving => {
                ask(&heart.client, &format!("http://{}{}", running.address, self.app.health.path)).await
            }
        })
    }
}
