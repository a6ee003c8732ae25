//! Droplets that are billed and that nothing wants: left by an interrupted run, by a listing that lagged, or by hand.

use std::collections::BTreeSet;

use serde::Serialize;
use sluice_infra_cloud::{Droplet, DropletId};
use sluice_infra_spec::Spec;

use crate::observe::Observed;
use crate::plan::duplicates;
use crate::state::{State, StateError};

/// A droplet that nothing wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// The droplet.
    pub droplet: Droplet,
    /// Its pool, if it says one.
    pub pool: Option<String>,
    /// Why nothing wants it.
    pub reason: Why,
}

/// Why nothing wants a droplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It has the fleet's tag and no pool.
    NoPool,
    /// Its pool is not in the file.
    PoolGone,
    /// Another droplet came from the same operation.
    Duplicate,
    /// Its operation was given up before it appeared.
    Abandoned,
}

impl Why {
    /// As people read it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoPool => "has the fleet's tag and belongs to no pool",
            Self::PoolGone => "its pool is not in infra.toml",
            Self::Duplicate => "another droplet came from the same operation",
            Self::Abandoned => "its operation was given up before it appeared",
        }
    }
}

/// The droplets of a fleet that no pool and no operation wants, by id.
///
/// # Errors
/// [`StateError`]
pub fn garbage(spec: &Spec, observed: &Observed, state: &State) -> Result<Vec<Garbage>, StateError> {
    let abandoned: BTreeSet<String> =
        state.abandoned_operations()?.into_iter().map(|operation| operation.id.as_str().to_owned()).collect();
    let standing: BTreeSet<DropletId> = state.standing()?.into_iter().map(|known| known.id).collect();
    let duplicates = duplicates(observed);
    let mut found = Vec::new();
    for seen in &observed.droplets {
        let id = &seen.droplet.id;
        let given_up = seen.operation.as_ref().is_some_and(|operation| abandoned.contains(operation));
        let reason = match seen.pool.as_deref() {
            None => Why::NoPool,
            Some(pool) if spec.pool(pool).is_none() => Why::PoolGone,
            Some(_) if duplicates.contains(id) => Why::Duplicate,
            Some(_) if given_up && !standing.contains(id) => Why::Abandoned,
            Some(_) => continue,
        };
        found.push(Garbage { droplet: seen.droplet.clone(), pool: seen.pool.clone(), reason });
    }
    found.sort_by(|a, b| a.droplet.id.cmp(&b.droplet.id));
    Ok(found)
}
