//! The end of a fleet: its droplets, then its firewalls, then its key. Nothing of it is billed afterwards.

use std::collections::BTreeMap;

use serde::Serialize;
use sluice_infra_cloud::DropletId;

use super::{Failure, Outcome, Provisioner};
use crate::observe::Observed;
use crate::state::{State, StateError};

/// What a fleet has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Droplets: identity, name, pool.
    pub droplets: Vec<(DropletId, String, String)>,
    /// Firewalls: identity, name.
    pub firewalls: Vec<(String, String)>,
    /// Ids of public keys.
    pub ssh_keys: Vec<String>,
}

impl Inventory {
    /// True if there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.droplets.is_empty() && self.firewalls.is_empty() && self.ssh_keys.is_empty()
    }
}

/// Everything of a fleet that is observed or remembered.
///
/// # Errors
/// [`StateError`]
pub fn inventory(observed: &Observed, state: &State) -> Result<Inventory, StateError> {
    let droplets = observed
        .droplets
        .iter()
        .map(|seen| (seen.droplet.id.clone(), seen.droplet.name.clone(), seen.pool.clone().unwrap_or_default()));
    let firewalls = observed.firewalls.iter().map(|firewall| (firewall.id.clone(), firewall.name.clone()));
    Ok(Inventory { droplets: droplets.collect(), firewalls: firewalls.collect(), ssh_keys: state.ssh_keys()? })
}

impl Provisioner {
    /// Ends all of it. Only who holds the lock of the fleet may, after [`Self::settle`].
    pub async fn destroy(&self, observed: &Observed, inventory: &Inventory) -> Outcome {
        let mut outcome = Outcome::default();
        if let Err(error) = self.take_stock(observed) {
            outcome.failures.push(Failure::new(&self.spec.fleet, "write the state", &error.into()));
            return outcome;
        }
        let mut by_pool: BTreeMap<&str, Vec<(DropletId, String)>> = BTreeMap::new();
        for (id, name, pool) in &inventory.droplets {
            by_pool.entry(pool).or_default().push((id.clone(), name.clone()));
        }
        for (pool, droplets) in by_pool {
            outcome.merge(self.shrink(&droplets, pool).await);
        }
        if !outcome.failures.is_empty() {
            // Walls and key stay as long as something stands behind them.
            return outcome;
        }
        for (id, name) in &inventory.firewalls {
            match self.delete_firewall(id, name).await {
                Ok(()) => outcome.firewalls.push(name.clone()),
                Err(fault) => outcome.failures.push(Failure::new(name, "delete the firewall", &fault)),
            }
        }
        for id in &inventory.ssh_keys {
            if let Err(fault) = self.delete_ssh_key(id).await {
                outcome.failures.push(Failure::new(id, "delete the public key", &fault));
            }
        }
        outcome
    }
}
