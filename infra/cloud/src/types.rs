//! What clouds speak of. Fields that a cloud adds later are ignored; words that are not known are kept as they are.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Identity of a droplet: a number at DigitalOcean, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DropletId(pub String);

impl std::fmt::Display for DropletId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who we are at a cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Shown name: e-mail address or user.
    pub name: String,
    /// Most droplets at a time.
    pub droplets_max: u32,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateDroplet {
    /// Host name, unique within the fleet (RFC 1123).
    pub name: String,
    /// Slug of the region.
    pub region: String,
    /// Slug of the size.
    pub size: String,
    /// Slug of the image.
    pub image: String,
    /// Ids of the keys that may log in as root.
    pub ssh_keys: Vec<String>,
    /// Tags, the unique one of the operation among them.
    pub tags: Vec<String>,
    /// Cloud-init, plain ASCII, at most 64 KiB. Holds no secret: every process of the droplet can read it.
    pub user_data: String,
}

/// A droplet as the cloud has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Droplet {
    /// Identity.
    pub id: DropletId,
    /// Host name.
    pub name: String,
    /// How it fares.
    pub status: DropletStatus,
    /// Slug of the region.
    pub region: String,
    /// Slug of the size.
    pub size: String,
    /// Slug of the image, where the cloud says it.
    pub image: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Address in the world.
    pub public_address: Option<IpAddr>,
    /// Address among the droplets.
    pub private_address: Option<IpAddr>,
    /// When it was made, ms since the Unix epoch.
    pub created_ms: u64,
}

/// How a droplet fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropletStatus {
    /// On its way.
    New,
    /// Runs.
    Active,
    /// Powered off; still billed.
    Off,
    /// Archived.
    Archive,
    /// A word that is not known here.
    #[serde(untagged)]
    Other(String),
}

/// A size of droplets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Its slug.
    pub slug: String,
    /// Cores.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Disk, GiB.
    pub disk_gib: u32,
    /// Price of a month, US cents.
    pub monthly_cents: u64,
    /// Price of an hour, US dollars.
    pub hourly_usd: f64,
    /// Whether it can be had.
    pub available: bool,
    /// Slugs of the regions that have it.
    pub regions: Vec<String>,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its slug.
    pub slug: String,
    /// Its name, for people.
    pub name: String,
    /// Whether droplets can be made there.
    pub available: bool,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its slug.
    pub slug: String,
    /// Its name, for people.
    pub name: String,
}

/// A firewall: what may come in to droplets with these tags. Everything may go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// Identity there; empty before it is made.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// Droplets with one of these tags.
    pub tags: Vec<String>,
    /// What may come in; everything else may not.
    pub inbound: Vec<FirewallRule>,
}

/// What may come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirewallRule {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// First port and last port.
    pub ports: (u16, u16),
    /// From where.
    pub sources: Vec<Source>,
}

/// A protocol over IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// From where something may come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An address range, e.g. `0.0.0.0/0`.
    Range(String),
    /// Droplets with this tag.
    Tag(String),
}

/// How ssh reaches a droplet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Address.
    pub host: String,
    /// Port of sshd.
    pub port: u16,
    /// User.
    pub user: String,
    /// What stands before every path of the droplet: empty, but on the local cloud, where a droplet's files are in a folder.
    /// Commands see it as `SLUICE_ROOT`.
    pub root: PathBuf,
}
