//! What is asked of a cloud.

use async_trait::async_trait;

use crate::error::CloudError;
use crate::types::{Access, Account, CreateDroplet, Droplet, DropletId, Firewall, Image, Region, Size};

/// A cloud. Each call is one request of its API (listings: one per page); none is repeated but reads after a 429 or 5xx.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// `local`, `simulator` or `digitalocean`, for people.
    fn name(&self) -> &'static str;

    /// Who we are there, and how many droplets we may have.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn account(&self) -> Result<Account, CloudError>;

    /// Sizes, with their prices.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn sizes(&self) -> Result<Vec<Size>, CloudError>;

    /// Regions.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn regions(&self) -> Result<Vec<Region>, CloudError>;

    /// Images for new droplets.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn images(&self) -> Result<Vec<Image>, CloudError>;

    /// Asks for a droplet. It is accepted, not there: look with [`Self::droplet`]. On [`CloudError::Unclear`] it may exist
    /// or not: look by tag.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn create_droplet(&self, wanted: &CreateDroplet) -> Result<Droplet, CloudError>;

    /// A droplet; `None` = there is none (also one whose creation failed later).
    ///
    /// # Errors
    /// [`CloudError`]
    async fn droplet(&self, id: &DropletId) -> Result<Option<Droplet>, CloudError>;

    /// All droplets with this tag, of all pages.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn droplets(&self, tag: &str) -> Result<Vec<Droplet>, CloudError>;

    /// Asks for the end of a droplet; one that is gone is fine. It may be listed for another minute.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn delete_droplet(&self, id: &DropletId) -> Result<(), CloudError>;

    /// Makes sure that a public key is known, and returns its id there.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn ensure_ssh_key(&self, name: &str, public_key: &str) -> Result<String, CloudError>;

    /// Removes a public key; one that is gone is fine.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn delete_ssh_key(&self, id: &str) -> Result<(), CloudError>;

    /// All firewalls whose name begins with `prefix`.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn firewalls(&self, prefix: &str) -> Result<Vec<Firewall>, CloudError>;

    /// Creates the firewall, or replaces the one of its name, and returns it with its id.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn put_firewall(&self, firewall: &Firewall) -> Result<Firewall, CloudError>;

    /// Removes a firewall by its id; one that is gone is fine.
    ///
    /// # Errors
    /// [`CloudError`]
    async fn delete_firewall(&self, id: &str) -> Result<(), CloudError>;

    /// How ssh reaches a droplet; `None` while it has no address.
    fn access(&self, droplet: &Droplet) -> Option<Access>;

    /// True if firewalls are enforced. They are not among processes on 127.0.0.x, and the plan says so.
    fn enforces_firewalls(&self) -> bool;
}
