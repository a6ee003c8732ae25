//! Droplets: their state, and how answers write it. Creation is in `create`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::actions::Kind;
use super::call::{Answer, Outcome, Refusal};
use super::catalogue::{image_of, region_of, size_of};
use super::clock::written;
use super::faults::Effect;
use super::pages::Page;
use super::routes::Call;
use super::world::{Event, World};

/// A droplet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Droplet {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) region: String,
    pub(super) size: String,
    pub(super) image: String,
    pub(super) tags: Vec<String>,
    pub(super) vpc: String,
    pub(super) public: Option<Ipv4Addr>,
    pub(super) private: Option<Ipv4Addr>,
    pub(super) created_ms: u64,
    /// Its end was asked for.
    pub(super) is_leaving: bool,
    /// It runs, but nothing on it answers.
    pub(super) is_unhealthy: bool,
    pub(super) is_monitored: bool,
    /// It never comes up, and is gone instead.
    pub(super) is_doomed: bool,
    /// The autoscale pool that made it.
    pub(super) pool: Option<String>,
    /// What was set by the operator of the simulator: CPU and memory in use, as shares.
    pub(super) load: Option<(f64, f64)>,
}

/// How a droplet fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    New,
    Active,
    Off,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Off => "off",
        }
    }
}

impl Droplet {
    /// As answers write it. The large parts are taken as they are: lists have thousands of droplets.
    pub(super) fn text(&self) -> String {
        let (size, region, image) = (size_of(&self.size), region_of(&self.region), image_of(&self.image));
        let mut features = vec!["private_networking", "droplet_agent"];
        features.extend(self.is_monitored.then_some("monitoring"));
        let network = |address: Ipv4Addr, kind: &str, netmask: &str| {
            let gateway = Ipv4Addr::from_bits(address.to_bits() & 0xffff_f000 | 1).to_string();
            json!({ "ip_address": address.to_string(), "netmask": netmask, "gateway": gateway, "type": kind })
        };
        let public = self.public.map(|address| network(address, "public", "255.255.240.0"));
        let private = self.private.map(|address| network(address, "private", "255.255.240.0"));
        let own = json!({
            "id": self.id, "name": self.name, "status": self.status.as_str(),
            "memory": size.map_or(0, |size| size.memory_mib), "vcpus": size.map_or(0, |size| size.vcpus),
            "disk": size.map_or(0, |size| size.disk_gib),
            "locked": self.status == Status::New || self.is_leaving, "created_at": written(self.created_ms),
            "kernel": null, "features": features, "backup_ids": [], "snapshot_ids": [], "volume_ids": [],
            "next_backup_window": null, "size_slug": self.size, "tags": self.tags, "vpc_uuid": self.vpc,
            "networks": { "v4": public.into_iter().chain(private).collect::<Vec<_>>(), "v6": [] },
        });
        let mut text = own.to_string();
        text.pop();
        let parts = [("size", size.map(|size| &size.entry)), ("region", region), ("image", image)];
        for (name, entry) in parts {
            text.push_str(&format!(",\"{name}\":{}", entry.map_or("{}", |entry| entry.text.as_str())));
        }
        text.push('}');
        text
    }
}

/// `GET /v2/droplets`: all, or those with a tag or a name.
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let (request, page) = (call.request, Page::of(call.request));
    let stale = call.effects.iter().find_map(|effect| match effect {
        Effect::StaleList { seconds } => Some(call.world.now_ms.saturating_sub(seconds * 1_000)),
        _ => None,
    });
    let world = &*call.world;
    if let Some(as_of_ms) = stale {
        let name = request.parameter("name");
        let tag = request.parameter("tag_name").map(str::to_owned);
        let fit = |droplet: &&Droplet| {
            droplet.created_ms <= as_of_ms
                && name.is_none_or(|name| droplet.name == name)
                && tag.as_ref().is_none_or(|tag| droplet.tags.contains(tag))
        };
        let gone = world.gone.iter().filter(|(gone_ms, _)| *gone_ms > as_of_ms).map(|(_, droplet)| droplet);
        let shown: Vec<&Droplet> = world.droplets.values().chain(gone).filter(fit).collect();
        return Ok(page.answer(request, "droplets", shown.len(), shown.into_iter(), Droplet::text));
    }
    if let Some(tag) = request.parameter("tag_name") {
        let ids = world.tags.get(tag);
        let total = ids.map_or(0, std::collections::BTreeSet::len);
        let found = ids.into_iter().flatten().filter_map(|id| world.droplets.get(id));
        return Ok(page.answer(request, "droplets", total, found, Droplet::text));
    }
    if let Some(name) = request.parameter("name") {
        let named = || world.droplets.values().filter(move |droplet| droplet.name == name);
        return Ok(page.answer(request, "droplets", named().count(), named(), Droplet::text));
    }
    Ok(page.answer(request, "droplets", world.droplets.len(), world.droplets.values(), Droplet::text))
}

/// `GET /v2/droplets/ID`
pub(super) fn show(call: &Call<'_>, id: u64) -> Outcome {
    let droplet = call.world.droplets.get(&id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::text(200, format!("{{\"droplet\":{}}}", droplet.text())))
}

/// `DELETE /v2/droplets/ID`
pub(super) fn delete(call: &mut Call<'_>, id: u64) -> Outcome {
    if !call.world.droplets.contains_key(&id) {
        return Err(Refusal::not_found());
    }
    call.world.leave(id);
    Ok(Answer::nothing())
}

/// `DELETE /v2/droplets?tag_name=TAG`
pub(super) fn delete_tagged(call: &mut Call<'_>) -> Outcome {
    let tag = call.request.parameter("tag_name").filter(|tag| !tag.is_empty());
    let tag = tag.ok_or_else(|| Refusal::unprocessable("tag_name is required"))?;
    let ids: Vec<u64> = call.world.tags.get(tag).into_iter().flatten().copied().collect();
    for id in ids {
        call.world.leave(id);
    }
    Ok(Answer::nothing())
}

impl World {
    /// Begins the end of a droplet; once is enough.
    pub(super) fn leave(&mut self, id: u64) {
        let Some(droplet) = self.droplets.get_mut(&id) else { return };
        if std::mem::replace(&mut droplet.is_leaving, true) {
            return;
        }
        let region = droplet.region.clone();
        self.begin_action(Kind::Destroy, id, &region, false);
        self.later(self.latency.delete_ms, Event::DropletGone(id));
    }
}
