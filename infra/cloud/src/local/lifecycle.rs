//! From a wish to a droplet that is on, and from there to nothing; each step can be cut short and done again.

use std::path::Path;

use jiff::Timestamp;

use super::book::{Book, Record};
use super::folder::{CloudFolder, Locked};
use super::network::Network;
use super::program::{find, run};
use super::{LocalCloud, LocalNetwork, catalogue, firewall, power};
use crate::error::CloudError;
use crate::types::{CreateDroplet, Droplet, DropletId, DropletStatus};

impl LocalCloud {
    pub(super) async fn create(&self, wanted: &CreateDroplet) -> Result<Droplet, CloudError> {
        check(wanted)?;
        let locked = self.folder.lock().await?;
        let mut book = locked.read_book()?;
        let droplets = locked.read_droplets()?;
        if u64::from(book.droplets_max) <= droplets.len() as u64 {
            let message = format!("creating this will exceed your droplet limit of {}", book.droplets_max);
            return Err(CloudError::Quota { message });
        }
        let mut authorized_keys = Vec::new();
        for id in &wanted.ssh_keys {
            let key = book.keys.iter().find(|key| key.id == *id);
            let message = || format!("there is no ssh key {}", id.escape_debug());
            authorized_keys.push(key.map(|key| key.public.clone()).ok_or_else(|| invalid(message()))?);
        }
        let subnet = self.subnet(&locked, &mut book).await?;
        let host = book.next_host(&droplets)?;
        let record = Record {
            id: book.next_number().to_string(),
            wanted: wanted.clone(),
            authorized_keys,
            subnet,
            host,
            address: subnet.address(host),
            ssh_port: self.network.ssh_port(subnet.address(host))?,
            user: user().await?,
            created_ms: Timestamp::now().as_millisecond().try_into().unwrap_or_default(),
            booted: false,
        };
        locked.write_book(&book)?;
        locked.write_droplet(&record)?;
        let record = self.boot(&locked, &book, record).await?;
        Ok(seen(&locked, &record))
    }

    /// Switches on a droplet that is off, e.g. after a reboot of this machine; one that is on stays so.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn start(&self, id: &DropletId) -> Result<(), CloudError> {
        let locked = self.folder.lock().await?;
        let Some(record) = locked.read_droplet(&id.0)? else {
            return Err(invalid(format!("there is no droplet {}", id.0.escape_debug())));
        };
        if power::status(&locked.droplet(&record)) == DropletStatus::Off {
            self.boot(&locked, &locked.read_book()?, record).await?;
        }
        Ok(())
    }

    /// Switches on all droplets that are off.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn start_all(&self) -> Result<(), CloudError> {
        for droplet in self.all().await? {
            self.start(&droplet.id).await?;
        }
        Ok(())
    }

    /// Cuts a droplet's power; it stays, and can be started.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn power_off(&self, id: &DropletId) -> Result<(), CloudError> {
        let locked = self.folder.lock().await?;
        match locked.read_droplet(&id.0)? {
            Some(record) => power::off(&locked.droplet(&record), &record, &self.network).await,
            None => Err(invalid(format!("there is no droplet {}", id.0.escape_debug()))),
        }
    }

    /// Those on record. One that was never switched on was left half-made by a program that ended: it is finished here.
    pub(super) async fn all(&self) -> Result<Vec<Droplet>, CloudError> {
        let locked = self.folder.lock().await?;
        let mut droplets = Vec::new();
        for mut record in locked.read_droplets()? {
            if !record.booted {
                record = self.boot(&locked, &locked.read_book()?, record).await?;
            }
            droplets.push(seen(&locked, &record));
        }
        Ok(droplets)
    }

    pub(super) async fn delete(&self, id: &DropletId) -> Result<(), CloudError> {
        let locked = self.folder.lock().await?;
        match locked.read_droplet(&id.0)? {
            Some(record) => remove(&locked, &self.network, &record).await,
            None => Ok(()),
        }
    }

    /// Puts the firewalls on record into force, in every droplet.
    pub(super) async fn enforce(&self, locked: &Locked, book: &Book) -> Result<(), CloudError> {
        let droplets = locked.read_droplets()?;
        for droplet in &droplets {
            self.network.enforce(droplet, &firewall::render(droplet, &book.firewalls, &droplets)).await?;
        }
        Ok(())
    }

    async fn boot(&self, locked: &Locked, book: &Book, mut record: Record) -> Result<Record, CloudError> {
        let folder = locked.droplet(&record);
        // What a power cut of this kind left is ended first: one machine, one life.
        power::off(&folder, &record, &self.network).await?;
        self.network.hold(record.subnet, locked.path()).await?;
        let rules = firewall::render(&record, &book.firewalls, &locked.read_droplets()?);
        self.network.connect(&record, &rules).await?;
        power::on(&folder, &record, &self.program, &self.network).await?;
        record.booted = true;
        locked.write_droplet(&record)?;
        // Others let it in by its tags.
        self.enforce(locked, book).await?;
        Ok(record)
    }

    async fn subnet(&self, locked: &Locked, book: &mut Book) -> Result<super::network::Subnet, CloudError> {
        match book.subnet {
            Some(subnet) if subnet.mode == self.network.mode => Ok(subnet),
            // Another program decided otherwise since we looked.
            Some(_) => Err(CloudError::Machine { message: "the cloud's network has changed: open it again".into() }),
            None => {
                let subnet = self.network.claim(locked.path()).await?;
                book.subnet = Some(subnet);
                Ok(subnet)
            }
        }
    }
}

