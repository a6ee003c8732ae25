//! Whether a release that was started is fit to serve: real requests, so many good answers in a row, by a deadline.

use std::net::SocketAddr;

use reqwest::Client;
use reqwest::redirect::Policy;
use sluice_infra_host::ServiceStatus;
use sluice_infra_spec::Health;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Droplet, DropletError};

/// Whom apps see in their logs.
const USER_AGENT: &str = concat!("sluice-infra/", env!("CARGO_PKG_VERSION"), " deploy check");

impl Droplet {
    /// Waits until the release is fit.
    ///
    /// # Errors
    /// [`DropletError::Unfit`] if it ended, or is not fit by the deadline: with what was seen last.
    pub(super) async fn fit(&self, service: &str, address: SocketAddr) -> Result<(), DropletError> {
        let health = &self.app.health;
        let client = client(health).map_err(|reason| DropletError::Unfit { reason })?;
        let url = format!("http://{address}{}", health.path);
        let end = Instant::now() + health.deadline;
        let mut pace = interval(health.interval);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut good = 0;
        loop {
            pace.tick().await;
            if let Some(reason) = ended(&self.init.status(service).await?) {
                return Err(DropletError::Unfit { reason: format!("it ended while it was being started: {reason}") });
            }
            let seen = match ask(&client, &url).await {
                Ok(()) => {
                    good += 1;
                    "one good answer, but not enough in a row".to_owned()
                }
                Err(seen) => {
                    good = 0;
                    seen
                }
            };
            if good >= health.healthy.max(1) {
                return Ok(());
            }
            if Instant::now() >= end {
                let within = health.deadline.as_secs_f64();
                let reason = format!("{} was not healthy within {within} s; last: {seen}", health.path);
                return Err(DropletError::Unfit { reason });
            }
        }
    }
}

pub(super) fn client(health: &Health) -> Result<Client, String> {
    // Straight to it, each time on a connection of its own: a fresh client's experience.
    let client = Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0);
    client.timeout(health.timeout).user_agent(USER_AGENT).build().map_err(|error| error.to_string())
}

pub(super) async fn ask(client: &Client, url: &str) -> Result<(), String> {
    match client.get(url).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answers {}", answer.status())),
        Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
        Err(error) if error.is_connect() => Err("it takes no connections".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Why there is nothing to wait for.
pub(super) fn ended(status: &ServiceStatus) -> Option<String> {
    match status {
        ServiceStatus::Running { .. } => None,
        ServiceStatus::Failed { reason } => Some(reason.clone()),
        ServiceStatus::Stopped => Some("it was stopped".to_owned()),
        ServiceStatus::Unknown => Some("nobody knows its service".to_owned()),
    }
}
