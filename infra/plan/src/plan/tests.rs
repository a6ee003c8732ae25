//! The plan, case by case; and the fleet that tests of this crate speak of.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_infra_cloud::{Droplet, DropletId, DropletStatus, Size};
use sluice_infra_spec::{App, CloudSpec, Health, Pipeline, Pool, RedisSpec, Role, RouterSpec, ScaleSpec, Secret, Spec};

use super::*;
use crate::observe::Seen;
use crate::{firewalls, tags};

pub(crate) fn pool(name: &str, roles: &[Role], count: u32) -> Pool {
    let app = roles.contains(&Role::App).then(|| "meow".to_owned());
    Pool {
        name: name.to_owned(),
        roles: roles.to_vec(),
        size: "s-1vcpu-1gb".to_owned(),
        count,
        variant: app.as_ref().map(|_| "stable".to_owned()),
        app,
        scale: None,
    }
}

pub(super) fn scaled(min: u32, max: u32) -> ScaleSpec {
    ScaleSpec {
        min,
        max,
        on_alert: None,
        target: None,
        boot_deadline: Duration::from_mins(5),
        warm_up: Duration::from_mins(1),
        drain: Duration::from_mins(1),
        unhealthy_after: Duration::from_mins(1),
        replacements_per_hour_max: 3,
    }
}

/// One droplet is router and Redis, two run the app.
pub(crate) fn spec_of_cats() -> Spec {
    let health = Health {
        path: "/healthz".to_owned(),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        healthy: 2,
        deadline: Duration::from_secs(30),
    };
    let pipeline = Pipeline { steps: Vec::new(), artifacts: Vec::new(), branch: "main".to_owned() };
    let app = App {
        name: "meow".to_owned(),
        run: vec!["./meow".to_owned()],
        env: BTreeMap::new(),
        health,
        port: 8000,
        drain: Duration::from_secs(30),
        keep_releases: 3,
        pipeline,
    };
    Spec {
        fleet: "cats".to_owned(),
        cloud: CloudSpec::Local,
        region: "fra1".to_owned(),
        image: "debian-13-x64".to_owned(),
        monthly_cents_max: None,
        pools: vec![pool("edge", &[Role::Router, Role::Redis], 1), pool("app", &[Role::App], 2)],
        apps: vec![app],
        router: RouterSpec { folder: "router".to_owned(), edge_port: 8080, admin_port: 9900 },
        redis: RedisSpec { port: 6379, password: Secret::Env("REDIS_PASSWORD".to_owned()) },
        rules: Vec::new(),
        metrics_port: 9100,
        age: None,
    }
}

pub(crate) fn sizes() -> Vec<Size> {
    let size = |slug: &str, monthly_cents, hourly_usd| Size {
        slug: slug.to_owned(),
        vcpus: 1,
        memory_mib: 1024,
        disk_gib: 25,
        monthly_cents,
        hourly_usd,
        available: true,
        regions: vec!["fra1".to_owned(), "ams3".to_owned()],
    };
    vec![size("s-1vcpu-1gb", 600, 0.00893), size("s-1vcpu-2gb", 1200, 0.01786), size("s-2vcpu-4gb", 2400, 0.03571)]
}

pub(crate) fn user_data(spec: &Spec) -> UserData {
    spec.pools
        .iter()
        .map(|pool| (pool.name.clone(), format!("#cloud-config\n{{\"pool\":\"{}\"}}", pool.name)))
        .collect()
}

/// A droplet as the plan for this spec makes it.
pub(super) fn droplet_of(spec: &Spec, pool: &Pool, id: &str) -> Seen {
    let wanted = wanted(spec, pool, &user_data(spec));
    let mut tags = wanted.tags;
    tags.push(format!("sluice:{}:op:{id}", spec.fleet));
    let droplet = Droplet {
        id: DropletId(id.to_owned()),
        name: format!("{}-{}-{id}", spec.fleet, pool.name),
        status: DropletStatus::Active,
        region: wanted.region,
        size: wanted.size,
        image: Some(wanted.image),
        tags,
        public_address: Some([127, 0, 0, 1].into()),
        private_address: Some([10, 0, 0, 1].into()),
        created_ms: 1,
    };
    Seen::new(&spec.fleet, droplet)
}

pub(crate) fn observed_droplet(id: &str, pool: &str) -> Seen {
    let spec = spec_of_cats();
    droplet_of(&spec, spec.pool(pool).unwrap(), id)
}

/// The fleet as wanted: ids `edge-0`, `app-0`, `app-1`.
pub(super) fn standing(spec: &Spec) -> Observed {
    let droplets = spec.pools.iter().flat_map(|pool| {
        let count = pool.scale.as_ref().map_or(pool.count, |scale| scale.min);
        (0..count).map(move |number| droplet_of(spec, pool, &format!("{}-{number}", pool.name)))
    });
    Observed {
        droplets: droplets.collect(),
        firewalls: firewalls::of_fleet(spec),
        droplets_max: Some(10),
        enforces_firewalls: true,
        ..Observed::default()
    }
}

