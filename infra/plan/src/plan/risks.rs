//! What of a plan may hurt, said before it is carried out.

use sluice_infra_cloud::DropletId;
use sluice_infra_spec::{Role, Spec};

use super::price::Prices;
use super::types::{Order, Plan, Risk, RiskKind, Step, usd};
use crate::observe::{Observed, Seen};
use crate::tags;

/// Fills in `risks`, the worst first.
pub(super) fn mark(spec: &Spec, observed: &Observed, prices: &Prices, made: &mut Plan) {
    let mut risks = Vec::new();
    data_loss(spec, observed, made, &mut risks);
    downtime(spec, observed, made, &mut risks);
    money(made, &mut risks);
    for step in &made.steps {
        if let Step::Replace { name, changes, .. } = step {
            let fields: Vec<String> = changes.iter().map(|change| change.field.to_string()).collect();
            let text = format!("is replaced for its {}: address and disk are new", fields.join(", "));
            risks.push(Risk { kind: RiskKind::Replace, subject: name.clone(), text });
        }
    }
    for seen in observed.droplets.iter().filter(|seen| !prices.knows(&seen.droplet.size)) {
        let text = format!("the cloud no longer lists its size `{}`: its price is not counted", seen.droplet.size);
        risks.push(Risk { kind: RiskKind::UnknownPrice, subject: seen.droplet.name.clone(), text });
    }
    if !observed.enforces_firewalls {
        let text = "this cloud does not enforce firewalls: whoever reaches a droplet reaches its ports".to_owned();
        risks.push(Risk { kind: RiskKind::FirewallNotEnforced, subject: spec.fleet.clone(), text });
    }
    risks.sort_by(|a, b| (a.kind, &a.subject).cmp(&(b.kind, &b.subject)));
    made.risks = risks;
}

/// Droplets that this plan takes away, with what it does to them.
fn leaving(made: &Plan) -> impl Iterator<Item = (&DropletId, &Step)> {
    made.steps.iter().filter_map(|step| match step {
        Step::Replace { id, .. } | Step::Delete { id, .. } => Some((id, step)),
        Step::Create { .. } | Step::PutFirewall { .. } | Step::DeleteFirewall { .. } => None,
    })
}

fn has_role(spec: &Spec, seen: &Seen, role: Role) -> bool {
    let of_pool = seen.pool.as_deref().and_then(|pool| spec.pool(pool)).is_some_and(|pool| pool.roles.contains(&role));
    of_pool || seen.droplet.tags.contains(&tags::role(&spec.fleet, role))
}

fn data_loss(spec: &Spec, observed: &Observed, made: &Plan, risks: &mut Vec<Risk>) {
    for (id, _) in leaving(made) {
        let redis = |seen: &&Seen| seen.droplet.id == *id && has_role(spec, seen, Role::Redis);
        if let Some(seen) = observed.droplets.iter().find(redis) {
            let text = "Redis goes with it: flags, rollouts and what apps keep there are lost".to_owned();
            risks.push(Risk { kind: RiskKind::DataLoss, subject: seen.droplet.name.clone(), text });
        }
    }
}

fn downtime(spec: &Spec, observed: &Observed, made: &Plan, risks: &mut Vec<Risk>) {
    let goes = |seen: &Seen| leaving(made).any(|(id, _)| *id == seen.droplet.id);
    let routers: Vec<&Seen> = observed.droplets.iter().filter(|seen| has_role(spec, seen, Role::Router)).collect();
    if !routers.is_empty() && routers.iter().all(|seen| goes(seen)) {
        for seen in routers {
            let text = "no router stays: the edge moves to another address".to_owned();
            risks.push(Risk { kind: RiskKind::Downtime, subject: seen.droplet.name.clone(), text });
        }
    }
    for pool in &spec.pools {
        let stays = made.keeps.iter().any(|keep| keep.pool.as_deref() == Some(&pool.name));
        let goes_first = |step: &Step| match step {
            Step::Replace { order: Order::DeleteFirst, wanted, .. } => wanted.pool == pool.name,
            _ => false,
        };
        if !stays && made.steps.iter().any(goes_first) {
            let text = "the old droplet goes before the new one stands".to_owned();
            risks.push(Risk { kind: RiskKind::Downtime, subject: format!("pool {}", pool.name), text });
        }
    }
}

fn money(made: &Plan, risks: &mut Vec<Risk>) {
    let mut mark = |kind, text| risks.push(Risk { kind, subject: made.fleet.clone(), text });
    if let Some(budget) = made.price.budget_cents {
        let price = made.price;
        if price.then_cents > budget {
            mark(
                RiskKind::OverBudget,
                format!("costs {} a month, the budget is {}", usd(price.then_cents), usd(budget)),
            );
        } else if price.at_max_cents > budget {
            let (at_max, budget) = (usd(price.at_max_cents), usd(budget));
            let text =
                format!("would cost {at_max} with every scaled pool at its largest: the controller stops at {budget}");
            mark(RiskKind::OverBudget, text);
        }
    }
    if !made.unknown.is_empty() {
        let text = format!("{} droplets have its tag and belong to no pool: see `sluice-infra gc`", made.unknown.len());
        mark(RiskKind::Unknown, text);
    }
}
