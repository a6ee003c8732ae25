//! What every cloud promises, as one suite: each clause asks a [`Cloud`] and says which promise is broken.
//!
//! Tests run it against the simulator (in process, and through the DigitalOcean client) and against the local cloud. It
//! makes real droplets, under a tag of its own, and removes them whatever comes; so run it only where they cost nothing.

mod catalogue;
mod crowd;
mod droplets;
mod firewalls;
mod keys;
mod quota;
mod refusals;
mod trial;

pub use trial::Broken;

use crate::cloud::Cloud;
use crate::types::CreateDroplet;
use trial::Trial;

/// Runs all clauses that need no more than two droplets at a time. `wanted` names a region, size and image that the cloud
/// has, and user-data that its droplets boot with; names and tags of the droplets begin with those of `wanted`.
///
/// # Errors
/// The first promise that is broken.
pub async fn run(cloud: &dyn Cloud, wanted: CreateDroplet) -> Result<(), Broken> {
    let trial = Trial::new(cloud, wanted);
    let end = clauses(&trial).await;
    end.and(trial.sweep().await)
}

/// Makes `count` droplets, finds each of them once in the listing, and removes them: more than fit on a page, where pages
/// are.
///
/// # Errors
/// The first promise that is broken.
pub async fn crowd(cloud: &dyn Cloud, wanted: CreateDroplet, count: usize) -> Result<(), Broken> {
    let trial = Trial::new(cloud, wanted);
    let end = crowd::all_are_listed_once(&trial, count).await;
    end.and(trial.sweep().await)
}

/// Makes droplets until the account is full; for an account with a small limit.
///
/// # Errors
/// The first promise that is broken.
pub async fn quota(cloud: &dyn Cloud, wanted: CreateDroplet) -> Result<(), Broken> {
    let trial = Trial::new(cloud, wanted);
    let end = quota::a_full_account_says_so(&trial).await;
    end.and(trial.sweep().await)
}

async fn clauses(trial: &Trial<'_>) -> Result<(), Broken> {
    catalogue::what_is_wanted_can_be_had(trial).await?;
    keys::a_key_is_kept_once(trial).await?;
    firewalls::a_firewall_is_kept_as_put(trial).await?;
    refusals::what_cannot_be_is_refused(trial).await?;
    droplets::what_is_not_there_is_none(trial).await?;
    droplets::a_droplet_lives_and_ends(trial).await
}