/// Ends a local cloud: all its droplets, and what it took from this machine. Its folder stays, with its logs.
///
/// # Errors
/// [`CloudError`]
pub async fn raze(folder: &Path) -> Result<(), CloudError> {
    let folder = CloudFolder::open(folder)?;
    let locked = folder.lock().await?;
    let used = locked.read_book()?.subnet.map(|subnet| subnet.mode);
    let Some(used) = used else { return Ok(()) };
    let network = Network::choose(LocalNetwork::Auto, Some(used)).await?;
    for record in locked.read_droplets()? {
        remove(&locked, &network, &record).await?;
    }
    let mut book = locked.read_book()?;
    if let Some(subnet) = book.subnet.take() {
        network.release(subnet).await?;
    }
    locked.write_book(&book)
}

/// Power, network, folder; with the last droplet goes what the cloud took from this machine.
async fn remove(locked: &Locked, network: &Network, record: &Record) -> Result<(), CloudError> {
    power::off(&locked.droplet(record), record, network).await?;
    network.disconnect(record).await?;
    locked.remove_droplet(record)?;
    let (mut book, left) = (locked.read_book()?, locked.read_droplets()?);
    if left.is_empty()
        && let Some(subnet) = book.subnet.take()
    {
        network.release(subnet).await?;
        return locked.write_book(&book);
    }
    for droplet in &left {
        network.enforce(droplet, &firewall::render(droplet, &book.firewalls, &left)).await?;
    }
    Ok(())
}

/// A droplet as it is now.
fn seen(locked: &Locked, record: &Record) -> Droplet {
    let CreateDroplet { name, region, size, image, tags, .. } = record.wanted.clone();
    Droplet {
        id: DropletId(record.id.clone()),
        name,
        status: power::status(&locked.droplet(record)),
        region,
        size,
        image: Some(image),
        tags,
        public_address: Some(record.address.into()),
        private_address: Some(record.address.into()),
        created_ms: record.created_ms,
    }
}

fn check(wanted: &CreateDroplet) -> Result<(), CloudError> {
    wanted.check()?;
    let CreateDroplet { region, size, image, .. } = wanted;
    if !catalogue::regions().iter().any(|known| known.slug == *region) {
        return Err(invalid(format!("there is no region {}", region.escape_debug())));
    }
    if !catalogue::sizes().iter().any(|known| known.slug == *size) {
        return Err(invalid(format!("there is no size {}", size.escape_debug())));
    }
    if !catalogue::images().iter().any(|known| known.slug == *image) {
        return Err(invalid(format!("there is no image {}", image.escape_debug())));
    }
    Ok(())
}

fn invalid(message: String) -> CloudError {
    CloudError::Invalid { message, request_id: None }
}

/// Who we are, for ssh.
async fn user() -> Result<String, CloudError> {
    let id =
        find("id", "SLUICE_ID").ok_or_else(|| CloudError::Machine { message: "the program `id` is missing".into() })?;
    let said = run(&id, &["-un"], "").await?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
