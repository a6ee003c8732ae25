//! Reserved addresses: they stay when droplets go.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::actions::{Action, Kind};
use super::call::{Answer, Outcome, Refusal};
use super::catalogue::region_of;
use super::droplets::Droplet;
use super::pages::few;
use super::routes::Call;
use super::world::{Event, World};

/// Of one account (official document's example).
pub(super) const RESERVED_MAX: usize = 5;

/// A reserved address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReservedIp {
    address: Ipv4Addr,
    region: String,
    pub(super) droplet: Option<u64>,
    project: String,
}

fn value(world: &World, reserved: &ReservedIp) -> Value {
    let droplet = reserved.droplet.and_then(|id| world.droplets.get(&id)).map(Droplet::text);
    let droplet: Value = droplet.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    json!({
        "ip": reserved.address.to_string(), "droplet": droplet, "locked": false, "project_id": reserved.project,
        "region": region_of(&reserved.region).map(|region| &region.value),
    })
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let all: Vec<Value> = call.world.reserved.values().map(|reserved| value(call.world, reserved)).collect();
    Ok(few(call.request, "reserved_ips", &all))
}

pub(super) fn show(call: &Call<'_>, address: &str) -> Outcome {
    let reserved = found(call, address)?;
    Ok(Answer::json(200, &json!({ "reserved_ip": value(call.world, reserved) })))
}

fn found<'c>(call: &'c Call<'_>, address: &str) -> Result<&'c ReservedIp, Refusal> {
    let address = address.parse().map_err(|_| Refusal::not_found())?;
    call.world.reserved.get(&address).ok_or_else(Refusal::not_found)
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        region: Option<String>,
        droplet_id: Option<u64>,
    }
    let wanted: Wanted = call.request.json()?;
    let droplet =
        wanted.droplet_id.map(|id| call.world.droplets.get(&id).ok_or_else(Refusal::not_found)).transpose()?;
    let region = droplet.map(|droplet| droplet.region.clone()).or(wanted.region).unwrap_or_default();
    if region_of(&region).is_none() {
        return Err(Refusal::unprocessable("You specified an invalid region."));
    }
    if call.world.reserved.len() >= RESERVED_MAX {
        return Err(Refusal::unprocessable("reserved ip limit exceeded"));
    }
    let (address, project) = (call.world.take_public_address(), call.world.random.uuid());
    let reserved = ReservedIp { address, region, droplet: wanted.droplet_id, project };
    let shown = value(call.world, &reserved);
    call.world.reserved.insert(address, reserved);
    Ok(Answer::json(202, &json!({ "reserved_ip": shown, "links": {} })))
}

pub(super) fn delete(call: &mut Call<'_>, address: &str) -> Outcome {
    let address = found(call, address)?.address;
    call.world.reserved.remove(&address);
    Ok(Answer::nothing())
}

/// `assign` and `unassign`.
pub(super) fn act(call: &mut Call<'_>, address: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        r#type: String,
        droplet_id: Option<u64>,
    }
    let wanted: Wanted = call.request.json()?;
    let reserved = found(call, address)?;
    let (address, region, is_assign) = (reserved.address, reserved.region.clone(), wanted.r#type == "assign");
    if is_assign {
        let droplet = wanted.droplet_id.and_then(|id| call.world.droplets.get(&id)).ok_or_else(Refusal::not_found)?;
        if droplet.region != region {
            return Err(Refusal::unprocessable("The droplet is in another region."));
        }
    } else if wanted.r#type != "unassign" {
        return Err(Refusal::unprocessable("type is assign or unassign"));
    }
    let (kind, droplet) = if is_assign { (Kind::AssignIp, wanted.droplet_id) } else { (Kind::UnassignIp, None) };
    let world = &mut *call.world;
    if let Some(reserved) = world.reserved.get_mut(&address) {
        reserved.droplet = droplet;
    }
    let id = world.begin_action(kind, u64::from(address.to_bits()), &region, false);
    world.later(world.latency.action_ms, Event::ActionEnds(id));
    Ok(Answer::json(201, &json!({ "action": world.actions.get(&id).map(Action::value) })))
}
