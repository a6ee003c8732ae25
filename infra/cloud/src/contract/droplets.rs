//! The life of a droplet.

use std::collections::BTreeSet;

use crate::checks::USER_DATA_BYTES_MAX;
use crate::types::{CreateDroplet, Droplet, DropletId, DropletStatus};

use super::refusals::padded;
use super::trial::{Broken, Trial, broken, failed, promised};

/// Ids that name no droplet; the later ones try to lead elsewhere.
const NOWHERE: [&str; 5] = ["999999999999", "no-such-droplet", "", "..", "1/../../account"];

/// Asking for what is not there is no fault, and neither is deleting it.
pub(super) async fn what_is_not_there_is_none(trial: &Trial<'_>) -> Result<(), Broken> {
    const CLAUSE: &str = "an unknown droplet is none";
    for id in NOWHERE.map(|id| DropletId(id.to_owned())) {
        let found = trial.cloud.droplet(&id).await.map_err(failed(CLAUSE))?;
        promised(found.is_none(), CLAUSE, || format!("`{id}` is {found:?}"))?;
        trial.cloud.delete_droplet(&id).await.map_err(failed("deleting an unknown droplet is fine"))?;
    }
    let tagged = trial.cloud.droplets(&trial.own_tag("nothing")).await.map_err(failed(CLAUSE))?;
    promised(tagged.is_empty(), CLAUSE, || format!("an unused tag lists {tagged:?}"))
}

/// A droplet is accepted, becomes active, is found by each of its tags, and ends when it is deleted. A second one stays.
pub(super) async fn a_droplet_lives_and_ends(trial: &Trial<'_>) -> Result<(), Broken> {
    const CLAUSE: &str = "a droplet becomes active";
    let mut wanted = trial.wanted("one");
    wanted.user_data = padded(&wanted, USER_DATA_BYTES_MAX);
    let accepted = trial.create("user-data of just 64 KiB is taken", &wanted).await?;
    promised(!accepted.id.0.is_empty(), CLAUSE, || "its id is empty".to_owned())?;
    as_wanted(&accepted, &wanted)?;
    let is_active = |droplet: Option<&Droplet>| droplet.is_some_and(|droplet| droplet.status == DropletStatus::Active);
    let active = trial.until(CLAUSE, &accepted.id, is_active).await?;
    let active = active.ok_or_else(|| broken(CLAUSE, "it is gone"))?;
    as_wanted(&active, &wanted)?;
    promised(active.id == accepted.id, CLAUSE, || format!("{} became {}", accepted.id, active.id))?;
    promised(active.created_ms > 0, CLAUSE, || "it was made at no time".to_owned())?;
    let reachable = active.public_address.is_some() && active.private_address.is_some();
    promised(reachable, "an active droplet has addresses", || format!("{active:?}"))?;
    let access = trial.cloud.access(&active);
    let complete = access.as_ref().is_some_and(|access| !access.host.is_empty() && access.port > 0);
    promised(complete, "an active droplet can be reached by ssh", || format!("{access:?}"))?;

    let other = trial.create(CLAUSE, &trial.wanted("two")).await?;
    promised(other.id != active.id, "two droplets have two ids", || active.id.to_string())?;
    let both = [active.id.clone(), other.id.clone()];
    listed(trial, &trial.tag(), &both).await?;
    listed(trial, &trial.own_tag("one"), &both[..1]).await?;
    listed(trial, &trial.own_tag("two"), &both[1..]).await?;

    ended(trial, &active.id).await?;
    listed(trial, &trial.tag(), &both[1..]).await?;
    ended(trial, &other.id).await?;
    listed(trial, &trial.tag(), &[]).await
}

/// What was asked for is what there is.
fn as_wanted(droplet: &Droplet, wanted: &CreateDroplet) -> Result<(), Broken> {
    const CLAUSE: &str = "a droplet is as it was wanted";
    let tags: BTreeSet<&String> = droplet.tags.iter().collect();
    let kept = droplet.name == wanted.name
        && droplet.region == wanted.region
        && droplet.size == wanted.size
        && droplet.image.as_ref().is_none_or(|image| *image == wanted.image)
        && tags == wanted.tags.iter().collect();
    promised(kept, CLAUSE, || {
        let CreateDroplet { name, region, size, image, tags, .. } = wanted;
        format!("wanted {name} {region} {size} {image} {tags:?}, is {droplet:?}")
    })
}

/// The tag lists just these droplets, in any order.
async fn listed(trial: &Trial<'_>, tag: &str, ids: &[DropletId]) -> Result<(), Broken> {
    const CLAUSE: &str = "a tag lists its droplets";
    let mut found: Vec<DropletId> =
        trial.cloud.droplets(tag).await.map_err(failed(CLAUSE))?.into_iter().map(|droplet| droplet.id).collect();
    let mut wanted = ids.to_vec();
    found.sort();
    wanted.sort();
    promised(found == wanted, CLAUSE, || format!("`{tag}` lists {found:?} instead of {wanted:?}"))
}

/// Deletes it twice, and waits until it is gone.
async fn ended(trial: &Trial<'_>, id: &DropletId) -> Result<(), Broken> {
    const CLAUSE: &str = "a deleted droplet is gone";
    trial.cloud.delete_droplet(id).await.map_err(failed(CLAUSE))?;
    trial.cloud.delete_droplet(id).await.map_err(failed("deleting a droplet twice is fine"))?;
    trial.until(CLAUSE, id, |droplet| droplet.is_none()).await.map(drop)
}
