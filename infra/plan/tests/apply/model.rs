//! A cloud of a few lines on the test's own clock, which misbehaves call by call as it is told. It exists beside the
//! simulator because it is asked in no time: thousands of interrupted applies take a second.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sluice_infra_cloud::{
    Access, Account, Cloud, CloudError, CreateDroplet, Droplet, DropletId, DropletStatus, Firewall, Image, Region, Size,
};
use tokio::time::Instant;

/// How long a droplet boots.
const BOOT: Duration = Duration::from_secs(60);
/// How long a deleted droplet is still shown.
const LINGER: Duration = Duration::from_secs(70);

/// What happens to the next call of `create_droplet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It goes well.
    None,
    /// 5xx or time-out after the droplet was made.
    UnclearAfter,
    /// 5xx before it was made.
    UnclearBefore,
    /// 429.
    TooMany,
    /// "please try again".
    Transient,
    /// "will exceed your droplet limit".
    Quota,
    /// Accepted, and then 404: its placement failed.
    Vanishes,
    /// Accepted, and never active.
    NeverActive,
}

#[derive(Default)]
struct Inside {
    droplets: BTreeMap<DropletId, Machine>,
    firewalls: BTreeMap<String, Firewall>,
    keys: Vec<String>,
    mishaps: VecDeque<Mishap>,
    created: u32,
    /// Highest number of droplets that stood at a time.
    peak: usize,
}

struct Machine {
    droplet: Droplet,
    since: Instant,
    never: bool,
    gone: Option<Instant>,
}

/// The model.
#[derive(Default)]
pub(crate) struct ModelCloud {
    inside: Mutex<Inside>,
    /// How far listings by tag lag behind.
    pub(crate) lag: Duration,
}

impl ModelCloud {
    pub(crate) fn with(mishaps: &[Mishap], lag: Duration) -> Self {
        let inside = Inside { mishaps: mishaps.iter().copied().collect(), ..Inside::default() };
        Self { inside: Mutex::new(inside), lag }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Droplets that are billed now.
    pub(crate) fn billed(&self) -> Vec<Droplet> {
        self.inside()
            .droplets
            .values()
            .filter(|machine| machine.gone.is_none())
            .map(|machine| machine.droplet.clone())
            .collect()
    }

    pub(crate) fn created(&self) -> u32 {
        self.inside().created
    }

    pub(crate) fn peak(&self) -> usize {
        self.inside().peak
    }

    pub(crate) fn walls(&self) -> Vec<String> {
        self.inside().firewalls.keys().cloned().collect()
    }

    pub(crate) fn keys(&self) -> usize {
        self.inside().keys.len()
    }

    /// Somebody deletes a droplet by hand, in no time.
    pub(crate) fn lose(&self, id: &DropletId) {
        self.inside().droplets.remove(id);
    }

    /// Somebody changes a droplet by hand.
    pub(crate) fn change(&self, id: &DropletId, change: impl FnOnce(&mut Droplet)) {
        change(&mut self.inside().droplets.get_mut(id).unwrap().droplet);
    }

    /// Somebody makes a droplet by hand.
    pub(crate) fn stray(&self, tags: &[String]) -> DropletId {
        let wanted = CreateDroplet {
            name: "stray".to_owned(),
            region: "fra1".to_owned(),
            size: "s-1vcpu-1gb".to_owned(),
            image: "debian-13-x64".to_owned(),
            ssh_keys: Vec::new(),
            tags: tags.to_vec(),
            user_data: String::new(),
        };
        make(&mut self.inside(), &wanted, false).id
    }

    /// Somebody opens a firewall by hand.
    pub(crate) fn open_walls(&self, name: &str) {
        self.inside().firewalls.get_mut(name).unwrap().inbound.clear();
    }

    /// As it is shown, this long after the fact.
    fn seen(machine: &Machine, lag: Duration) -> Option<Droplet> {
        if machine.gone.is_some_and(|gone| gone.elapsed() >= LINGER + lag) {
            return None;
        }
        let mut droplet = machine.droplet.clone();
        if droplet.status == DropletStatus::New && !machine.never && machine.since.elapsed() >= BOOT {
            droplet.status = DropletStatus::Active;
            droplet.public_address = Some(IpAddr::from([127, 0, 0, 1]));
        }
        Some(droplet)
    }
}

fn make(inside: &mut Inside, wanted: &CreateDroplet, never: bool) -> Droplet {
    inside.created += 1;
    let droplet = Droplet {
        id: DropletId(format!("{:04}", inside.created)),
        name: wanted.name.clone(),
        status: DropletStatus::New,
        region: wanted.region.clone(),
        size: wanted.size.clone(),
        image: Some(wanted.image.clone()),
        tags: wanted.tags.clone(),
        public_address: None,
        private_address: None,
        created_ms: u64::from(inside.created),
    };
    let machine = Machine { droplet: droplet.clone(), since: Instant::now(), never, gone: None };
    inside.droplets.insert(droplet.id.clone(), machine);
    let standing = inside.droplets.values().filter(|machine| machine.gone.is_none()).count();
    inside.peak = inside.peak.max(standing);
    droplet
}

fn unclear() -> CloudError {
    CloudError::Unclear { message: "502".to_owned() }
}

#[async_trait]
impl Cloud for ModelCloud {
    fn name(&self) -> &'static str {
        "model"
    }

