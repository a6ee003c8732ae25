//! The client as a [`Cloud`].

use std::path::PathBuf;

use async_trait::async_trait;

use super::DigitalOcean;
use super::call::{Call, is_part};
use super::droplets::DropletEntry;
use crate::cloud::Cloud;
use crate::error::CloudError;
use crate::types::{Access, Account, CreateDroplet, Droplet, DropletId, Firewall, Image, Region, Size};

/// Port and user of sshd on a fresh droplet.
const SSH_PORT: u16 = 22;
const SSH_USER: &str = "root";

#[async_trait]
impl Cloud for DigitalOcean {
    fn name(&self) -> &'static str {
        self.transport.cloud()
    }

    async fn account(&self) -> Result<Account, CloudError> {
        let account = self.account_state().await?;
        Ok(Account { name: account.email, droplets_max: account.droplet_limit })
    }

    async fn sizes(&self) -> Result<Vec<Size>, CloudError> {
        self.all_sizes().await
    }

    async fn regions(&self) -> Result<Vec<Region>, CloudError> {
        self.all_regions().await
    }

    async fn images(&self) -> Result<Vec<Image>, CloudError> {
        self.all_images().await
    }

    async fn create_droplet(&self, wanted: &CreateDroplet) -> Result<Droplet, CloudError> {
        wanted.check()?;
        let entry: DropletEntry = self.one(&Self::creation(wanted), "droplet").await?;
        Ok(entry.read())
    }

    async fn droplet(&self, id: &DropletId) -> Result<Option<Droplet>, CloudError> {
        if !is_number(id) {
            return Ok(None);
        }
        let entry: Option<DropletEntry> = self.one_if_there(&Call::get(&["droplets", &id.0]), "droplet").await?;
        Ok(entry.map(DropletEntry::read))
    }

    async fn droplets(&self, tag: &str) -> Result<Vec<Droplet>, CloudError> {
        // An empty filter would list the whole account.
        if tag.is_empty() {
            return Ok(Vec::new());
        }
        let entries: Vec<DropletEntry> = self.all(Call::get(&["droplets"]).with("tag_name", tag), "droplets").await?;
        let mut droplets: Vec<Droplet> = entries.into_iter().map(DropletEntry::read).collect();
        // One that moved to a later page while we read is there twice.
        let mut seen = std::collections::HashSet::new();
        droplets.retain(|droplet| seen.insert(droplet.id.clone()));
        Ok(droplets)
    }

    async fn delete_droplet(&self, id: &DropletId) -> Result<(), CloudError> {
        if !is_number(id) {
            return Ok(());
        }
        self.gone(&Call::delete(&["droplets", &id.0])).await
    }

    async fn ensure_ssh_key(&self, name: &str, public_key: &str) -> Result<String, CloudError> {
        self.ensure_key(name, public_key).await
    }

    async fn delete_ssh_key(&self, id: &str) -> Result<(), CloudError> {
        if !is_part(id) {
            return Ok(());
        }
        self.gone(&Call::delete(&["account", "keys", id])).await
    }

    async fn firewalls(&self, prefix: &str) -> Result<Vec<Firewall>, CloudError> {
        self.all_firewalls(prefix).await
    }

    async fn put_firewall(&self, firewall: &Firewall) -> Result<Firewall, CloudError> {
        self.write_firewall(firewall).await
    }

    async fn delete_firewall(&self, id: &str) -> Result<(), CloudError> {
        if !is_part(id) {
            return Ok(());
        }
        self.gone(&Call::delete(&["firewalls", id])).await
    }

    fn access(&self, droplet: &Droplet) -> Option<Access> {
        let host = droplet.public_address?.to_string();
        Some(Access { host, port: SSH_PORT, user: SSH_USER.to_owned(), root: PathBuf::new() })
    }

    fn enforces_firewalls(&self) -> bool {
        true
    }
}

/// Whether this can be the id of a droplet here: one that another cloud gave cannot, and there is no such droplet.
fn is_number(id: &DropletId) -> bool {
    id.0.parse::<u64>().is_ok()
}
