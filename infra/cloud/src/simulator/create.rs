//! `POST /v2/droplets`: one droplet by `name`, or up to ten by `names`. Accepted is not there.

use serde::Deserialize;
use serde_json::{Value, json};

use super::actions::Kind;
use super::call::{Answer, Outcome, Refusal};
use super::catalogue::{image_of, region_of, size_of};
use super::droplets::{Droplet, Status};
use super::faults::Effect;
use super::routes::Call;
use super::world::{Event, World};
use crate::checks::{NAME_BYTES_MAX, USER_DATA_BYTES_MAX, is_host_name, is_tag};

/// Droplets of one call (official document, "Create a New Droplet").
const NAMES_MAX: usize = 10;
/// Where droplets are made that name no region.
const REGION: &str = "nyc3";
/// An address that never answers: TEST-NET-1 (RFC 5737).
const SILENT: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 2, 1);

/// What a creation says; fields that are not simulated are passed over.
#[derive(Debug, Deserialize)]
struct Wanted {
    name: Option<String>,
    names: Option<Vec<String>>,
    region: Option<String>,
    #[serde(default)]
    size: String,
    #[serde(default)]
    image: Value,
    #[serde(default)]
    ssh_keys: Vec<Value>,
    tags: Option<Vec<String>>,
    #[serde(default)]
    user_data: Option<String>,
    #[serde(default)]
    monitoring: bool,
    vpc_uuid: Option<String>,
}

/// What all droplets of one call have in common.
pub(super) struct Template {
    pub(super) region: String,
    pub(super) size: String,
    pub(super) image: String,
    pub(super) tags: Vec<String>,
    pub(super) vpc: Option<String>,
    pub(super) is_monitored: bool,
    pub(super) is_doomed: bool,
    pub(super) is_unhealthy: bool,
    pub(super) never_active: bool,
    pub(super) is_errored: bool,
    pub(super) pool: Option<String>,
}

/// `POST /v2/droplets`
pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let wanted: Wanted = call.request.json()?;
    let is_single = wanted.names.is_none();
    let mut names = wanted.names.clone().or_else(|| wanted.name.clone().map(|name| vec![name])).unwrap_or_default();
    let mut template = check(call.world, &wanted, &names)?;
    let room = call.world.droplets_max.saturating_sub(u64::try_from(call.world.droplets.len()).unwrap_or(u64::MAX));
    if call.effects.contains(&Effect::Quota) || u64::try_from(names.len()).unwrap_or(u64::MAX) > room {
        return Err(Refusal::unprocessable("creating this/these droplet(s) will exceed your droplet limit"));
    }
    for effect in &call.effects {
        match effect {
            Effect::NeverActive => template.never_active = true,
            Effect::Unhealthy => template.is_unhealthy = true,
            Effect::Vanish => template.is_doomed = true,
            Effect::ActionErrored => template.is_errored = true,
            Effect::PartialCreate if !is_single => names.truncate(names.len() / 2),
            _ => {}
        }
    }
    let made: Vec<(u64, u64)> = names.into_iter().map(|name| call.world.make_droplet(name, &template)).collect();
    let link = |&(_, action): &(u64, u64)| json!({ "id": action, "rel": "create", "href": format!("{}/v2/actions/{action}", call.request.base) });
    let links = json!({ "actions": made.iter().map(link).collect::<Vec<_>>() });
    let texts = made.iter().filter_map(|(id, _)| call.world.droplets.get(id)).map(Droplet::text).collect::<Vec<_>>();
    let texts = texts.join(",");
    let body = if is_single {
        format!("{{\"droplet\":{texts},\"links\":{links}}}")
    } else {
        format!("{{\"droplets\":[{texts}],\"links\":{links}}}")
    };
    Ok(Answer::text(202, body))
}

