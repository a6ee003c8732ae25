//! VPCs, reserved addresses, load balancers: what rehearsals and audits look at beside droplets, and what is billed too.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::DigitalOcean;
use super::call::Call;
use super::droplets::Action;
use crate::error::CloudError;
use crate::types::DropletId;

/// A private network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Slug of its region.
    #[serde(default)]
    pub region: String,
    /// Its addresses.
    #[serde(default)]
    pub ip_range: String,
    /// Where droplets of this region go if nothing else is said.
    #[serde(default)]
    pub default: bool,
}

/// An address that outlives droplets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReservedIp {
    /// The address.
    pub ip: IpAddr,
    /// Being moved right now.
    #[serde(default)]
    pub locked: bool,
    /// Who has it.
    #[serde(default)]
    pub droplet: Option<Holder>,
}

/// Who has a reserved address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Holder {
    /// Number of the droplet.
    pub id: u64,
}

/// What is wanted of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadBalancerWanted {
    /// Its name.
    pub name: String,
    /// Slug of its region.
    pub region: String,
    /// It serves the droplets with this tag.
    pub tag: String,
    /// From port to port.
    pub forwarding_rules: Vec<ForwardingRule>,
}

/// From port to port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardingRule {
    /// `http`, `tcp`, ..
    pub entry_protocol: String,
    /// The port that clients see.
    pub entry_port: u16,
    /// `http`, `tcp`, ..
    pub target_protocol: String,
    /// The port on the droplets.
    pub target_port: u16,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LoadBalancer {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its address; empty while it is new.
    #[serde(default)]
    pub ip: String,
    /// `new`, `active`, `errored`, or a word that is new.
    #[serde(default)]
    pub status: String,
    /// From port to port.
    #[serde(default)]
    pub forwarding_rules: Vec<ForwardingRule>,
}

impl DigitalOcean {
    /// All private networks.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn vpcs(&self) -> Result<Vec<Vpc>, CloudError> {
        self.all(Call::get(&["vpcs"]), "vpcs").await
    }

    /// All reserved addresses.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn reserved_ips(&self) -> Result<Vec<ReservedIp>, CloudError> {
        self.all(Call::get(&["reserved_ips"]), "reserved_ips").await
    }

    /// Reserves an address in a region.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn reserve_ip(&self, region: &str) -> Result<ReservedIp, CloudError> {
        self.one(&Call::post(&["reserved_ips"], json!({ "region": region })), "reserved_ip").await
    }

    /// Gives a reserved address to a droplet; the action says when it is there.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn assign_ip(&self, ip: IpAddr, droplet: &DropletId) -> Result<Action, CloudError> {
        let no_number =
            |_| CloudError::Invalid { message: format!("`{droplet}` is no droplet here"), request_id: None };
        let id: u64 = droplet.0.parse().map_err(no_number)?;
        let body = json!({ "type": "assign", "droplet_id": id });
        self.one(&Call::post(&["reserved_ips", &ip.to_string(), "actions"], body), "action").await
    }

    /// Gives a reserved address back; one that is gone is fine.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn release_ip(&self, ip: IpAddr) -> Result<(), CloudError> {
        self.gone(&Call::delete(&["reserved_ips", &ip.to_string()])).await
    }

    /// All load balancers.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn load_balancers(&self) -> Result<Vec<LoadBalancer>, CloudError> {
        self.all(Call::get(&["load_balancers"]), "load_balancers").await
    }

    /// Asks for a load balancer.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn create_load_balancer(&self, wanted: &LoadBalancerWanted) -> Result<LoadBalancer, CloudError> {
        self.one(&Call::post(&["load_balancers"], json!(wanted)), "load_balancer").await
    }

    /// Changes a load balancer. While it is still at work on the change before: [`CloudError::Transient`].
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn update_load_balancer(
        &self,
        id: &str,
        wanted: &LoadBalancerWanted,
    ) -> Result<LoadBalancer, CloudError> {
        self.one(&Call::put(&["load_balancers", id], json!(wanted)), "load_balancer").await
    }

    /// Removes a load balancer; one that is gone is fine.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn delete_load_balancer(&self, id: &str) -> Result<(), CloudError> {
        self.gone(&Call::delete(&["load_balancers", id])).await
    }
}
