//! The simulator as a [`Cloud`] in its own process: asked by the same client as over HTTP, so that limits, faults and
//! delays are the same ones.

use async_trait::async_trait;

use super::Simulator;
use crate::cloud::Cloud;
use crate::digitalocean::DigitalOcean;
use crate::error::CloudError;
use crate::types::{Access, Account, CreateDroplet, Droplet, DropletId, Firewall, Image, Region, Size};

impl Simulator {
    /// The client, without a socket.
    fn client(&self) -> DigitalOcean {
        DigitalOcean::within(self.clone())
    }
}

#[async_trait]
impl Cloud for Simulator {
    fn name(&self) -> &'static str {
        self.client().name()
    }

    async fn account(&self) -> Result<Account, CloudError> {
        self.client().account().await
    }

    async fn sizes(&self) -> Result<Vec<Size>, CloudError> {
        self.client().sizes().await
    }

    async fn regions(&self) -> Result<Vec<Region>, CloudError> {
        self.client().regions().await
    }

    async fn images(&self) -> Result<Vec<Image>, CloudError> {
        self.client().images().await
    }

    async fn create_droplet(&self, wanted: &CreateDroplet) -> Result<Droplet, CloudError> {
        self.client().create_droplet(wanted).await
    }

    async fn droplet(&self, id: &DropletId) -> Result<Option<Droplet>, CloudError> {
        self.client().droplet(id).await
    }

    async fn droplets(&self, tag: &str) -> Result<Vec<Droplet>, CloudError> {
        self.client().droplets(tag).await
    }

    async fn delete_droplet(&self, id: &DropletId) -> Result<(), CloudError> {
        self.client().delete_droplet(id).await
    }

    async fn ensure_ssh_key(&self, name: &str, public_key: &str) -> Result<String, CloudError> {
        self.client().ensure_ssh_key(name, public_key).await
    }

    async fn delete_ssh_key(&self, id: &str) -> Result<(), CloudError> {
        self.client().delete_ssh_key(id).await
    }

    async fn firewalls(&self, prefix: &str) -> Result<Vec<Firewall>, CloudError> {
        self.client().firewalls(prefix).await
    }

    async fn put_firewall(&self, firewall: &Firewall) -> Result<Firewall, CloudError> {
        self.client().put_firewall(firewall).await
    }

    async fn delete_firewall(&self, id: &str) -> Result<(), CloudError> {
        self.client().delete_firewall(id).await
    }

    fn access(&self, droplet: &Droplet) -> Option<Access> {
        self.client().access(droplet)
    }

    fn enforces_firewalls(&self) -> bool {
        self.client().enforces_firewalls()
    }
}