fn check(world: &World, wanted: &Wanted, names: &[String]) -> Result<Template, Refusal> {
    let refused = |message: &str| Err(Refusal::unprocessable(message));
    if names.is_empty() || names.len() > NAMES_MAX {
        return refused(&format!("Droplets are created by name, 1 to {NAMES_MAX} at a time."));
    }
    if names.iter().any(|name| name.len() > NAME_BYTES_MAX || !is_host_name(name)) {
        return refused("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)");
    }
    let Some(size) = size_of(&wanted.size) else {
        return refused("You specified an invalid size for Droplet creation.");
    };
    let region = wanted.region.as_deref().unwrap_or(REGION);
    let Some(region) = region_of(region) else {
        return refused("You specified an invalid region for Droplet creation.");
    };
    if !region.is_available {
        return refused("Size is not available in this region.");
    }
    let image = wanted.image.as_str().map_or_else(|| wanted.image.to_string(), ToOwned::to_owned);
    let Some(image) = image_of(&image) else {
        return refused("You specified an invalid image for Droplet creation.");
    };
    for key in &wanted.ssh_keys {
        let key = key.as_str().map_or_else(|| key.to_string(), ToOwned::to_owned);
        if world.key(&key).is_none() {
            return refused(&format!("{key} are invalid key identifiers for Droplet creation."));
        }
    }
    let user_data = wanted.user_data.as_deref().unwrap_or_default();
    if user_data.len() > USER_DATA_BYTES_MAX {
        return refused("User data is too long (maximum 64KiB).");
    }
    let tags = wanted.tags.clone().unwrap_or_default();
    if !tags.iter().all(|tag| is_tag(tag)) {
        return refused("Tags may only contain letters, numbers, colons, dashes, and underscores.");
    }
    if wanted.vpc_uuid.as_ref().is_some_and(|vpc| world.vpcs.get(vpc).is_none_or(|vpc| vpc.region != region.slug)) {
        return refused("The VPC is not in this region.");
    }
    Ok(Template {
        region: region.slug.to_owned(),
        size: size.entry.slug.to_owned(),
        image: image.slug.to_owned(),
        tags,
        vpc: wanted.vpc_uuid.clone(),
        is_monitored: wanted.monitoring,
        // It is taken, and the droplet turns 404 later.
        is_doomed: !user_data.is_ascii(),
        is_unhealthy: false,
        never_active: false,
        is_errored: false,
        pool: None,
    })
}

impl World {
    /// Makes a droplet; its id and that of its action.
    pub(super) fn make_droplet(&mut self, name: String, template: &Template) -> (u64, u64) {
        let id = self.take_droplet_id();
        let vpc = template.vpc.clone().unwrap_or_else(|| self.default_vpc(&template.region));
        let mut tags: Vec<String> = Vec::new();
        for tag in &template.tags {
            if !tags.contains(tag) {
                tags.push(tag.clone());
                self.tags.entry(tag.clone()).or_default().insert(id);
            }
        }
        let droplet = Droplet {
            id,
            name,
            status: Status::New,
            region: template.region.clone(),
            size: template.size.clone(),
            image: template.image.clone(),
            tags,
            vpc,
            public: None,
            private: None,
            created_ms: self.now_ms,
            is_leaving: false,
            is_unhealthy: template.is_unhealthy,
            is_monitored: template.is_monitored,
            is_doomed: template.is_doomed || template.is_errored,
            pool: template.pool.clone(),
            load: None,
        };
        self.droplets.insert(id, droplet);
        let action = self.begin_action(Kind::Create, id, &template.region, template.is_doomed || template.is_errored);
        if !template.never_active {
            self.later(self.latency.create_ms, Event::ActionEnds(action));
        }
        (id, action)
    }

    /// A creation has ended: the droplet runs, or is gone.
    pub(super) fn droplet_made(&mut self, id: u64) {
        let Some(droplet) = self.droplets.get(&id) else { return };
        if droplet.is_doomed {
            self.remove_droplet(id);
            return;
        }
        let (vpc, is_unhealthy) = (droplet.vpc.clone(), droplet.is_unhealthy);
        let public = if is_unhealthy { SILENT } else { self.take_public_address() };
        let private = self.take_private_address(&vpc);
        if let Some(droplet) = self.droplets.get_mut(&id) {
            droplet.status = Status::Active;
            (droplet.public, droplet.private) = (Some(public), private);
        }
    }
}
