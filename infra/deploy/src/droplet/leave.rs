//! A machine that is about to leave: its leases say so, and it waits until nobody is served any more.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_infra_host::Standing;
use tokio::time::{Instant, sleep};

use super::{Droplet, DropletError, NOTICE, connections};

impl Droplet {
    /// Takes no new requests from now on, and returns once nobody is connected any more, or after `wait_max` (the app's
    /// `drain` if it is not given): how many connections still stand. Nothing is stopped; may be taken back.
    ///
    /// # Errors
    /// If the store cannot be told.
    pub async fn drain(&self, wait_max: Option<Duration>) -> Result<usize, DropletError> {
        self.move_leases(|releases| releases.draining = true).await?;
        sleep(NOTICE).await;
        let serving = self.releases()?.running.into_iter().filter(|running| running.standing != Standing::Starting);
        let addresses: Vec<SocketAddr> = serving.filter_map(|running| running.address.parse().ok()).collect();
        Ok(connections::wait_for_none(&addresses, Instant::now() + wait_max.unwrap_or(self.app.drain)).await)
    }

    /// Takes requests again.
    ///
    /// # Errors
    /// If the store cannot be told.
    pub async fn undrain(&self) -> Result<(), DropletError> {
        self.move_leases(|releases| releases.draining = false).await
    }
}
