//! What the cloud has of a fleet, read once: the droplets and firewalls that a plan starts from.

use std::collections::BTreeMap;

use serde::Serialize;
use sluice_infra_cloud::{Cloud, CloudError, Droplet, DropletId, Firewall};
use sluice_infra_spec::Spec;

use crate::state::{Known, State, StateError};
use crate::tags;

/// What the cloud has of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// Its droplets.
    pub droplets: Vec<Seen>,
    /// Its firewalls.
    pub firewalls: Vec<Firewall>,
    /// Most droplets that the account may have; `None` = not known.
    pub droplets_max: Option<u32>,
    /// False if the cloud takes firewalls down but does not enforce them.
    pub enforces_firewalls: bool,
    /// Droplets whose replacement stands already, and which one that is: an interrupted apply left them behind.
    pub superseded: BTreeMap<DropletId, DropletId>,
}

/// A droplet, with what its tags say; where they were taken off, what our own state remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// As the cloud has it.
    pub droplet: Droplet,
    /// Its pool.
    pub pool: Option<String>,
    /// The operation that made it.
    pub operation: Option<String>,
    /// Short digest of its user-data.
    pub data: Option<String>,
}

impl Seen {
    /// Reads the tags of a droplet.
    #[must_use]
    pub fn new(fleet: &str, droplet: Droplet) -> Self {
        let of = |kind| tags::value(&droplet.tags, fleet, kind).map(ToOwned::to_owned);
        Self { pool: of("pool"), operation: of("op"), data: of("data"), droplet }
    }

    fn remembered(mut self, fleet: &str, known: &Known) -> Self {
        self.pool.get_or_insert_with(|| known.pool.clone());
        if self.operation.is_none() {
            self.operation.clone_from(&known.operation);
        }
        if self.data.is_none() {
            self.data = tags::value(&known.tags, fleet, "data").map(ToOwned::to_owned);
        }
        self
    }
}

/// Why the fleet could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The cloud did not tell.
    #[error("read the fleet from {cloud}")]
    Cloud {
        /// Which cloud.
        cloud: &'static str,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// Our own state did not tell.
    #[error("read the state")]
    State(#[from] StateError),
}

/// Reads the fleet: by tag, and by id what we know and did not find by tag. A listing may lag behind both ways; what
/// we made and what we saw gone is not taken from it.
///
/// # Errors
/// [`ObserveError`]
pub async fn observe(cloud: &dyn Cloud, spec: &Spec, state: &State) -> Result<Observed, ObserveError> {
    let failed = |source| ObserveError::Cloud { cloud: cloud.name(), source };
    let fleet = spec.fleet.as_str();
    let mut listed = cloud.droplets(&tags::fleet(fleet)).await.map_err(failed)?;
    let known: BTreeMap<DropletId, Known> =
        state.standing()?.into_iter().map(|known| (known.id.clone(), known)).collect();
    let deleted = state.deleted()?;
    // A cloud that began anew, as a simulator or the local one may, gives the same ids again.
    let is_there = |droplet: &Droplet| deleted.get(&droplet.id).is_none_or(|at_ms| droplet.created_ms > *at_ms);
    listed.retain(|droplet| known.contains_key(&droplet.id) || is_there(droplet));
    let mut droplets: BTreeMap<DropletId, Seen> =
        listed.into_iter().map(|droplet| (droplet.id.clone(), Seen::new(fleet, droplet))).collect();
    for id in known.keys() {
        if !droplets.contains_key(id)
            && let Some(droplet) = cloud.droplet(id).await.map_err(failed)?
        {
            droplets.insert(id.clone(), Seen::new(fleet, droplet));
        }
    }
    let droplets = droplets.into_values().map(|seen| match known.get(&seen.droplet.id) {
        Some(known) => seen.remembered(fleet, known),
        None => seen,
    });
    let prefix = format!("{fleet}-");
    let mut firewalls = cloud.firewalls(&prefix).await.map_err(failed)?;
    firewalls.retain(|firewall| is_of_fleet(firewall, fleet));
    firewalls.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let droplets: Vec<Seen> = droplets.collect();
    // A replacement that is gone again replaces nothing.
    let mut superseded = state.replacements()?;
    superseded.retain(|new, _| droplets.iter().any(|seen| seen.droplet.id == *new));
    Ok(Observed {
        droplets,
        firewalls,
        droplets_max: Some(cloud.account().await.map_err(failed)?.droplets_max),
        enforces_firewalls: cloud.enforces_firewalls(),
        superseded: superseded.into_iter().map(|(new, old)| (old, new)).collect(),
    })
}

/// Fleets `cats` and `cats-blue` share a prefix of names; their tags differ.
fn is_of_fleet(firewall: &Firewall, fleet: &str) -> bool {
    let prefix = format!("{}:pool:", tags::fleet(fleet));
    let of_pool =
        |tag: &String| tag.strip_prefix(&prefix).is_some_and(|pool| firewall.name == tags::firewall_name(fleet, pool));
    firewall.tags.iter().any(of_pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firewall_of_a_fleet_with_a_longer_name_is_not_ours() {
        let firewall = |name: &str, tag: &str| Firewall {
            id: "1".to_owned(),
            name: name.to_owned(),
            tags: vec![tag.to_owned()],
            inbound: Vec::new(),
        };
        assert!(is_of_fleet(&firewall("cats-app", "sluice:cats:pool:app"), "cats"));
        assert!(!is_of_fleet(&firewall("cats-blue-app", "sluice:cats-blue:pool:app"), "cats"));
        assert!(is_of_fleet(&firewall("cats-blue-app", "sluice:cats:pool:blue-app"), "cats"));
    }
}
