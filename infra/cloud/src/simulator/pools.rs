//! Autoscale pools: a fixed number of droplets, or one that follows the load of its members after its cooldown.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::catalogue::{image_of, region_of, size_of};
use super::clock::written;
use super::create::Template;
use super::droplets::{Droplet, Status};
use super::pages::few;
use super::routes::Call;
use super::world::{Event, World};

/// Pools of one account.
const POOLS_MAX: usize = 20;
/// How often a pool looks at its members, ms.
const LOOK_MS: u64 = 60_000;
/// Events that a pool remembers.
const HISTORY_MAX: usize = 1_000;
const MINUTE_MS: u64 = 60_000;
/// Minutes between two changes, where a pool says nothing (official document: 5 to 20).
const COOLDOWN_MINUTES: u64 = 5;

/// An autoscale pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pool {
    id: String,
    name: String,
    config: Config,
    template: Value,
    created_ms: u64,
    updated_ms: u64,
    changed_ms: u64,
    history: Vec<Value>,
    made: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    target_number_instances: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_instances: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_instances: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_cpu_utilization: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_memory_utilization: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cooldown_minutes: Option<u64>,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
    config: Config,
    droplet_template: Value,
}

impl World {
    fn members(&self, pool: &str) -> Vec<&Droplet> {
        let fit = |droplet: &&Droplet| droplet.pool.as_deref() == Some(pool) && !droplet.is_leaving;
        self.droplets.values().filter(fit).collect()
    }

    /// Compares members and wish, and makes or removes droplets.
    pub(super) fn pool_looks(&mut self, id: &str) {
        let Some(pool) = self.pools.get(id).cloned() else { return };
        let members: Vec<u64> = self.members(id).iter().map(|droplet| droplet.id).collect();
        let is = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let wanted = self.wanted(&pool, is);
        let cooldown_ms = pool.config.cooldown_minutes.unwrap_or(COOLDOWN_MINUTES) * MINUTE_MS;
        let is_free =
            is == 0 || pool.config.target_number_instances.is_some() || self.now_ms >= pool.changed_ms + cooldown_ms;
        if wanted != is && is_free {
            let reason = if wanted > is { "SCALE_UP" } else { "SCALE_DOWN" };
            self.note(id, is, wanted, reason);
            let template = template(&pool.template, id);
            for number in is..wanted {
                let made = u64::try_from(self.droplets.len()).unwrap_or(u64::MAX);
                if made >= self.droplets_max {
                    break;
                }
                let name = format!("{}-{}", pool.name, pool.made + number - is + 1);
                self.make_droplet(name, &template);
            }
            for &id in members.iter().rev().take(usize::try_from(is.saturating_sub(wanted)).unwrap_or_default()) {
                self.leave(id);
            }
            if let Some(pool) = self.pools.get_mut(id) {
                pool.made += wanted.saturating_sub(is);
                pool.changed_ms = self.now_ms;
            }
        }
        self.later((LOOK_MS, LOOK_MS), Event::PoolLooks(id.to_owned()));
    }

    /// How many members a pool should have: as many as bring the mean to its target.
    fn wanted(&self, pool: &Pool, is: u64) -> u64 {
        let config = &pool.config;
        if let Some(fixed) = config.target_number_instances {
            return fixed;
        }
        let (min, max) = (config.min_instances.unwrap_or(1), config.max_instances.unwrap_or(1));
        let active: Vec<&Droplet> =
            self.members(&pool.id).into_iter().filter(|droplet| droplet.status == Status::Active).collect();
        let fit = |target: Option<f64>, total: f64| target.map_or(0.0, |target| (total / target).ceil());
        let cpu = fit(config.target_cpu_utilization, active.iter().map(|droplet| droplet.load().0).sum());
        let memory = fit(config.target_memory_utilization, active.iter().map(|droplet| droplet.load().1).sum());
        let wish = (min..=max).find(|&count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) >= cpu.max(memory));
        if active.is_empty() { is.clamp(min, max) } else { wish.unwrap_or(max) }
    }

    fn note(&mut self, id: &str, is: u64, wanted: u64, reason: &str) {
        let (event, at) = (self.random.uuid(), written(self.now_ms));
        let Some(pool) = self.pools.get_mut(id) else { return };
        if pool.history.len() >= HISTORY_MAX {
            pool.history.remove(0);
        }
        pool.history.push(json!({
            "history_event_id": event, "current_instance_count": is, "desired_instance_count": wanted,
            "reason": reason, "status": "success", "created_at": at, "updated_at": at,
        }));
    }
}

