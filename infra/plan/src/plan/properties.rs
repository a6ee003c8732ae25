//! What holds for every plan: carried out on a model cloud it leads to an empty one, never above the budget.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_infra_cloud::{DropletId, DropletStatus, Firewall};
use sluice_infra_spec::{Role, Spec};

use super::tests::{droplet_of, pool, scaled, sizes, spec_of_cats, user_data};
use super::*;
use crate::observe::Seen;

/// Pools that droplets of the model may belong to; the last is in no file.
const POOLS: [&str; 4] = ["edge", "app", "canary", "retired"];
const SIZES: [&str; 3] = ["s-1vcpu-1gb", "s-1vcpu-2gb", "s-2vcpu-4gb"];

fn any_spec() -> impl Strategy<Value = Spec> {
    let pools = (0_u32..5, 0_usize..3, prop::option::of((0_u32..3, 0_u32..4)));
    (vec(pools, 3), prop::option::of(0_u64..20_000)).prop_map(|(pools, monthly_cents_max)| {
        let mut spec = spec_of_cats();
        spec.monthly_cents_max = monthly_cents_max;
        spec.pools = Vec::new();
        for (number, (count, size, scale)) in pools.into_iter().enumerate() {
            let roles: &[Role] = if number == 0 { &[Role::Router, Role::Redis] } else { &[Role::App] };
            let mut made = pool(POOLS[number], roles, if number == 0 { 1 } else { count });
            made.size = SIZES[size].to_owned();
            made.scale = scale.filter(|_| number > 0).map(|(min, more)| scaled(min, min + more));
            spec.pools.push(made);
        }
        spec
    })
}

fn any_droplets() -> impl Strategy<Value = Vec<(usize, usize, usize, bool, u8)>> {
    // Pool, size, status, whether its user-data is an older one, which operation (few, so that duplicates occur).
    vec((0_usize..5, 0_usize..3, 0_usize..4, any::<bool>(), 0_u8..30), 0..12)
}

fn observed(spec: &Spec, droplets: Vec<(usize, usize, usize, bool, u8)>) -> Observed {
    let droplets = droplets.into_iter().enumerate().map(|(number, (of, size, status, older, operation))| {
        let name = POOLS.get(of).copied().unwrap_or("app");
        let of_pool = spec.pool(name).cloned().unwrap_or_else(|| pool(name, &[Role::App], 1));
        let mut droplet = droplet_of(spec, &of_pool, &number.to_string()).droplet;
        droplet.size = SIZES[size].to_owned();
        droplet.created_ms = u64::from(operation);
        droplet.status =
            [DropletStatus::Active, DropletStatus::New, DropletStatus::Off, DropletStatus::Active][status].clone();
        droplet.tags.retain(|tag| !tag.contains(":op:"));
        droplet.tags.push(format!("sluice:cats:op:{operation}"));
        if older {
            droplet.tags.retain(|tag| !tag.contains(":data:"));
            droplet.tags.push("sluice:cats:data:000000000000".to_owned());
        }
        if of == POOLS.len() {
            droplet.tags = vec!["sluice:cats".to_owned()];
        }
        Seen::new("cats", droplet)
    });
    let firewalls = vec![Firewall {
        id: "1".to_owned(),
        name: "cats-retired".to_owned(),
        tags: vec!["sluice:cats:pool:retired".to_owned()],
        inbound: Vec::new(),
    }];
    Observed { droplets: droplets.collect(), firewalls, enforces_firewalls: true, ..Observed::default() }
}

/// The model cloud: it does what it is told, at once.
fn carry_out(spec: &Spec, observed: &Observed, plan: &Plan) -> Observed {
    let mut after = observed.clone();
    let mut number = 1000;
    let mut create = |after: &mut Observed, wanted: &Wanted| {
        number += 1;
        let of_pool = spec.pool(&wanted.pool).unwrap();
        after.droplets.push(droplet_of(spec, of_pool, &number.to_string()));
    };
    let delete = |after: &mut Observed, id: &DropletId| after.droplets.retain(|seen| seen.droplet.id != *id);
    for step in &plan.steps {
        match step {
            Step::Create { wanted, .. } => create(&mut after, wanted),
            Step::Replace { id, wanted, .. } => {
                create(&mut after, wanted);
                delete(&mut after, id);
            }
            Step::Delete { id, .. } => delete(&mut after, id),
            Step::PutFirewall { firewall, .. } => {
                after.firewalls.retain(|old| old.name != firewall.name);
                after.firewalls.push(firewall.clone());
            }
            Step::DeleteFirewall { id, name } => {
                after.firewalls.retain(|old| (&old.id, &old.name) != (id, name));
            }
        }
    }
    after
}

fn cents(observed: &Observed) -> u64 {
    let prices = Prices::new(&sizes());
    observed.droplets.iter().map(|seen| prices.monthly_cents(&seen.droplet.size)).sum()
}

proptest! {
    #[test]
    fn carried_out_it_leads_to_an_empty_one(spec in any_spec(), droplets in any_droplets()) {
        let before = observed(&spec, droplets);
        let made = plan(&spec, &user_data(&spec), &before, &sizes());
        let after = carry_out(&spec, &before, &made);
        let again = plan(&spec, &user_data(&spec), &after, &sizes());
        prop_assert!(again.is_empty(), "{:#?}", again.steps);
    }

    #[test]
    fn it_leads_to_its_price_and_never_above_the_budget(spec in any_spec(), droplets in any_droplets()) {
        let before = observed(&spec, droplets);
        let made = plan(&spec, &user_data(&spec), &before, &sizes());
        let (now, then) = (cents(&before), cents(&carry_out(&spec, &before, &made)));
        prop_assert_eq!((made.price.now_cents, made.price.then_cents), (now, then));
        prop_assert!(made.price.at_max_cents >= then && made.price.peak_cents >= now.max(then));
        if let Some(budget) = spec.monthly_cents_max {
            let refused = made.refusals.iter().any(|refusal| matches!(refusal, Refusal::Budget { .. }));
            prop_assert_eq!(refused, then > budget && then > now);
            prop_assert!(refused || made.price.peak_cents <= budget.max(now).max(then));
        }
    }

    #[test]
    fn a_scaled_pool_keeps_its_number_between_its_bounds(spec in any_spec(), droplets in any_droplets()) {
        let before = observed(&spec, droplets);
        let made = plan(&spec, &user_data(&spec), &before, &sizes());
        let after = carry_out(&spec, &before, &made);
        let single = duplicates(&before);
        for scaled in spec.pools.iter().filter(|pool| pool.scale.is_some()) {
            let (min, max) = pools::bounds(scaled);
            let count = |observed: &Observed, but: bool| {
                let of_pool = |seen: &&Seen| {
                    seen.pool.as_deref() == Some(&scaled.name) && !(but && single.contains(&seen.droplet.id))
                };
                observed.droplets.iter().filter(of_pool).count()
            };
            prop_assert_eq!(count(&after, false), count(&before, true).clamp(min, max));
        }
    }

    #[test]
    fn the_order_of_the_listing_does_not_matter(spec in any_spec(), droplets in any_droplets()) {
        let before = observed(&spec, droplets);
        let mut reversed = before.clone();
        reversed.droplets.reverse();
        let data = user_data(&spec);
        prop_assert_eq!(plan(&spec, &data, &before, &sizes()), plan(&spec, &data, &reversed, &sizes()));
    }
}
