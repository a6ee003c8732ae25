//! Firewalls: our rules in the API's words and back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DigitalOcean;
use super::call::Call;
use super::fault;
use crate::error::CloudError;
use crate::types::{Firewall, FirewallRule, Protocol, Source};

#[derive(Deserialize)]
pub(super) struct FirewallEntry {
    id: String,
    pub(super) name: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    inbound_rules: Option<Vec<RuleEntry>>,
}

#[derive(Serialize, Deserialize)]
struct RuleEntry {
    protocol: String,
    #[serde(default)]
    ports: String,
    #[serde(default)]
    sources: Option<Sources>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Sources {
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
}

impl DigitalOcean {
    pub(super) async fn all_firewalls(&self, prefix: &str) -> Result<Vec<Firewall>, CloudError> {
        let call = Call::get(&["firewalls"]);
        let entries: Vec<FirewallEntry> = self.all(call.clone(), "firewalls").await?;
        // Those of others may hold what we have no words for.
        let ours = entries.into_iter().filter(|entry| entry.name.starts_with(prefix));
        ours.map(|entry| entry.read().map_err(|reason| fault::of_answer(&call, &reason))).collect()
    }

    pub(super) async fn write_firewall(&self, firewall: &Firewall) -> Result<Firewall, CloudError> {
        // First the tags: a firewall may name only those that exist.
        for tag in tags_of(firewall) {
            self.ensure_tag(tag).await?;
        }
        let call = Call::get(&["firewalls"]);
        let entries: Vec<FirewallEntry> = self.all(call, "firewalls").await?;
        let call = match entries.into_iter().find(|entry| entry.name == firewall.name) {
            Some(before) => Call::put(&["firewalls", &before.id], body(firewall)),
            None => Call::post(&["firewalls"], body(firewall)),
        };
        let entry: FirewallEntry = self.one(&call, "firewall").await?;
        entry.read().map_err(|reason| fault::of_answer(&call, &reason))
    }
}

/// All tags that a firewall names, each once.
fn tags_of(firewall: &Firewall) -> Vec<&String> {
    let sources = firewall.inbound.iter().flat_map(|rule| &rule.sources);
    let from = sources.filter_map(|source| if let Source::Tag(tag) = source { Some(tag) } else { None });
    let mut tags: Vec<&String> = firewall.tags.iter().chain(from).collect();
    tags.sort();
    tags.dedup();
    tags
}

fn body(firewall: &Firewall) -> Value {
    let everywhere = json!({ "addresses": ["0.0.0.0/0", "::/0"] });
    // "0" = all ports.
    let out = |protocol: &str| json!({ "protocol": protocol, "ports": "0", "destinations": everywhere });
    json!({
        "name": firewall.name,
        "tags": firewall.tags,
        "inbound_rules": firewall.inbound.iter().map(RuleEntry::of).collect::<Vec<_>>(),
        "outbound_rules": (["tcp", "udp", "icmp"].map(out)),
    })
}

impl FirewallEntry {
    fn read(self) -> Result<Firewall, String> {
        let rules = self.inbound_rules.unwrap_or_default().into_iter();
        let inbound = rules.filter(|rule| rule.protocol != "icmp").map(RuleEntry::read).collect::<Result<_, _>>()?;
        Ok(Firewall { id: self.id, name: self.name, tags: self.tags.unwrap_or_default(), inbound })
    }
}

impl RuleEntry {
    fn of(rule: &FirewallRule) -> Self {
        let (mut addresses, mut tags) = (Vec::new(), Vec::new());
        for source in &rule.sources {
            match source {
                Source::Range(range) => addresses.push(range.clone()),
                Source::Tag(tag) => tags.push(tag.clone()),
            }
        }
        let some = |list: Vec<String>| if list.is_empty() { None } else { Some(list) };
        let protocol = match rule.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let ports = match rule.ports {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        let sources = Some(Sources { addresses: some(addresses), tags: some(tags) });
        Self { protocol: protocol.to_owned(), ports, sources }
    }

    fn read(self) -> Result<FirewallRule, String> {
        let protocol = match self.protocol.as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(format!("a rule has the protocol `{other}`")),
        };
        let ports = ports(&self.ports).ok_or_else(|| format!("a rule has the ports `{}`", self.ports))?;
        let Sources { addresses, tags } = self.sources.unwrap_or_default();
        let ranges = addresses.unwrap_or_default().into_iter().map(Source::Range);
        let sources = ranges.chain(tags.unwrap_or_default().into_iter().map(Source::Tag)).collect();
        Ok(FirewallRule { protocol, ports, sources })
    }
}

/// `22`, `8000-9000`; `all` and `0` are all ports.
fn ports(text: &str) -> Option<(u16, u16)> {
    match text {
        "all" | "0" => Some((1, u16::MAX)),
        _ => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some((first.parse().ok()?, last.parse().ok()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_the_api_writes_them() {
        assert_eq!(ports("22"), Some((22, 22)));
        assert_eq!(ports("8000-8015"), Some((8000, 8015)));
        assert_eq!([ports("0"), ports("all")], [Some((1, 65535)); 2]);
        assert_eq!([ports(""), ports("a-b"), ports("70000"), ports("1-2-3")], [None; 4]);
    }

    #[test]
    fn a_firewall_of_words_that_are_new_is_an_error_and_not_a_smaller_one() {
        let of = |rule: Value| {
            let entry = json!({"id": "f", "name": "a", "inbound_rules": [rule]});
            serde_json::from_value::<FirewallEntry>(entry).unwrap().read()
        };
        assert_eq!(of(json!({"protocol": "icmp", "ports": "0"})).unwrap().inbound, []);
        of(json!({"protocol": "quic", "ports": "443"})).unwrap_err();
        of(json!({"protocol": "tcp", "ports": "some"})).unwrap_err();
    }
}