fn template(template: &Value, pool: &str) -> Template {
    let word = |name: &str| template.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let tags = template.get("tags").and_then(Value::as_array).into_iter().flatten();
    Template {
        region: word("region"),
        size: word("size"),
        image: image_of(&word("image")).map_or_else(String::new, |image| image.slug.to_owned()),
        tags: tags.filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        vpc: None,
        is_monitored: true,
        is_doomed: false,
        is_unhealthy: false,
        never_active: false,
        is_errored: false,
        pool: Some(pool.to_owned()),
    }
}

fn value(world: &World, pool: &Pool) -> Value {
    let members = world.members(&pool.id);
    json!({
        "id": pool.id, "name": pool.name, "config": pool.config, "droplet_template": pool.template,
        "created_at": written(pool.created_ms), "updated_at": written(pool.updated_ms), "status": "active",
        "active_resources_count": members.iter().filter(|droplet| droplet.status == Status::Active).count(),
    })
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let name = call.request.parameter("name");
    let fit = call.world.pools.values().filter(|pool| name.is_none_or(|name| pool.name == name));
    Ok(few(call.request, "autoscale_pools", &fit.map(|pool| value(call.world, pool)).collect::<Vec<_>>()))
}

pub(super) fn show(call: &Call<'_>, id: &str) -> Outcome {
    let pool = call.world.pools.get(id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &json!({ "autoscale_pool": value(call.world, pool) })))
}

fn check(call: &Call<'_>) -> Result<Wanted, Refusal> {
    let wanted: Wanted = call.request.json()?;
    let word = |name: &str| wanted.droplet_template.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_known = region_of(word("region")).is_some_and(|region| region.is_available)
        && size_of(word("size")).is_some()
        && image_of(word("image")).is_some();
    let config = &wanted.config;
    let is_dynamic = config.min_instances.zip(config.max_instances).is_some_and(|(min, max)| 1 <= min && min <= max);
    if !is_known || !(is_dynamic || config.target_number_instances.is_some_and(|count| count > 0)) {
        return Err(Refusal::unprocessable("invalid autoscale pool: region, size, image, or numbers of instances"));
    }
    Ok(wanted)
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let wanted = check(call)?;
    if call.world.pools.len() >= POOLS_MAX {
        return Err(Refusal::unprocessable("autoscale pool limit exceeded"));
    }
    let (id, now_ms) = (call.world.random.uuid(), call.world.now_ms);
    let pool = Pool {
        id: id.clone(),
        name: wanted.name,
        config: wanted.config,
        template: wanted.droplet_template,
        created_ms: now_ms,
        updated_ms: now_ms,
        changed_ms: now_ms,
        history: Vec::new(),
        made: 0,
    };
    call.world.pools.insert(id.clone(), pool);
    call.world.later((0, 0), Event::PoolLooks(id.clone()));
    show(call, &id).map(|answer| Answer { status: 202, ..answer })
}

pub(super) fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let (wanted, now_ms) = (check(call)?, call.world.now_ms);
    let pool = call.world.pools.get_mut(id).ok_or_else(Refusal::not_found)?;
    (pool.name, pool.config, pool.template) = (wanted.name, wanted.config, wanted.droplet_template);
    pool.updated_ms = now_ms;
    show(call, id)
}

/// Without its droplets, or, with `X-Dangerous`, with them.
pub(super) fn delete(call: &mut Call<'_>, id: &str, with_droplets: bool) -> Outcome {
    if with_droplets && !call.request.is_dangerous {
        return Err(Refusal::bad_request("X-Dangerous: true is required"));
    }
    call.world.pools.remove(id).ok_or_else(Refusal::not_found)?;
    let members: Vec<u64> = call.world.members(id).iter().map(|droplet| droplet.id).collect();
    for member in members {
        if with_droplets {
            call.world.leave(member);
        } else if let Some(droplet) = call.world.droplets.get_mut(&member) {
            droplet.pool = None;
        }
    }
    Ok(Answer { status: 202, ..Answer::nothing() })
}

pub(super) fn members(call: &Call<'_>, id: &str) -> Outcome {
    call.world.pools.get(id).ok_or_else(Refusal::not_found)?;
    let member = |droplet: &&Droplet| {
        let (cpu, memory) = droplet.load();
        let status = match droplet.status {
            Status::New => "provisioning",
            Status::Active => "active",
            Status::Off => "off",
        };
        let at = written(droplet.created_ms);
        json!({
            "droplet_id": droplet.id, "created_at": at, "updated_at": at, "status": status,
            "health_status": if droplet.is_unhealthy { "unhealthy" } else { "healthy" },
            "current_utilization": { "cpu": cpu, "memory": memory },
        })
    };
    let all: Vec<Value> = call.world.members(id).iter().map(member).collect();
    Ok(few(call.request, "droplets", &all))
}

pub(super) fn history(call: &Call<'_>, id: &str) -> Outcome {
    let pool = call.world.pools.get(id).ok_or_else(Refusal::not_found)?;
    Ok(few(call.request, "history", &pool.history))
}
