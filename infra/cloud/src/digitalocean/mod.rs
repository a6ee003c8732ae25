//! A thin client of DigitalOcean's API v2: the calls that Sluice needs, typed, and no others.
//!
//! A call is described in `call`, sent once by `transport` under the limits of `pace`, judged by `fault`, and, if it only
//! reads, sent again by `again`; `pages` follows listings. Never in here: a write that is repeated after an unclear
//! end, a redirect or page link that is followed to another host, the token outside the `Authorization` header.

mod again;
mod call;
mod catalogue;
mod cloud;
mod droplets;
mod fault;
mod firewalls;
mod keys;
mod network;
mod pace;
mod pages;
mod pools;
mod settings;
mod transport;
mod within;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use catalogue::{AccountState, Balance};
pub use droplets::{Action, ActionStatus};
pub use network::{ForwardingRule, LoadBalancer, LoadBalancerWanted, ReservedIp, Vpc};
pub use pools::{AutoscaleConfig, AutoscalePool, AutoscaleTemplate, AutoscaleWanted, Metric, Sample};
pub use settings::DigitalOceanSettings;

use crate::error::CloudError;
use crate::simulator::Simulator;
use transport::Transport;

/// Shown names.
const DIGITALOCEAN: &str = "digitalocean";
const SIMULATOR: &str = "simulator";

/// DigitalOcean, or whatever speaks its API at another address. Cheap to share, not to clone.
#[derive(Debug)]
pub struct DigitalOcean {
    transport: Transport,
    /// Entries that a page is asked for.
    page_entries: u32,
}

impl DigitalOcean {
    /// The API of the real cloud.
    pub const API: &str = "https://api.digitalocean.com";

    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// If the address is neither https nor on this machine, or the token cannot be one.
    pub fn new(settings: DigitalOceanSettings) -> Result<Self, CloudError> {
        Self::named(DIGITALOCEAN, settings)
    }

    /// A client of a simulator: the same, under another name.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn simulator(url: String, token: String) -> Result<Self, CloudError> {
        Self::named(SIMULATOR, DigitalOceanSettings { url, token })
    }

    /// A client of a simulator in this process.
    pub(crate) fn within(simulator: Simulator) -> Self {
        Self { transport: Transport::within(SIMULATOR, simulator), page_entries: pages::ENTRIES_MAX }
    }

    fn named(cloud: &'static str, settings: DigitalOceanSettings) -> Result<Self, CloudError> {
        let transport = Transport::new(cloud, settings.check(cloud)?)?;
        Ok(Self { transport, page_entries: pages::ENTRIES_MAX })
    }

    /// The same with another longest wait for an answer.
    #[must_use]
    pub const fn answer_within(mut self, longest: Duration) -> Self {
        self.transport.answer_within(longest);
        self
    }

    /// The same with smaller pages; at most 200 entries are had on one.
    #[must_use]
    pub fn entries_per_page(mut self, entries: u32) -> Self {
        self.page_entries = entries.clamp(1, pages::ENTRIES_MAX);
        self
    }
}
