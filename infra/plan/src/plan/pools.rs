//! Which droplets come, go and stay, pool by pool.

use std::collections::{BTreeMap, BTreeSet};

use sluice_infra_cloud::{DropletId, DropletStatus};
use sluice_infra_spec::{Pool, Role, Spec};

use super::price::Prices;
use super::types::{Field, FieldChange, Keep, Order, Plan, Reason, Step, UserData, Wanted};
use crate::observe::{Observed, Seen};
use crate::tags;

/// Fills in `steps`, `keeps` and `unknown`.
pub(super) fn plan(spec: &Spec, user_data: &UserData, observed: &Observed, prices: &Prices, made: &mut Plan) {
    let duplicates = duplicates(observed);
    let mut deletes = Vec::new();
    let mut members: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in by_id(observed) {
        let id = &seen.droplet.id;
        match seen.pool.as_deref() {
            None => made.unknown.push(keep(seen)),
            Some(_) if duplicates.contains(id) => deletes.push(delete(seen, Reason::Duplicate, prices)),
            Some(_) if observed.superseded.contains_key(id) => deletes.push(delete(seen, Reason::Superseded, prices)),
            Some(pool) if spec.pool(pool).is_none() => deletes.push(delete(seen, Reason::PoolGone, prices)),
            Some(pool) => members.entry(pool).or_default().push(seen),
        }
    }
    let mut pools: Vec<&Pool> = spec.pools.iter().collect();
    pools.sort_by(|a, b| a.name.cmp(&b.name));
    for pool in pools {
        let wanted = wanted(spec, pool, user_data);
        let members = members.remove(pool.name.as_str()).unwrap_or_default();
        plan_pool(pool, &wanted, members, prices, made, &mut deletes);
    }
    made.steps.append(&mut deletes);
}

fn plan_pool(
    pool: &Pool,
    wanted: &Wanted,
    members: Vec<&Seen>,
    prices: &Prices,
    made: &mut Plan,
    deletes: &mut Vec<Step>,
) {
    let mut members: Vec<(&Seen, Vec<FieldChange>)> =
        members.into_iter().map(|seen| (seen, changes(seen, wanted))).collect();
    // What is worth keeping comes first: as wanted, running, oldest.
    members.sort_by_key(|(seen, changes)| {
        let droplet = &seen.droplet;
        (!changes.is_empty(), droplet.status != DropletStatus::Active, droplet.created_ms, droplet.id.clone())
    });
    let (min, max) = bounds(pool);
    let surplus = members.split_off(members.len().min(max));
    deletes.extend(surplus.iter().map(|(seen, _)| delete(seen, Reason::Surplus, prices)));
    let missing = min.saturating_sub(members.len());
    for (seen, changes) in members {
        if changes.is_empty() {
            made.keeps.push(keep(seen));
            continue;
        }
        made.steps.push(Step::Replace {
            id: seen.droplet.id.clone(),
            name: seen.droplet.name.clone(),
            changes,
            wanted: wanted.clone(),
            order: order(pool),
            monthly_cents_before: prices.monthly_cents(&seen.droplet.size),
            monthly_cents: prices.monthly_cents(&wanted.size),
        });
    }
    for _ in 0..missing {
        made.steps.push(Step::Create { wanted: wanted.clone(), monthly_cents: prices.monthly_cents(&wanted.size) });
    }
}

/// Fewest and most droplets of a pool. Between them the controller decides, not the plan.
pub(super) fn bounds(pool: &Pool) -> (usize, usize) {
    let (min, max) = pool.scale.as_ref().map_or((pool.count, pool.count), |scale| (scale.min, scale.max));
    let count = |droplets: u32| usize::try_from(droplets).unwrap_or(usize::MAX);
    (count(min), count(max))
}

/// Two Redis at a time would each take writes that the other one never sees.
fn order(pool: &Pool) -> Order {
    if pool.roles.contains(&Role::Redis) { Order::DeleteFirst } else { Order::CreateFirst }
}

/// A droplet of this pool, as the file wants it.
#[must_use]
pub(crate) fn wanted(spec: &Spec, pool: &Pool, user_data: &UserData) -> Wanted {
    let user_data = user_data.get(&pool.name).cloned().unwrap_or_default();
    Wanted {
        pool: pool.name.clone(),
        size: pool.size.clone(),
        image: spec.image.clone(),
        region: spec.region.clone(),
        tags: tags::of_pool(&spec.fleet, pool, &user_data),
        user_data,
    }
}

fn changes(seen: &Seen, wanted: &Wanted) -> Vec<FieldChange> {
    let droplet = &seen.droplet;
    let mut changes = Vec::new();
    let mut compare = |field, old: &str, new: &str| {
        if old != new {
            changes.push(FieldChange { field, old: old.to_owned(), new: new.to_owned() });
        }
    };
    compare(Field::Size, &droplet.size, &wanted.size);
    // A cloud that does not tell the image, or no longer has a name for it, is believed.
    compare(Field::Image, droplet.image.as_ref().unwrap_or(&wanted.image), &wanted.image);
    compare(Field::Region, &droplet.region, &wanted.region);
    let data = tags::digest(&wanted.user_data);
    compare(Field::UserData, seen.data.as_ref().unwrap_or(&data), &data);
    // The digest is compared above, where a missing one is no difference.
    let is_data = |tag: &str| tag.contains(":data:");
    let missing: Vec<&str> = wanted
        .tags
        .iter()
        .map(String::as_str)
        .filter(|tag| !is_data(tag) && !droplet.tags.iter().any(|t| t == tag))
        .collect();
    compare(Field::Tags, "", &missing.join(" "));
    match &droplet.status {
        DropletStatus::New | DropletStatus::Active | DropletStatus::Other(_) => {}
        DropletStatus::Off => compare(Field::Status, "off", "active"),
        DropletStatus::Archive => compare(Field::Status, "archive", "active"),
    }
    changes
}

/// Droplets that came from an operation which another one came from too: the one that runs longest stays.
pub(crate) fn duplicates(observed: &Observed) -> BTreeSet<DropletId> {
    let mut by_operation: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in &observed.droplets {
        if let Some(operation) = &seen.operation {
            by_operation.entry(operation).or_default().push(seen);
        }
    }
    let mut duplicates = BTreeSet::new();
    for mut group in by_operation.into_values() {
        group.sort_by_key(|seen| {
            let droplet = &seen.droplet;
            (droplet.status != DropletStatus::Active, droplet.created_ms, droplet.id.clone())
        });
        duplicates.extend(group.iter().skip(1).map(|seen| seen.droplet.id.clone()));
    }
    duplicates
}

fn by_id(observed: &Observed) -> Vec<&Seen> {
    let mut droplets: Vec<&Seen> = observed.droplets.iter().collect();
    droplets.sort_by(|a, b| a.droplet.id.cmp(&b.droplet.id));
    droplets
}

fn keep(seen: &Seen) -> Keep {
    Keep {
        id: seen.droplet.id.clone(),
        name: seen.droplet.name.clone(),
        pool: seen.pool.clone(),
        waiting: seen.droplet.status == DropletStatus::New,
    }
}

fn delete(seen: &Seen, reason: Reason, prices: &Prices) -> Step {
    Step::Delete {
        id: seen.droplet.id.clone(),
        name: seen.droplet.name.clone(),
        pool: seen.pool.clone().unwrap_or_default(),
        reason,
        monthly_cents: prices.monthly_cents(&seen.droplet.size),
    }
}
