//! What changed outside: the fleet as it is against the fleet as we left it. Changes nothing; `apply` repairs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sluice_infra_cloud::{DropletId, DropletStatus, Firewall};
use sluice_infra_spec::Spec;

use crate::firewalls::{in_normal_form, rule_text};
use crate::observe::{Observed, Seen};
use crate::state::{Known, State, StateError};

/// What changed outside, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// One line each.
    pub differences: Vec<Difference>,
}

/// One thing that changed outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "drift")]
pub enum Difference {
    /// A droplet that we left standing is gone.
    Missing {
        /// Its name.
        name: String,
        /// Its identity.
        id: DropletId,
        /// Its pool.
        pool: String,
    },
    /// A field of a droplet is another one.
    Changed {
        /// Name of the droplet.
        name: String,
        /// Its identity.
        id: DropletId,
        /// Which field.
        field: &'static str,
        /// As we left it.
        left: String,
        /// As it is.
        found: String,
    },
    /// A droplet with the fleet's tag that we did not make.
    Unknown {
        /// Its name.
        name: String,
        /// Its identity.
        id: DropletId,
        /// Its pool, if it says one.
        pool: Option<String>,
    },
    /// A firewall that we left standing is gone.
    FirewallMissing {
        /// Its name.
        name: String,
    },
    /// A firewall lets in what it did not, or no longer what it did.
    FirewallChanged {
        /// Its name.
        name: String,
        /// Rules and tags that were added.
        added: Vec<String>,
        /// Rules and tags that were removed.
        removed: Vec<String>,
    },
    /// A firewall with our name and tag that we did not make.
    FirewallUnknown {
        /// Its name.
        name: String,
    },
}

/// What changed outside since we left it.
///
/// # Errors
/// [`StateError`]
pub fn drift(spec: &Spec, observed: &Observed, state: &State) -> Result<Drift, StateError> {
    let known: BTreeMap<DropletId, Known> =
        state.standing()?.into_iter().map(|known| (known.id.clone(), known)).collect();
    let mut differences = Vec::new();
    for known in known.values() {
        match observed.droplets.iter().find(|seen| seen.droplet.id == known.id) {
            None => differences.push(Difference::Missing {
                name: known.name.clone(),
                id: known.id.clone(),
                pool: known.pool.clone(),
            }),
            Some(seen) => compare(known, seen, &mut differences),
        }
    }
    for seen in &observed.droplets {
        let name = seen.droplet.name.clone();
        if !known.contains_key(&seen.droplet.id) && !of_controller(spec, seen) {
            differences.push(Difference::Unknown { name, id: seen.droplet.id.clone(), pool: seen.pool.clone() });
        }
    }
    firewalls(&observed.firewalls, &state.firewalls()?, &mut differences);
    differences.sort();
    Ok(Drift { differences })
}

/// In a scaled pool the controller makes droplets too, and keeps its own journal.
fn of_controller(spec: &Spec, seen: &Seen) -> bool {
    let scaled = seen.pool.as_deref().and_then(|pool| spec.pool(pool)).is_some_and(|pool| pool.scale.is_some());
    scaled && seen.operation.is_some()
}

fn compare(known: &Known, seen: &Seen, differences: &mut Vec<Difference>) {
    let droplet = &seen.droplet;
    let mut field = |field, left: &str, found: &str| {
        if left != found {
            differences.push(Difference::Changed {
                name: known.name.clone(),
                id: known.id.clone(),
                field,
                left: left.to_owned(),
                found: found.to_owned(),
            });
        }
    };
    field("name", &known.name, &droplet.name);
    field("size", &known.size, &droplet.size);
    field("region", &known.region, &droplet.region);
    field("image", &known.image, droplet.image.as_ref().unwrap_or(&known.image));
    field("tags", &sorted(&known.tags), &sorted(&droplet.tags));
    match &droplet.status {
        DropletStatus::New | DropletStatus::Active | DropletStatus::Other(_) => {}
        DropletStatus::Off => field("status", "active", "off"),
        DropletStatus::Archive => field("status", "active", "archive"),
    }
}

fn sorted(tags: &[String]) -> String {
    tags.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}

fn firewalls(found: &[Firewall], left: &[Firewall], differences: &mut Vec<Difference>) {
    for left in left {
        let Some(found) = found.iter().find(|found| found.name == left.name) else {
            differences.push(Difference::FirewallMissing { name: left.name.clone() });
            continue;
        };
        let (before, after) = (texts(left), texts(found));
        if before != after {
            differences.push(Difference::FirewallChanged {
                name: left.name.clone(),
                added: after.difference(&before).cloned().collect(),
                removed: before.difference(&after).cloned().collect(),
            });
        }
    }
    for found in found {
        if !left.iter().any(|left| left.name == found.name) {
            differences.push(Difference::FirewallUnknown { name: found.name.clone() });
        }
    }
}

fn texts(firewall: &Firewall) -> BTreeSet<String> {
    let normal = in_normal_form(firewall);
    let tags = normal.tags.iter().map(|tag| format!("for {tag}"));
    normal.inbound.iter().map(rule_text).chain(tags).collect()
}
