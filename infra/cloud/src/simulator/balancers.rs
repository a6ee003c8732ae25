//! Load balancers: kept as they came, and busy for a while after each change.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::catalogue::region_of;
use super::clock::written;
use super::pages::few;
use super::routes::Call;
use super::world::{Event, World};

/// Of one account.
const BALANCERS_MAX: usize = 10;

/// A load balancer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Balancer {
    id: String,
    ip: String,
    is_new: bool,
    is_busy: bool,
    created_ms: u64,
    region: String,
    tag: String,
    droplet_ids: Vec<u64>,
    rules: Vec<Value>,
    name: String,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    name: String,
    region: String,
    tag: Option<String>,
    droplet_ids: Option<Vec<u64>>,
    forwarding_rules: Vec<Value>,
}

fn value(world: &World, balancer: &Balancer) -> Value {
    let tagged = world.tags.get(&balancer.tag).into_iter().flatten().copied();
    let droplets: Vec<u64> = balancer.droplet_ids.iter().copied().chain(tagged).collect();
    json!({
        "id": balancer.id, "name": balancer.name, "ip": if balancer.is_new { "" } else { &balancer.ip },
        "status": if balancer.is_new { "new" } else { "active" }, "size_unit": 1, "algorithm": "round_robin",
        "created_at": written(balancer.created_ms), "forwarding_rules": balancer.rules, "tag": balancer.tag,
        "region": region_of(&balancer.region).map(|region| &region.value), "droplet_ids": droplets,
    })
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let all: Vec<Value> = call.world.balancers.values().map(|balancer| value(call.world, balancer)).collect();
    Ok(few(call.request, "load_balancers", &all))
}

pub(super) fn show(call: &Call<'_>, id: &str) -> Outcome {
    let balancer = call.world.balancers.get(id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &json!({ "load_balancer": value(call.world, balancer) })))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    if call.world.balancers.len() >= BALANCERS_MAX {
        return Err(Refusal::unprocessable("load balancer limit exceeded"));
    }
    put(call, None)
}

pub(super) fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let before = idle(call, id)?;
    put(call, Some(before))
}

pub(super) fn delete(call: &mut Call<'_>, id: &str) -> Outcome {
    let id = idle(call, id)?.id;
    call.world.balancers.remove(&id);
    Ok(Answer::nothing())
}

/// One that can be changed now.
fn idle(call: &Call<'_>, id: &str) -> Result<Balancer, Refusal> {
    let balancer = call.world.balancers.get(id).ok_or_else(Refusal::not_found)?;
    if balancer.is_busy {
        let text = "Load Balancer can't be updated while it processes previous actions";
        return Err(Refusal::new(403, "forbidden", text));
    }
    Ok(balancer.clone())
}

fn put(call: &mut Call<'_>, before: Option<Balancer>) -> Outcome {
    let wanted: Wanted = call.request.json()?;
    if region_of(&wanted.region).is_none() || wanted.forwarding_rules.is_empty() {
        return Err(Refusal::unprocessable("a load balancer needs an existing region and a forwarding rule"));
    }
    let status = if before.is_some() { 200 } else { 202 };
    let world = &mut *call.world;
    let made = before.unwrap_or_else(|| Balancer {
        id: world.random.uuid(),
        ip: world.take_public_address().to_string(),
        is_new: true,
        is_busy: true,
        created_ms: world.now_ms,
        region: String::new(),
        tag: String::new(),
        droplet_ids: Vec::new(),
        rules: Vec::new(),
        name: String::new(),
    });
    let balancer = Balancer {
        is_busy: true,
        region: wanted.region,
        tag: wanted.tag.unwrap_or_default(),
        droplet_ids: wanted.droplet_ids.unwrap_or_default(),
        rules: wanted.forwarding_rules,
        name: wanted.name,
        ..made
    };
    world.later(world.latency.balancer_ms, Event::BalancerActive(balancer.id.clone()));
    let answer = Answer::json(status, &json!({ "load_balancer": value(world, &balancer) }));
    world.balancers.insert(balancer.id.clone(), balancer);
    Ok(answer)
}

impl World {
    pub(super) fn balancer_active(&mut self, id: &str) {
        if let Some(balancer) = self.balancers.get_mut(id) {
            (balancer.is_new, balancer.is_busy) = (false, false);
        }
    }
}