    async fn account(&self) -> Result<Account, CloudError> {
        Ok(Account { name: "ann".to_owned(), droplets_max: 25 })
    }

    async fn sizes(&self) -> Result<Vec<Size>, CloudError> {
        let size = |slug: &str, monthly_cents| Size {
            slug: slug.to_owned(),
            vcpus: 1,
            memory_mib: 1024,
            disk_gib: 25,
            monthly_cents,
            hourly_usd: 0.01,
            available: true,
            regions: vec!["fra1".to_owned()],
        };
        Ok(vec![size("s-1vcpu-1gb", 600), size("s-1vcpu-2gb", 1200)])
    }

    async fn regions(&self) -> Result<Vec<Region>, CloudError> {
        Ok(Vec::new())
    }

    async fn images(&self) -> Result<Vec<Image>, CloudError> {
        Ok(Vec::new())
    }

    async fn create_droplet(&self, wanted: &CreateDroplet) -> Result<Droplet, CloudError> {
        // A call takes its time, so that parallel ones overlap.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut inside = self.inside();
        match inside.mishaps.pop_front().unwrap_or(Mishap::None) {
            Mishap::None => Ok(make(&mut inside, wanted, false)),
            Mishap::NeverActive => Ok(make(&mut inside, wanted, true)),
            Mishap::UnclearAfter => {
                make(&mut inside, wanted, false);
                Err(unclear())
            }
            Mishap::UnclearBefore => Err(unclear()),
            Mishap::TooMany => Err(CloudError::RateLimited { after: Duration::from_secs(40) }),
            Mishap::Transient => Err(CloudError::Transient { message: "please try again".to_owned() }),
            Mishap::Quota => Err(CloudError::Quota { message: "will exceed your droplet limit".to_owned() }),
            Mishap::Vanishes => {
                let droplet = make(&mut inside, wanted, false);
                inside.droplets.remove(&droplet.id);
                Ok(droplet)
            }
        }
    }

    async fn droplet(&self, id: &DropletId) -> Result<Option<Droplet>, CloudError> {
        Ok(self.inside().droplets.get(id).and_then(|machine| Self::seen(machine, Duration::ZERO)))
    }

    async fn droplets(&self, tag: &str) -> Result<Vec<Droplet>, CloudError> {
        let inside = self.inside();
        let listed = inside.droplets.values().filter(|machine| machine.since.elapsed() >= self.lag);
        Ok(listed
            .filter_map(|machine| Self::seen(machine, self.lag))
            .filter(|droplet| droplet.tags.iter().any(|own| own == tag))
            .collect())
    }

    async fn delete_droplet(&self, id: &DropletId) -> Result<(), CloudError> {
        if let Some(machine) = self.inside().droplets.get_mut(id) {
            machine.gone.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    async fn ensure_ssh_key(&self, _name: &str, public_key: &str) -> Result<String, CloudError> {
        let mut inside = self.inside();
        if !inside.keys.iter().any(|key| key == public_key) {
            inside.keys.push(public_key.to_owned());
        }
        Ok("key-1".to_owned())
    }

    async fn delete_ssh_key(&self, _id: &str) -> Result<(), CloudError> {
        self.inside().keys.clear();
        Ok(())
    }

    async fn firewalls(&self, prefix: &str) -> Result<Vec<Firewall>, CloudError> {
        let inside = self.inside();
        Ok(inside.firewalls.values().filter(|firewall| firewall.name.starts_with(prefix)).cloned().collect())
    }

    async fn put_firewall(&self, firewall: &Firewall) -> Result<Firewall, CloudError> {
        let put = Firewall { id: format!("id-{}", firewall.name), ..firewall.clone() };
        self.inside().firewalls.insert(put.name.clone(), put.clone());
        Ok(put)
    }

    async fn delete_firewall(&self, id: &str) -> Result<(), CloudError> {
        self.inside().firewalls.retain(|_, firewall| firewall.id != id);
        Ok(())
    }

    fn access(&self, droplet: &Droplet) -> Option<Access> {
        let host = droplet.public_address?.to_string();
        Some(Access { host, port: 22, user: "root".to_owned(), root: std::path::PathBuf::new() })
    }

    fn enforces_firewalls(&self) -> bool {
        true
    }
}
