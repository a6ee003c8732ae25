//! Which part answers a call, and what the token needs for it.

use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal, Request};
use super::catalogue::{IMAGES_OFFERED, REGIONS_OFFERED, SIZES_OFFERED, image_of};
use super::faults::Effect;
use super::pages::few;
use super::reserved::RESERVED_MAX;
use super::world::World;
use super::{actions, balancers, billing, create, droplets, firewalls, keys, metrics, pools, reserved, tags, vpcs};

/// One call at work.
pub(super) struct Call<'c> {
    pub(super) world: &'c mut World,
    pub(super) request: &'c Request,
    pub(super) effects: Vec<Effect>,
}

/// A token that says so has these rights and no others: `scopes=droplet:read,account:read`.
const SCOPES: &str = "scopes=";

/// Answers a call.
pub(super) fn answer(call: &mut Call<'_>) -> Outcome {
    let path = call.request.path.clone();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').skip(1).collect();
    if !path.starts_with("/v2/") {
        return Err(Refusal::not_found());
    }
    allow(call.request, &parts)?;
    match parts[0] {
        "account" | "customers" | "regions" | "sizes" | "images" => account(call, &parts),
        "droplets" | "actions" => machines(call, &parts),
        "monitoring" => monitoring(call, &parts),
        _ => network(call, &parts),
    }
}

