//! [`LocalCloud`] as a [`Cloud`]: what is asked of the account, keys and firewalls; droplets are in `lifecycle`.

use async_trait::async_trait;

use super::book::{Key, Record};
use super::folder::read;
use super::{LocalCloud, catalogue, firewall};
use crate::cloud::Cloud;
use crate::error::CloudError;
use crate::types::{Access, Account, CreateDroplet, Droplet, DropletId, Firewall, Image, Region, Size};

/// Algorithms of OpenSSH keys that sshd takes today.
const KEY_KINDS: [&str; 5] =
    ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

#[async_trait]
impl Cloud for LocalCloud {
    fn name(&self) -> &'static str {
        "local"
    }

    async fn account(&self) -> Result<Account, CloudError> {
        let droplets_max = self.folder.lock().await?.read_book()?.droplets_max;
        Ok(Account { name: "this machine".to_owned(), droplets_max })
    }

    async fn sizes(&self) -> Result<Vec<Size>, CloudError> {
        Ok(catalogue::sizes())
    }

    async fn regions(&self) -> Result<Vec<Region>, CloudError> {
        Ok(catalogue::regions())
    }

    async fn images(&self) -> Result<Vec<Image>, CloudError> {
        Ok(catalogue::images())
    }

    async fn create_droplet(&self, wanted: &CreateDroplet) -> Result<Droplet, CloudError> {
        self.create(wanted).await
    }

    async fn droplet(&self, id: &DropletId) -> Result<Option<Droplet>, CloudError> {
        Ok(self.all().await?.into_iter().find(|droplet| droplet.id == *id))
    }

    async fn droplets(&self, tag: &str) -> Result<Vec<Droplet>, CloudError> {
        let mut droplets = self.all().await?;
        droplets.retain(|droplet| droplet.tags.iter().any(|has| has == tag));
        Ok(droplets)
    }

    async fn delete_droplet(&self, id: &DropletId) -> Result<(), CloudError> {
        self.delete(id).await
    }

    async fn ensure_ssh_key(&self, name: &str, public_key: &str) -> Result<String, CloudError> {
        let invalid = || CloudError::Invalid { message: "this is no public key of OpenSSH".into(), request_id: None };
        let mut words = public_key.split_ascii_whitespace();
        let (kind, key) = (words.next().ok_or_else(invalid)?, words.next().ok_or_else(invalid)?);
        let is_base64 = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        if !KEY_KINDS.contains(&kind) || !is_base64 {
            return Err(invalid());
        }
        let public = format!("{kind} {key}");
        let locked = self.folder.lock().await?;
        let mut book = locked.read_book()?;
        if let Some(known) = book.keys.iter().find(|known| known.public == public) {
            return Ok(known.id.clone());
        }
        let id = book.next_number().to_string();
        book.keys.push(Key { id: id.clone(), name: name.to_owned(), public });
        locked.write_book(&book)?;
        Ok(id)
    }

    async fn delete_ssh_key(&self, id: &str) -> Result<(), CloudError> {
        let locked = self.folder.lock().await?;
        let mut book = locked.read_book()?;
        book.keys.retain(|key| key.id != id);
        locked.write_book(&book)
    }

    async fn firewalls(&self, prefix: &str) -> Result<Vec<Firewall>, CloudError> {
        let mut firewalls = self.folder.lock().await?.read_book()?.firewalls;
        firewalls.retain(|firewall| firewall.name.starts_with(prefix));
        Ok(firewalls)
    }

    async fn put_firewall(&self, wanted: &Firewall) -> Result<Firewall, CloudError> {
        firewall::check(wanted)?;
        let locked = self.folder.lock().await?;
        let mut book = locked.read_book()?;
        let known = book.firewalls.iter().position(|known| known.name == wanted.name);
        let id = match known {
            Some(at) => book.firewalls.swap_remove(at).id,
            None => book.next_number().to_string(),
        };
        let put = Firewall { id, ..wanted.clone() };
        book.firewalls.push(put.clone());
        locked.write_book(&book)?;
        self.enforce(&locked, &book).await?;
        Ok(put)
    }

    async fn delete_firewall(&self, id: &str) -> Result<(), CloudError> {
        let locked = self.folder.lock().await?;
        let mut book = locked.read_book()?;
        book.firewalls.retain(|firewall| firewall.id != id);
        locked.write_book(&book)?;
        self.enforce(&locked, &book).await
    }

    fn access(&self, droplet: &Droplet) -> Option<Access> {
        let folder = self.folder.droplet(&droplet.id.0)?;
        let Record { user, ssh_port, .. } = read::<Record>(&folder.join("droplet.json")).ok()??;
        Some(Access { host: droplet.public_address?.to_string(), port: ssh_port, user, root: folder.join("root") })
    }

    fn enforces_firewalls(&self) -> bool {
        self.has_namespaces()
    }
}
