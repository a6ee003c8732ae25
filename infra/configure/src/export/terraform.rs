//! Terraform: droplets, tags and firewalls for the provider `digitalocean/digitalocean`, as JSON. What is on the machines is
//! the matter of the other exports.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sluice_infra_cloud::{Firewall, FirewallRule, Protocol, Source};
use sluice_infra_spec::{Pool, Spec};

use super::{Files, count, pretty};

/// Oldest provider that has all of this.
const PROVIDER: &str = ">= 2.30";

/// What is not in the file of the fleet.
#[derive(Debug)]
pub struct Provisioned<'a> {
    /// The firewalls of the fleet.
    pub firewalls: &'a [Firewall],
    /// What droplets of a pool begin with.
    pub user_data: &'a BTreeMap<String, String>,
    /// The key that logs in.
    pub public_key: &'a str,
}

/// `main.tf.json`. The token is that of the environment (DIGITALOCEAN_TOKEN).
#[must_use]
pub fn terraform(spec: &Spec, made: &Provisioned<'_>, tags_of: impl Fn(&Pool) -> Vec<String>) -> Files {
    let (mut tags, mut droplets, mut walls, mut outputs) = (Map::new(), Map::new(), Map::new(), Map::new());
    let mut tag = |name: &str| {
        let id = identifier(name);
        tags.insert(id.clone(), json!({ "name": literal(name) }));
        format!("${{digitalocean_tag.{id}.name}}")
    };
    for pool in &spec.pools {
        let id = identifier(&pool.name);
        let of_pool: Vec<String> = tags_of(pool).iter().map(|name| tag(name)).collect();
        droplets.insert(id.clone(), droplet(spec, pool, &of_pool, made.user_data.get(&pool.name)));
        outputs.insert(id.clone(), json!({ "value": format!("${{digitalocean_droplet.{id}[*].ipv4_address}}") }));
    }
    for firewall in made.firewalls {
        let id = identifier(&firewall.name);
        let of: Vec<String> = firewall.tags.iter().map(|name| tag(name)).collect();
        let inbound: Vec<Value> = firewall.inbound.iter().map(|rule| inbound(rule, &mut tag)).collect();
        walls.insert(
            id,
            json!({
                "name": literal(&firewall.name), "tags": of, "inbound_rule": inbound, "outbound_rule": outbound(),
            }),
        );
    }
    let mut resources = Map::new();
    let key = json!({ "fleet": { "name": literal(&spec.fleet), "public_key": "${var.ssh_public_key}" } });
    resources.insert("digitalocean_ssh_key".to_owned(), key);
    let kinds = [("digitalocean_tag", tags), ("digitalocean_droplet", droplets), ("digitalocean_firewall", walls)];
    for (kind, found) in kinds.into_iter().filter(|(_, found)| !found.is_empty()) {
        resources.insert(kind.to_owned(), Value::Object(found));
    }
    let source = json!({ "source": "digitalocean/digitalocean", "version": PROVIDER });
    let document = json!({
        "//": "By `sluice-infra export terraform`. The token is that of DIGITALOCEAN_TOKEN. A pool that scales has its first count here.",
        "terraform": { "required_providers": { "digitalocean": source } },
        "variable": { "ssh_public_key": { "type": "string", "default": made.public_key, "description": "Who logs in as root" } },
        "resource": resources,
        "output": outputs,
    });
    Files::from([("main.tf.json".to_owned(), pretty(&document) + "\n")])
}

fn droplet(spec: &Spec, pool: &Pool, tags: &[String], user_data: Option<&String>) -> Value {
    json!({
        "count": count(pool),
        "name": format!("{}-${{count.index + 1}}", literal(&format!("{}-{}", spec.fleet, pool.name))),
        "region": literal(&spec.region),
        "image": literal(&spec.image),
        "size": literal(&pool.size),
        "ssh_keys": ["${digitalocean_ssh_key.fleet.fingerprint}"],
        "tags": tags,
        "user_data": user_data.map(|text| literal(text)),
    })
}

fn inbound(rule: &FirewallRule, tag: &mut impl FnMut(&str) -> String) -> Value {
    let (mut addresses, mut tags) = (Vec::new(), Vec::new());
    for source in &rule.sources {
        match source {
            Source::Range(range) => addresses.push(literal(range)),
            Source::Tag(name) => tags.push(tag(name)),
        }
    }
    let ports = match rule.ports {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    let mut made = json!({ "protocol": protocol(rule.protocol), "port_range": ports });
    if !addresses.is_empty() {
        made["source_addresses"] = json!(addresses);
    }
    if !tags.is_empty() {
        made["source_tags"] = json!(tags);
    }
    made
}

const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// Everything may go out.
fn outbound() -> Value {
    let everywhere = ["0.0.0.0/0", "::/0"];
    json!([
        { "protocol": "tcp", "port_range": "1-65535", "destination_addresses": everywhere },
        { "protocol": "udp", "port_range": "1-65535", "destination_addresses": everywhere },
        { "protocol": "icmp", "destination_addresses": everywhere },
    ])
}

/// The name of a resource: letters, digits, `-` and `_`, and no digit first.
fn identifier(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("of_{name}") }
}

/// Text that stands for itself.
fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_taken_as_they_are() {
        assert_eq!(identifier("sluice:cats:role:app"), "sluice_cats_role_app");
        assert_eq!(identifier("9-lives"), "of_9-lives");
        assert_eq!(literal("${a} %{b} $c"), "$${a} %%{b} $c");
    }
}
