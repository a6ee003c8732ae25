//! How droplets of one cloud are told apart and reach each other: a /24 of this machine's own, claimed for as long as there
//! are droplets.

mod loopback;
mod namespaces;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LocalNetwork;
use super::book::Record;
use crate::error::CloudError;
use namespaces::Tools;

/// How droplets are told apart, as it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Loopback,
    Namespaces,
}

/// 127.x.y.0/24, or 10.x.y.0/24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subnet {
    pub(super) mode: Mode,
    pub(super) second: u8,
    pub(super) third: u8,
}

impl Subnet {
    /// Tries to claim one; so often, since others may hold what chance picks.
    const TRIES_MAX: usize = 64;
    /// Lowest second part: below it are addresses that people like.
    const SECOND_MIN: u8 = 64;

    /// One by chance.
    fn any(mode: Mode) -> Self {
        let span = u8::MAX - Self::SECOND_MIN;
        Self { mode, second: Self::SECOND_MIN + rand::random::<u8>() % span, third: rand::random() }
    }

    pub(super) const fn address(self, host: u8) -> Ipv4Addr {
        let first = match self.mode {
            Mode::Loopback => 127,
            Mode::Namespaces => 10,
        };
        Ipv4Addr::new(first, self.second, self.third, host)
    }
}

/// What this machine can do.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) mode: Mode,
    pub(super) why_no_namespaces: Option<String>,
    tools: Option<Tools>,
}

impl Network {
    /// What is asked for, or what a cloud with droplets has already.
    pub(super) async fn choose(wanted: LocalNetwork, used: Option<Mode>) -> Result<Self, CloudError> {
        let machine = |message: &str| Err(CloudError::Machine { message: message.to_owned() });
        let loopback = |why| Ok(Self { mode: Mode::Loopback, why_no_namespaces: why, tools: None });
        match (wanted, used) {
            (LocalNetwork::Loopback, Some(Mode::Namespaces)) => {
                machine("the droplets of this cloud are in namespaces: remove them first")
            }
            (LocalNetwork::Namespaces, Some(Mode::Loopback)) => {
                machine("the droplets of this cloud are on loopback: remove them first")
            }
            (LocalNetwork::Loopback, _) => loopback(None),
            (LocalNetwork::Auto, Some(Mode::Loopback)) => loopback(Some("its droplets are on loopback already".into())),
            (LocalNetwork::Namespaces | LocalNetwork::Auto, Some(Mode::Namespaces)) => {
                Ok(Self { mode: Mode::Namespaces, why_no_namespaces: None, tools: Some(Tools::find()?) })
            }
            (LocalNetwork::Namespaces | LocalNetwork::Auto, None) => match namespaces::probe().await {
                Ok(tools) => Ok(Self { mode: Mode::Namespaces, why_no_namespaces: None, tools: Some(tools) }),
                Err(why) if wanted == LocalNetwork::Auto => loopback(Some(why.to_string())),
                Err(why) => Err(why),
            },
        }
    }

    /// Takes a /24 that nobody else has, for the cloud in this folder.
    pub(super) async fn claim(&self, owner: &Path) -> Result<Subnet, CloudError> {
        match &self.tools {
            Some(tools) => tools.claim(owner).await,
            None => loopback::claim(owner),
        }
    }

    /// Makes sure that a /24 that was claimed is there, e.g. after a reboot of this machine.
    pub(super) async fn hold(&self, subnet: Subnet, owner: &Path) -> Result<(), CloudError> {
        match &self.tools {
            Some(tools) => tools.hold(subnet, owner).await,
            None => loopback::hold(subnet, owner),
        }
    }

    /// Gives a /24 back.
    pub(super) async fn release(&self, subnet: Subnet) -> Result<(), CloudError> {
        match &self.tools {
            Some(tools) => tools.release(subnet).await,
            None => loopback::release(subnet),
        }
    }

    /// Gives a droplet its network, under these rules from the first moment.
    pub(super) async fn connect(&self, droplet: &Record, rules: &str) -> Result<(), CloudError> {
        match &self.tools {
            Some(tools) => tools.connect(droplet, rules).await,
            None => Ok(()),
        }
    }

    /// Puts other rules into force.
    pub(super) async fn enforce(&self, droplet: &Record, rules: &str) -> Result<(), CloudError> {
        match &self.tools {
            Some(tools) => tools.enforce(droplet, rules).await,
            None => Ok(()),
        }
    }

    /// Takes a droplet's network away; one that has none is fine.
    pub(super) async fn disconnect(&self, droplet: &Record) -> Result<(), CloudError> {
        match &self.tools {
            Some(tools) => tools.disconnect(droplet).await,
            None => Ok(()),
        }
    }

    /// A port for the droplet's sshd.
    pub(super) fn ssh_port(&self, address: Ipv4Addr) -> Result<u16, CloudError> {
        if self.tools.is_some() { Ok(namespaces::SSH_PORT) } else { loopback::ssh_port(address) }
    }

    /// What stands before a command, so that it runs on the machine itself, if we run in a droplet of it.
    pub(super) fn out(&self) -> Vec<OsString> {
        self.tools.as_ref().map(Tools::out).unwrap_or_default()
    }

    /// What stands before a command, so that it runs within the droplet.
    pub(super) fn within(&self, droplet: &Record) -> Vec<OsString> {
        self.tools.as_ref().map(|tools| tools.within(droplet)).unwrap_or_default()
    }

    /// Process ids of all that runs within the droplet's namespaces; none where it has none.
    pub(super) async fn processes(&self, droplet: &Record) -> Result<Vec<i32>, CloudError> {
        match &self.tools {
            Some(tools) => tools.processes(droplet).await,
            None => Ok(Vec::new()),
        }
    }
}