fn planned(spec: &Spec, observed: &Observed) -> Plan {
    plan(spec, &user_data(spec), observed, &sizes())
}

fn kinds(plan: &Plan) -> Vec<RiskKind> {
    plan.risks.iter().map(|risk| risk.kind).collect()
}

#[test]
fn an_empty_account_gets_walls_then_droplets() {
    let spec = spec_of_cats();
    let observed = Observed { enforces_firewalls: true, ..Observed::default() };
    let plan = planned(&spec, &observed);
    assert_eq!(plan.counts(), Counts { creates: 3, replaces: 0, deletes: 0, firewalls: 2 });
    assert!(matches!(&plan.steps[..2], [Step::PutFirewall { new: true, .. }, Step::PutFirewall { new: true, .. }]));
    assert_eq!((plan.price.now_cents, plan.price.then_cents, plan.price.peak_cents), (0, 1800, 1800));
    assert!(plan.risks.is_empty() && plan.refusals.is_empty());
}

#[test]
fn a_fleet_as_wanted_has_an_empty_plan() {
    let spec = spec_of_cats();
    let plan = planned(&spec, &standing(&spec));
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(plan.keeps.len(), 3);
}

#[test]
fn a_larger_size_replaces_with_the_field_that_differs() {
    let mut spec = spec_of_cats();
    let observed = standing(&spec);
    spec.pools[1].size = "s-1vcpu-2gb".to_owned();
    let plan = planned(&spec, &observed);
    assert_eq!(plan.counts().replaces, 2);
    let Step::Replace { changes, order, .. } = &plan.steps[0] else { panic!("{plan:?}") };
    let change = FieldChange { field: Field::Size, old: "s-1vcpu-1gb".to_owned(), new: "s-1vcpu-2gb".to_owned() };
    assert_eq!((changes.as_slice(), *order), (&[change][..], Order::CreateFirst));
    assert_eq!((plan.price.then_cents, plan.price.peak_cents), (3000, 4200));
    assert_eq!(kinds(&plan), [RiskKind::Replace, RiskKind::Replace]);
}

#[test]
fn replacing_redis_loses_data_and_the_old_one_goes_first() {
    let mut spec = spec_of_cats();
    let observed = standing(&spec);
    spec.pools[0].size = "s-2vcpu-4gb".to_owned();
    let plan = planned(&spec, &observed);
    assert!(plan.loses_data());
    assert!(matches!(&plan.steps[0], Step::Replace { order: Order::DeleteFirst, .. }));
    assert_eq!(kinds(&plan), [RiskKind::DataLoss, RiskKind::Downtime, RiskKind::Downtime, RiskKind::Replace]);
}

#[test]
fn too_many_lose_those_that_are_not_worth_keeping() {
    let mut spec = spec_of_cats();
    let mut observed = standing(&spec);
    let mut off = droplet_of(&spec, &spec.pools[1], "a-off");
    off.droplet.status = DropletStatus::Off;
    observed.droplets.insert(0, off);
    spec.pools[1].count = 1;
    let plan = planned(&spec, &observed);
    let gone: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| if let Step::Delete { id, .. } = step { Some(id.0.as_str()) } else { None })
        .collect();
    assert_eq!(gone, ["app-1", "a-off"]);
    assert_eq!(plan.counts().replaces, 0);
}

#[test]
fn a_scaled_pool_is_left_alone_between_its_bounds() {
    let mut spec = spec_of_cats();
    spec.pools[1].scale = Some(scaled(1, 3));
    let mut observed = standing(&spec);
    for (more, creates, deletes) in [(0, 0, 0), (2, 0, 0), (3, 0, 1)] {
        let mut observed = observed.clone();
        for number in 0..more {
            observed.droplets.push(droplet_of(&spec, &spec.pools[1], &format!("more-{number}")));
        }
        let counts = planned(&spec, &observed).counts();
        assert_eq!((counts.creates, counts.deletes), (creates, deletes), "{more} more");
    }
    observed.droplets.retain(|seen| seen.pool.as_deref() == Some("edge"));
    let plan = planned(&spec, &observed);
    assert_eq!(plan.counts().creates, 1);
    assert_eq!(plan.price.at_max_cents, 2400);
}

#[test]
fn more_than_the_budget_is_refused_and_exactly_the_budget_is_not() {
    let mut spec = spec_of_cats();
    spec.monthly_cents_max = Some(1800);
    let empty = Observed::default();
    assert!(planned(&spec, &empty).refusals.is_empty());
    spec.monthly_cents_max = Some(1799);
    assert_eq!(planned(&spec, &empty).refusals, [Refusal::Budget { then_cents: 1800, budget_cents: 1799 }]);
    // What stands already and only shrinks is not held up.
    let observed = standing(&spec);
    spec.monthly_cents_max = Some(600);
    spec.pools[1].count = 1;
    let plan = planned(&spec, &observed);
    assert!(plan.refusals.is_empty(), "{plan:?}");
    assert!(kinds(&plan).contains(&RiskKind::OverBudget));
}