fn account(call: &mut Call<'_>, parts: &[&str]) -> Outcome {
    let method = call.request.method.clone();
    match (method.as_str(), parts) {
        ("GET", ["account"]) => Ok(Answer::json(200, &json!({ "account": profile(call.world) }))),
        ("GET", ["customers", "my", "balance"]) => billing::balance(call),
        ("GET", ["account", "keys"]) => keys::list(call),
        ("POST", ["account", "keys"]) => keys::create(call),
        ("GET", ["account", "keys", key]) => keys::show(call, key),
        ("PUT", ["account", "keys", key]) => keys::rename(call, key),
        ("DELETE", ["account", "keys", key]) => keys::delete(call, key),
        ("GET", ["regions"]) => Ok(offered(call, "regions", REGIONS_OFFERED.iter().map(|region| &region.value))),
        ("GET", ["sizes"]) => Ok(offered(call, "sizes", SIZES_OFFERED.iter().map(|size| &size.entry.value))),
        ("GET", ["images"]) => Ok(offered(call, "images", IMAGES_OFFERED.iter().map(|image| &image.value))),
        ("GET", ["images", image]) => {
            let image = image_of(image).ok_or_else(Refusal::not_found)?;
            Ok(Answer::json(200, &json!({ "image": image.value })))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn machines(call: &mut Call<'_>, parts: &[&str]) -> Outcome {
    let method = call.request.method.clone();
    match (method.as_str(), parts) {
        ("GET", ["droplets"]) => droplets::list(call),
        ("POST", ["droplets"]) => create::create(call),
        ("DELETE", ["droplets"]) => droplets::delete_tagged(call),
        ("GET", ["droplets", "autoscale"]) => pools::list(call),
        ("POST", ["droplets", "autoscale"]) => pools::create(call),
        ("GET", ["droplets", "autoscale", id]) => pools::show(call, id),
        ("PUT", ["droplets", "autoscale", id]) => pools::update(call, id),
        ("DELETE", ["droplets", "autoscale", id]) => pools::delete(call, id, false),
        ("DELETE", ["droplets", "autoscale", id, "dangerous"]) => pools::delete(call, id, true),
        ("GET", ["droplets", "autoscale", id, "members"]) => pools::members(call, id),
        ("GET", ["droplets", "autoscale", id, "history"]) => pools::history(call, id),
        ("GET", ["droplets", id]) => droplets::show(call, number(id)?),
        ("DELETE", ["droplets", id]) => droplets::delete(call, number(id)?),
        ("GET", ["droplets", id, "actions"]) => actions::list(call, Some(number(id)?)),
        ("POST", ["droplets", id, "actions"]) => actions::start(call, number(id)?),
        ("GET", ["droplets", id, "actions", action]) => actions::show(call, number(action)?, Some(number(id)?)),
        ("GET", ["actions"]) => actions::list(call, None),
        ("GET", ["actions", id]) => actions::show(call, number(id)?, None),
        _ => Err(Refusal::not_found()),
    }
}

fn monitoring(call: &Call<'_>, parts: &[&str]) -> Outcome {
    match (call.request.method.as_str(), parts) {
        ("GET", ["monitoring", "metrics", "droplet", metric]) => metrics::show(call, metric),
        _ => Err(Refusal::not_found()),
    }
}

fn network(call: &mut Call<'_>, parts: &[&str]) -> Outcome {
    let method = call.request.method.clone();
    match (method.as_str(), parts) {
        ("GET", ["tags"]) => tags::list(call),
        ("POST", ["tags"]) => tags::create(call),
        ("GET", ["tags", name]) => tags::show(call, name),
        ("DELETE", ["tags", name]) => tags::delete(call, name),
        ("POST", ["tags", name, "resources"]) => tags::resources(call, name, true),
        ("DELETE", ["tags", name, "resources"]) => tags::resources(call, name, false),
        ("GET", ["firewalls"]) => firewalls::list(call),
        ("POST", ["firewalls"]) => firewalls::create(call),
        ("GET", ["firewalls", id]) => firewalls::show(call, id),
        ("PUT", ["firewalls", id]) => firewalls::update(call, id),
        ("DELETE", ["firewalls", id]) => firewalls::delete(call, id),
        ("GET", ["vpcs"]) => vpcs::list(call),
        ("POST", ["vpcs"]) => vpcs::create(call),
        ("GET", ["vpcs", id]) => vpcs::show(call, id),
        ("DELETE", ["vpcs", id]) => vpcs::delete(call, id),
        ("GET", ["reserved_ips"]) => reserved::list(call),
        ("POST", ["reserved_ips"]) => reserved::create(call),
        ("GET", ["reserved_ips", address]) => reserved::show(call, address),
        ("DELETE", ["reserved_ips", address]) => reserved::delete(call, address),
        ("POST", ["reserved_ips", address, "actions"]) => reserved::act(call, address),
        ("GET", ["load_balancers"]) => balancers::list(call),
        ("POST", ["load_balancers"]) => balancers::create(call),
        ("GET", ["load_balancers", id]) => balancers::show(call, id),
        ("PUT", ["load_balancers", id]) => balancers::update(call, id),
        ("DELETE", ["load_balancers", id]) => balancers::delete(call, id),
        _ => Err(Refusal::not_found()),
    }
}

fn offered<'v>(call: &Call<'_>, key: &str, values: impl Iterator<Item = &'v Value>) -> Answer {
    few(call.request, key, &values.cloned().collect::<Vec<_>>())
}

fn profile(world: &World) -> Value {
    json!({
        "droplet_limit": world.droplets_max, "floating_ip_limit": RESERVED_MAX, "reserved_ip_limit": RESERVED_MAX,
        "volume_limit": 100, "email": "rehearsal@simulator.example", "name": "Rehearsal",
        "uuid": "5a4981aa-9653-4bd1-bef5-d6bff52042e4", "email_verified": true, "status": "active",
        "status_message": "", "team": { "uuid": "5df3e300-4a17-4242-b7c2-0ca6c9fc25b7", "name": "Rehearsal" },
    })
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}

/// Whether the token may do this. Any token that is not empty may do everything, unless it names its scopes.
fn allow(request: &Request, parts: &[&str]) -> Result<(), Refusal> {
    let token = request.token.as_deref().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| Refusal::new(401, "Unauthorized", "Unable to authenticate you"))?;
    let Some(scopes) = token.strip_prefix(SCOPES) else { return Ok(()) };
    let resource = match parts {
        ["account", "keys", ..] => "ssh_key",
        ["customers", ..] => "billing",
        ["droplets", ..] => "droplet",
        ["images", ..] => "image",
        ["tags", ..] => "tag",
        ["firewalls", ..] => "firewall",
        ["vpcs", ..] => "vpc",
        ["reserved_ips", ..] => "reserved_ip",
        ["load_balancers", ..] => "load_balancer",
        [first, ..] => first,
        [] => "",
    };
    let verb = match (request.method.as_str(), parts) {
        ("POST", [_, _, "actions", ..]) => "update",
        ("GET", _) => "read",
        ("POST", _) => "create",
        ("DELETE", _) => "delete",
        _ => "update",
    };
    let needed = format!("{resource}:{verb}");
    if scopes.split(',').any(|scope| scope == needed) {
        return Ok(());
    }
    Err(Refusal::new(403, "Forbidden", "You are not authorized to perform this operation"))
}
