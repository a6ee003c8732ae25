//! Firewalls: kept and checked as DigitalOcean does; nothing is enforced, since nothing runs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::clock::written;
use super::pages::few;
use super::routes::Call;
use super::world::{ENTRIES_MAX, Event, World};

/// Bounds of one firewall (docs, "Firewall Limits").
const RULES_MAX: usize = 50;
const TAGS_MAX: usize = 5;
const DROPLETS_MAX: usize = 10;

/// A firewall. Rules are kept as they came, once they are checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Firewall {
    id: String,
    name: String,
    is_in_force: bool,
    created_ms: u64,
    droplet_ids: Vec<u64>,
    tags: Vec<String>,
    inbound_rules: Vec<Value>,
    outbound_rules: Vec<Value>,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
    droplet_ids: Option<Vec<u64>>,
    tags: Option<Vec<String>>,
    inbound_rules: Option<Vec<Value>>,
    outbound_rules: Option<Vec<Value>>,
}

impl Firewall {
    fn value(&self) -> Value {
        let status = if self.is_in_force { "succeeded" } else { "waiting" };
        json!({
            "id": self.id, "name": self.name, "status": status, "created_at": written(self.created_ms),
            "pending_changes": [], "droplet_ids": self.droplet_ids, "tags": self.tags,
            "inbound_rules": self.inbound_rules, "outbound_rules": self.outbound_rules,
        })
    }
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    Ok(few(call.request, "firewalls", &call.world.firewalls.values().map(Firewall::value).collect::<Vec<_>>()))
}

pub(super) fn show(call: &Call<'_>, id: &str) -> Outcome {
    let firewall = call.world.firewalls.get(id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &json!({ "firewall": firewall.value() })))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    put(call, None, 202)
}

pub(super) fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let before = call.world.firewalls.get(id).cloned().ok_or_else(Refusal::not_found)?;
    put(call, Some(before), 200)
}

pub(super) fn delete(call: &mut Call<'_>, id: &str) -> Outcome {
    call.world.firewalls.remove(id).map(|_| Answer::nothing()).ok_or_else(Refusal::not_found)
}

fn put(call: &mut Call<'_>, before: Option<Firewall>, status: u16) -> Outcome {
    if before.is_none() && call.world.firewalls.len() >= ENTRIES_MAX {
        return Err(Refusal::unprocessable("firewall limit reached"));
    }
    let wanted: Wanted = call.request.json()?;
    let id = before.as_ref().map(|before| before.id.clone());
    if call.world.firewalls.values().any(|other| other.name == wanted.name && Some(&other.id) != id.as_ref()) {
        return Err(Refusal::new(409, "conflict", "duplicate name"));
    }
    let tags = wanted.tags.unwrap_or_default();
    let droplet_ids = wanted.droplet_ids.unwrap_or_default();
    let (inbound_rules, outbound_rules) =
        (wanted.inbound_rules.unwrap_or_default(), wanted.outbound_rules.unwrap_or_default());
    let rules = inbound_rules.len() + outbound_rules.len();
    if rules == 0 || rules > RULES_MAX || tags.len() > TAGS_MAX || droplet_ids.len() > DROPLETS_MAX {
        let text = format!("a firewall has 1 to {RULES_MAX} rules, {TAGS_MAX} tags and {DROPLETS_MAX} droplets");
        return Err(Refusal::unprocessable(&text));
    }
    for rule in &inbound_rules {
        check(call.world, rule, "sources")?;
    }
    for rule in &outbound_rules {
        check(call.world, rule, "destinations")?;
    }
    tags.iter().try_for_each(|tag| exists(call.world, tag))?;
    if droplet_ids.iter().any(|id| !call.world.droplets.contains_key(id)) {
        return Err(Refusal::unprocessable("a droplet of the firewall does not exist"));
    }
    let world = &mut *call.world;
    let id = id.unwrap_or_else(|| world.random.uuid());
    let created_ms = before.map_or(world.now_ms, |before| before.created_ms);
    let (name, is_in_force) = (wanted.name, false);
    let firewall =
        Firewall { id: id.clone(), name, is_in_force, created_ms, droplet_ids, tags, inbound_rules, outbound_rules };
    world.later(world.latency.firewall_ms, Event::FirewallInForce(id.clone()));
    let answer = Answer::json(status, &json!({ "firewall": firewall.value() }));
    world.firewalls.insert(id, firewall);
    Ok(answer)
}

fn check(world: &World, rule: &Value, ends: &str) -> Result<(), Refusal> {
    let protocol = rule.get("protocol").and_then(Value::as_str).unwrap_or_default();
    let ports = rule.get("ports").and_then(Value::as_str).unwrap_or_default();
    if !["tcp", "udp", "icmp"].contains(&protocol) {
        return Err(Refusal::unprocessable("invalid protocol: tcp, udp or icmp"));
    }
    if protocol != "icmp" && !are_ports(ports) {
        return Err(Refusal::unprocessable("invalid ports"));
    }
    let tags = rule.get(ends).ok_or_else(|| Refusal::unprocessable(&format!("a rule has no {ends}")))?.get("tags");
    let tags = tags.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    tags.into_iter().try_for_each(|tag| exists(world, tag))
}

fn are_ports(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        _ if text == "all" => true,
        (Ok(first), Ok(last)) => first <= last,
        _ => false,
    }
}

/// "All tag names must be for existing tags" (official document).
fn exists(world: &World, tag: &str) -> Result<(), Refusal> {
    if world.tags.contains_key(tag) {
        Ok(())
    } else {
        Err(Refusal::unprocessable(&format!("tag {tag} does not exist")))
    }
}

impl World {
    pub(super) fn firewall_in_force(&mut self, id: &str) {
        if let Some(firewall) = self.firewalls.get_mut(id) {
            firewall.is_in_force = true;
        }
    }
}
