//! The firewalls of a fleet: one per pool, so that nothing but a router reaches an app, and the gate cannot be gone
//! around.

use sluice_infra_cloud::{Firewall, FirewallRule, Protocol, Source};
use sluice_infra_spec::{App, Pool, Role, Spec};

use crate::tags;

/// Port of sshd; keys only.
const SSH_PORT: u16 = 22;

/// The firewall that each pool should have, by name.
#[must_use]
pub fn of_fleet(spec: &Spec) -> Vec<Firewall> {
    let mut firewalls: Vec<Firewall> = spec.pools.iter().map(|pool| of_pool(spec, pool)).collect();
    firewalls.sort_by(|a, b| a.name.cmp(&b.name));
    firewalls
}

fn of_pool(spec: &Spec, pool: &Pool) -> Firewall {
    let fleet = spec.fleet.as_str();
    let from_role = |role| Source::Tag(tags::role(fleet, role));
    let mut inbound = vec![tcp((SSH_PORT, SSH_PORT), everyone())];
    let metrics = (spec.metrics_port, spec.metrics_port);
    inbound.push(tcp(metrics, vec![from_role(Role::Router)]));
    for role in &pool.roles {
        match role {
            Role::Router => inbound.push(tcp((spec.router.edge_port, spec.router.edge_port), everyone())),
            Role::Redis => {
                inbound.push(tcp((spec.redis.port, spec.redis.port), vec![Source::Tag(tags::fleet(fleet))]));
            }
            Role::App => {
                let app = pool.app.as_deref().and_then(|name| spec.app(name));
                inbound.extend(app.map(|app| tcp(release_ports(app), vec![from_role(Role::Router)])));
            }
        }
    }
    let firewall = Firewall {
        id: String::new(),
        name: tags::firewall_name(fleet, &pool.name),
        tags: vec![tags::pool(fleet, &pool.name)],
        inbound,
    };
    in_normal_form(&firewall)
}

/// First and last port that releases of an app take turns in.
fn release_ports(app: &App) -> (u16, u16) {
    (app.port, app.port.saturating_add(App::PORTS - 1))
}

fn tcp(ports: (u16, u16), sources: Vec<Source>) -> FirewallRule {
    FirewallRule { protocol: Protocol::Tcp, ports, sources }
}

fn everyone() -> Vec<Source> {
    vec![Source::Range("0.0.0.0/0".to_owned()), Source::Range("::/0".to_owned())]
}

/// The same firewall without its identity, in an order that does not depend on the cloud's: two that mean the same
/// are equal.
#[must_use]
pub fn in_normal_form(firewall: &Firewall) -> Firewall {
    let mut normal = Firewall { id: String::new(), ..firewall.clone() };
    normal.tags.sort();
    for rule in &mut normal.inbound {
        rule.sources.sort();
        rule.sources.dedup();
    }
    normal.inbound.sort();
    normal.inbound.dedup();
    normal
}

/// A rule as a person reads it: `tcp 8000-8015 from sluice:cats:role:router`.
#[must_use]
pub fn rule_text(rule: &FirewallRule) -> String {
    let protocol = match rule.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let ports = match rule.ports {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    let sources = if rule.sources.len() == 2 && everyone().iter().all(|source| rule.sources.contains(source)) {
        "everyone".to_owned()
    } else {
        let of = |source: &Source| match source {
            Source::Range(text) | Source::Tag(text) => text.clone(),
        };
        rule.sources.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    format!("{protocol} {ports} from {sources}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::spec_of_cats;

    #[test]
    fn only_routers_reach_an_app_and_only_the_fleet_reaches_redis() {
        let firewalls = of_fleet(&spec_of_cats());
        let texts = |name: &str| -> Vec<String> {
            let firewall = firewalls.iter().find(|firewall| firewall.name == name).unwrap();
            firewall.inbound.iter().map(rule_text).collect()
        };
        assert_eq!(
            texts("cats-app"),
            [
                "tcp 22 from everyone",
                "tcp 8000-8015 from sluice:cats:role:router",
                "tcp 9100 from sluice:cats:role:router",
            ]
        );
        assert_eq!(
            texts("cats-edge"),
            [
                "tcp 22 from everyone",
                "tcp 6379 from sluice:cats",
                "tcp 8080 from everyone",
                "tcp 9100 from sluice:cats:role:router",
            ]
        );
    }

    #[test]
    fn the_order_of_the_cloud_does_not_matter() {
        let wanted = &of_fleet(&spec_of_cats())[0];
        let mut shuffled = wanted.clone();
        shuffled.id = "7".to_owned();
        shuffled.inbound.reverse();
        for rule in &mut shuffled.inbound {
            rule.sources.reverse();
        }
        assert_eq!(&in_normal_form(&shuffled), wanted);
    }
}
