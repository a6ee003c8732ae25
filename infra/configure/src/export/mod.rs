//! The same manifests for other tools: Ansible, cloud-init, Terraform. Whoever wants to leave takes everything along.
//!
//! Pure but for what the manifests were made from: gives files as texts, and never one with a secret in it.

mod ansible;
pub(crate) mod blank;
mod cloud_init;
mod terraform;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use sluice_infra_spec::{Pool, Role, Spec};

use crate::machine::{FleetFiles, Needs};
use crate::router_folder::FolderFault;

pub use ansible::ansible;
pub use cloud_init::{USER_DATA_BYTES_MAX, cloud_init};
pub use terraform::{Provisioned, terraform};

/// In which order machines come: the store, who reads it, who is found through it.
const ORDER: [Role; 3] = [Role::Redis, Role::Router, Role::App];

/// Path in the folder of the export -> text.
pub type Files = BTreeMap<String, String>;

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The routers' folder.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// Clouds take no more.
    #[error("the user-data of {pool} has {bytes} bytes, and clouds take {USER_DATA_BYTES_MAX}: export ansible instead")]
    UserData {
        /// Of which pool.
        pool: String,
        /// How large it is.
        bytes: usize,
    },
}

/// A machine that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Its address among the droplets.
    pub address: IpAddr,
    /// Where ssh reaches it.
    pub host: String,
    /// Port of its sshd.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// What stands before its paths; `/` but on the local cloud.
    pub root: PathBuf,
}

/// What a machine of this pool should be, with blanks.
fn needs(fleet: &FleetFiles, pool: &Pool) -> Result<Needs, FolderFault> {
    let (machine, peers) = blank::machine();
    fleet.manifest(pool, &machine, peers)
}

/// The pools in the order in which their machines come.
fn in_order(spec: &Spec) -> Vec<&Pool> {
    let place = |pool: &&Pool| ORDER.iter().position(|role| pool.roles.contains(role)).unwrap_or(ORDER.len());
    let mut pools: Vec<&Pool> = spec.pools.iter().collect();
    pools.sort_by_key(place);
    pools
}

/// How many droplets of a pool an export has that does not know any: other tools do not scale.
fn count(pool: &Pool) -> u32 {
    pool.scale.as_ref().map_or(pool.count, |scale| pool.count.clamp(scale.min, scale.max))
}

/// A mode as tools write it.
fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Pretty JSON, after lines that YAML takes for remarks.
fn commented(remarks: &[&str], value: &serde_json::Value) -> String {
    let remarks: String = remarks.iter().map(|line| format!("# {line}\n")).collect();
    format!("{remarks}{}\n", pretty(value))
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