#[test]
fn a_budget_without_room_for_two_turns_replacements_round() {
    let mut spec = spec_of_cats();
    let observed = standing(&spec);
    spec.pools[1].size = "s-1vcpu-2gb".to_owned();
    spec.monthly_cents_max = Some(3700);
    let plan = planned(&spec, &observed);
    let orders: Vec<Order> = plan
        .steps
        .iter()
        .filter_map(|step| if let Step::Replace { order, .. } = step { Some(*order) } else { None })
        .collect();
    assert_eq!(orders, [Order::DeleteFirst, Order::CreateFirst]);
    assert!(plan.deletes_first && plan.price.peak_cents <= 3700, "{:?}", plan.price);
}

#[test]
fn sizes_that_cannot_be_had_are_refused_with_one_that_can() {
    let mut spec = spec_of_cats();
    spec.pools[1].size = "s-1vcpu-3gb".to_owned();
    let refusals = planned(&spec, &Observed::default()).refusals;
    assert_eq!(refusals.len(), 1);
    assert!(refusals[0].to_string().contains("did you mean `s-1vcpu-"), "{}", refusals[0]);
    spec.pools[1].size = "s-1vcpu-2gb".to_owned();
    spec.region = "nyc9".to_owned();
    let refusals = planned(&spec, &Observed::default()).refusals;
    assert!(refusals.iter().all(|refusal| matches!(refusal, Refusal::SizeNotThere { .. })), "{refusals:?}");
    assert_eq!(refusals.len(), 2);
}

#[test]
fn the_limit_of_the_account_is_a_refusal() {
    let spec = spec_of_cats();
    let observed = |droplets_max| Observed { droplets_max: Some(droplets_max), ..Observed::default() };
    assert!(planned(&spec, &observed(3)).refusals.is_empty());
    assert_eq!(planned(&spec, &observed(2)).refusals, [Refusal::Quota { wanted: 3, droplets_max: 2 }]);
}

#[test]
fn duplicates_and_what_was_replaced_already_go() {
    let spec = spec_of_cats();
    let mut observed = standing(&spec);
    let mut twin = droplet_of(&spec, &spec.pools[1], "app-0");
    twin.droplet.id = DropletId("twin".to_owned());
    twin.droplet.created_ms = 2;
    observed.droplets.push(twin);
    let mut old = droplet_of(&spec, &spec.pools[1], "old");
    old.droplet.size = "s-2vcpu-4gb".to_owned();
    observed.superseded.insert(old.droplet.id.clone(), DropletId("app-1".to_owned()));
    observed.droplets.push(old);
    let plan = planned(&spec, &observed);
    let gone: Vec<(&str, Reason)> = plan
        .steps
        .iter()
        .filter_map(
            |step| if let Step::Delete { id, reason, .. } = step { Some((id.0.as_str(), *reason)) } else { None },
        )
        .collect();
    assert_eq!(gone, [("old", Reason::Superseded), ("twin", Reason::Duplicate)]);
    assert_eq!(plan.steps.len(), 2);
}

#[test]
fn a_droplet_of_no_pool_is_left_alone_and_said() {
    let spec = spec_of_cats();
    let mut observed = standing(&spec);
    let mut stray = droplet_of(&spec, &spec.pools[1], "stray");
    stray.droplet.tags = vec![tags::fleet("cats")];
    observed.droplets.push(Seen::new("cats", stray.droplet));
    let plan = planned(&spec, &observed);
    assert!(plan.is_empty());
    assert_eq!(plan.unknown.len(), 1);
    assert_eq!(kinds(&plan), [RiskKind::Unknown]);
}

#[test]
fn a_pool_that_left_the_file_leaves_the_cloud() {
    let mut spec = spec_of_cats();
    let observed = standing(&spec);
    spec.pools.pop();
    let plan = planned(&spec, &observed);
    assert_eq!(plan.counts(), Counts { creates: 0, replaces: 0, deletes: 2, firewalls: 1 });
    assert!(matches!(plan.steps.last(), Some(Step::DeleteFirewall { name, .. }) if name == "cats-app"));
}

#[test]
fn a_firewall_that_was_opened_is_closed_again() {
    let spec = spec_of_cats();
    let mut observed = standing(&spec);
    let open = sluice_infra_cloud::FirewallRule {
        protocol: sluice_infra_cloud::Protocol::Tcp,
        ports: (8000, 8000),
        sources: vec![sluice_infra_cloud::Source::Range("0.0.0.0/0".to_owned())],
    };
    observed.firewalls[0].inbound.push(open);
    let plan = planned(&spec, &observed);
    let [Step::PutFirewall { new: false, added, removed, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert!(added.is_empty());
    assert_eq!(removed, &["tcp 8000 from 0.0.0.0/0"]);
}
