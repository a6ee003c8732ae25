//! Which firewalls are put and which go.

use std::collections::{BTreeMap, BTreeSet};

use sluice_infra_cloud::Firewall;
use sluice_infra_spec::Spec;

use super::types::{Plan, Step};
use crate::firewalls::{in_normal_form, of_fleet, rule_text};
use crate::observe::Observed;

/// Puts firewalls before all other steps, and takes those that no pool wants away after them.
pub(super) fn plan(spec: &Spec, observed: &Observed, made: &mut Plan) {
    let mut standing: BTreeMap<&str, &Firewall> = BTreeMap::new();
    let mut extra = Vec::new();
    let mut sorted: Vec<&Firewall> = observed.firewalls.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    for firewall in sorted {
        if spec.pools.iter().all(|pool| crate::tags::firewall_name(&spec.fleet, &pool.name) != firewall.name)
            || standing.contains_key(firewall.name.as_str())
        {
            extra.push(Step::DeleteFirewall { id: firewall.id.clone(), name: firewall.name.clone() });
        } else {
            standing.insert(&firewall.name, firewall);
        }
    }
    let puts = of_fleet(spec).into_iter().filter_map(|wanted| put(wanted, &standing));
    made.steps.splice(0..0, puts.collect::<Vec<_>>());
    made.steps.append(&mut extra);
}

fn put(wanted: Firewall, standing: &BTreeMap<&str, &Firewall>) -> Option<Step> {
    let old = standing.get(wanted.name.as_str()).map(|firewall| in_normal_form(firewall));
    if old.as_ref() == Some(&wanted) {
        return None;
    }
    let (before, after) = (old.as_ref().map(texts).unwrap_or_default(), texts(&wanted));
    Some(Step::PutFirewall {
        new: old.is_none(),
        added: after.difference(&before).cloned().collect(),
        removed: before.difference(&after).cloned().collect(),
        firewall: wanted,
    })
}

fn texts(firewall: &Firewall) -> BTreeSet<String> {
    let tags = firewall.tags.iter().map(|tag| format!("for {tag}"));
    firewall.inbound.iter().map(rule_text).chain(tags).collect()
}
