//! Tags, and what has them. Droplets bring theirs along.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::pages::few;
use super::routes::Call;
use super::world::ENTRIES_MAX;
use crate::checks::is_tag;

/// Things tagged by one call.
const RESOURCES_MAX: usize = 1_000;

fn value(call: &Call<'_>, name: &str, droplets: &std::collections::BTreeSet<u64>) -> Value {
    let mut counted = json!({ "count": droplets.len() });
    if let Some(last) = droplets.last() {
        counted["last_tagged_uri"] = format!("{}/v2/droplets/{last}", call.request.base).into();
    }
    let mut resources = counted.clone();
    resources["droplets"] = counted;
    for other in ["images", "volumes", "volume_snapshots", "databases"] {
        resources[other] = json!({ "count": 0 });
    }
    json!({ "name": name, "resources": resources })
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let tags = call.world.tags.iter().map(|(name, droplets)| value(call, name, droplets));
    Ok(few(call.request, "tags", &tags.collect::<Vec<_>>()))
}

pub(super) fn show(call: &Call<'_>, name: &str) -> Outcome {
    let droplets = call.world.tags.get(name).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &json!({ "tag": value(call, name, droplets) })))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        name: String,
    }
    let wanted: Wanted = call.request.json()?;
    if !is_tag(&wanted.name) {
        return Err(Refusal::unprocessable("Tags may only contain letters, numbers, colons, dashes, and underscores."));
    }
    if call.world.tags.len() >= ENTRIES_MAX {
        return Err(Refusal::unprocessable("tag limit reached"));
    }
    let droplets = call.world.tags.entry(wanted.name.clone()).or_default().clone();
    Ok(Answer::json(201, &json!({ "tag": value(call, &wanted.name, &droplets) })))
}

pub(super) fn delete(call: &mut Call<'_>, name: &str) -> Outcome {
    let droplets = call.world.tags.remove(name).ok_or_else(Refusal::not_found)?;
    for id in droplets {
        if let Some(droplet) = call.world.droplets.get_mut(&id) {
            droplet.tags.retain(|tag| tag != name);
        }
    }
    Ok(Answer::nothing())
}

/// Tags droplets, or takes the tag off them.
pub(super) fn resources(call: &mut Call<'_>, name: &str, is_on: bool) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        resources: Vec<Resource>,
    }
    #[derive(Deserialize)]
    struct Resource {
        resource_id: String,
        resource_type: String,
    }
    let wanted: Wanted = call.request.json()?;
    if wanted.resources.len() > RESOURCES_MAX {
        return Err(Refusal::unprocessable("too many resources"));
    }
    let mut ids = Vec::new();
    for resource in wanted.resources {
        let id = resource.resource_id.parse().ok().filter(|id| call.world.droplets.contains_key(id));
        ids.push(id.filter(|_| resource.resource_type == "droplet").ok_or_else(Refusal::not_found)?);
    }
    let tagged = call.world.tags.get_mut(name).ok_or_else(Refusal::not_found)?;
    for id in ids {
        let Some(droplet) = call.world.droplets.get_mut(&id) else { continue };
        droplet.tags.retain(|tag| tag != name);
        if is_on {
            droplet.tags.push(name.to_owned());
            tagged.insert(id);
        } else {
            tagged.remove(&id);
        }
    }
    Ok(Answer::nothing())
}
