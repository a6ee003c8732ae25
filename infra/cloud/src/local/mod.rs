//! This machine as a cloud: a droplet is a folder and one detached process, with a real sshd.
//!
//! As root, each droplet has a network namespace, plugged into a switch with its cloud's own /24, and firewalls are enforced
//! with nftables. Without, droplets are processes on addresses 127.x.y.z of a /24 of their own, and firewalls are only kept.
//! Everything is below one folder; whoever changes it holds its lock, so that several programs may use one cloud. Droplets
//! outlive the program that made them; [`LocalCloud::open`] finds them again.
//!
//! Operator's side: [`LocalCloud`]. Droplet's side: [`guard`] keeps the first process, [`Machine`] is what it boots from.

mod book;
mod catalogue;
mod cloud;
mod firewall;
mod folder;
mod guard;
mod lifecycle;
mod machine;
mod network;
mod power;
mod processes;
mod program;
mod user_data;

use std::path::PathBuf;

pub use guard::guard;
pub use lifecycle::raze;
pub use machine::Machine;

use crate::error::CloudError;
use folder::CloudFolder;
use network::{Mode, Network};

/// What a local cloud needs to know.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Where it keeps everything; made if it is not there.
    pub folder: PathBuf,
    /// `sluice-infra`: the first process of a droplet is one of its commands.
    pub program: PathBuf,
    /// How droplets are told apart.
    pub network: LocalNetwork,
}

/// How droplets are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalNetwork {
    /// Processes on addresses of 127.0.0.0/8. Needs no rights; firewalls are not enforced.
    Loopback,
    /// Network namespaces on a switch of their own, firewalls with nftables. Needs root.
    Namespaces,
    /// Namespaces where they work, else loopback.
    Auto,
}

/// This machine as a cloud.
#[derive(Debug)]
pub struct LocalCloud {
    folder: CloudFolder,
    program: PathBuf,
    network: Network,
}

impl LocalCloud {
    /// Finds the cloud in its folder, or begins one. A cloud that has droplets keeps the network that it has.
    ///
    /// # Errors
    /// [`CloudError::Machine`] if the folder cannot be used, or this machine cannot do what is asked for.
    pub async fn open(settings: LocalSettings) -> Result<Self, CloudError> {
        let LocalSettings { folder, program, network } = settings;
        let folder = CloudFolder::open(&folder)?;
        let used = folder.lock().await?.read_book()?.subnet.map(|subnet| subnet.mode);
        let network = Network::choose(network, used).await?;
        Ok(Self { folder, program, network })
    }

    /// Why droplets are not in namespaces; `None` if they are, or if nobody asked for it.
    #[must_use]
    pub fn why_no_namespaces(&self) -> Option<&str> {
        self.network.why_no_namespaces.as_deref()
    }

    fn has_namespaces(&self) -> bool {
        self.network.mode == Mode::Namespaces
    }
}
