//! The clouds that droplets come from, behind one trait: DigitalOcean, a simulator of it, and this machine.
//!
//! [`Cloud`] is what plan, configure and scale ask; one contract suite holds all three to it. Nothing here decides what
//! the fleet should be, and nothing repeats a request whose outcome is unclear: that is the plan's matter, which looks
//! by tag first.

pub mod checks;
pub mod cloud;
pub mod contract;
pub mod digitalocean;
pub mod error;
pub mod local;
mod prices;
pub mod simulator;
pub mod types;

pub use cloud::Cloud;
pub use digitalocean::{DigitalOcean, DigitalOceanSettings};
pub use error::CloudError;
pub use local::{LocalCloud, LocalNetwork, LocalSettings};
pub use types::{
    Access, Account, CreateDroplet, Droplet, DropletId, DropletStatus, Firewall, FirewallRule, Image, Protocol, Region,
    Size, Source,
};
