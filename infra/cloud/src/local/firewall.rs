//! Firewalls as nftables text, for the network namespace of one droplet. Pure.
//!
//! As in the cloud: a droplet with none of the firewalls' tags takes everything; one that is under some takes what one of
//! them lets in. What it began itself is answered. Nothing from outside gets into the text but numbers and addresses.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::book::Record;
use crate::error::CloudError;
use crate::types::{Firewall, Protocol, Source};

/// Checks what [`render`] relies on.
///
/// # Errors
/// [`CloudError::Invalid`] with the first thing that is wrong.
pub(super) fn check(firewall: &Firewall) -> Result<(), CloudError> {
    let invalid = |message: String| Err(CloudError::Invalid { message, request_id: None });
    if firewall.name.is_empty() || firewall.name.len() > 255 {
        return invalid("a firewall has a name of at most 255 bytes".into());
    }
    for rule in &firewall.inbound {
        if rule.ports.0 == 0 || rule.ports.0 > rule.ports.1 {
            return invalid(format!("ports {} to {} are no range", rule.ports.0, rule.ports.1));
        }
        for source in &rule.sources {
            if let Source::Range(range) = source
                && parse_range(range).is_none()
            {
                return invalid(format!("`{}` is no range of addresses", range.escape_debug()));
            }
        }
    }
    Ok(())
}

/// The rules of this droplet among these.
pub(super) fn render(droplet: &Record, firewalls: &[Firewall], droplets: &[Record]) -> String {
    // Made and removed, so that it is there to be removed: a text replaces all that was before, in one step.
    let mut text = String::from("table inet sluice\ndelete table inet sluice\n");
    let has_tag = |record: &Record, tag: &String| record.wanted.tags.contains(tag);
    let over = |firewall: &&Firewall| firewall.tags.iter().any(|tag| has_tag(droplet, tag));
    let over: Vec<&Firewall> = firewalls.iter().filter(over).collect();
    if over.is_empty() {
        return text;
    }
    text.push_str(
        "table inet sluice {\n\
         \tchain inbound {\n\
         \t\ttype filter hook input priority filter; policy drop;\n\
         \t\tct state established,related accept\n\
         \t\tiif lo accept\n\
         \t\tmeta l4proto { icmp, ipv6-icmp } accept\n",
    );
    for rule in over.iter().flat_map(|firewall| &firewall.inbound) {
        let protocol = match rule.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let ports = format!("{protocol} dport {}-{}", rule.ports.0, rule.ports.1);
        let of_tag = |tag| droplets.iter().filter(move |record| has_tag(record, tag)).map(|record| record.address);
        let mut from = BTreeSet::new();
        for source in &rule.sources {
            match source {
                Source::Range(range) => from.extend(parse_range(range)),
                Source::Tag(tag) => from.extend(of_tag(tag).map(|address: Ipv4Addr| (IpAddr::V4(address), 32))),
            }
        }
        for (address, bits) in from {
            let family = if address.is_ipv4() { "ip" } else { "ip6" };
            // An empty prefix is everybody of the family, which nft wants to be said otherwise.
            let source = match (bits, address.is_ipv4()) {
                (0, true) => "meta nfproto ipv4".to_owned(),
                (0, false) => "meta nfproto ipv6".to_owned(),
                _ => format!("{family} saddr {address}/{bits}"),
            };
            writeln!(text, "\t\t{source} {ports} accept").expect("invariant: writing to a text cannot fail");
        }
    }
    text.push_str("\t}\n}\n");
    text
}

/// `10.0.0.0/8`, `::/0`, or one address.
fn parse_range(range: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match range.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (range, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
    (bits <= most).then_some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::super::book::tests::record;
    use super::*;
    use crate::types::FirewallRule;

    fn tagged(host: u8, tag: &str) -> Record {
        let mut record = record(host);
        record.wanted.tags.push(tag.to_owned());
        record
    }

    fn firewall(ports: (u16, u16), sources: &[Source]) -> Firewall {
        let rule = FirewallRule { protocol: Protocol::Tcp, ports, sources: sources.to_vec() };
        Firewall { id: "1".into(), name: "fleet-app".into(), tags: vec!["app".into()], inbound: vec![rule] }
    }

    #[test]
    fn a_droplet_under_no_firewall_takes_everything() {
        let text = render(&tagged(2, "router"), &[firewall((1, 2), &[])], &[]);
        assert_eq!(text, "table inet sluice\ndelete table inet sluice\n");
    }

    #[test]
    fn a_tag_lets_in_its_droplets_and_nobody_else() {
        let droplets = [tagged(2, "app"), tagged(3, "router"), tagged(4, "router")];
        let wall = firewall((3000, 3015), &[Source::Tag("router".into())]);
        let text = render(&droplets[0], &[wall], &droplets);
        let accepted: Vec<&str> = text.lines().filter(|line| line.contains("dport")).map(str::trim).collect();
        assert_eq!(
            accepted,
            ["ip saddr 127.64.7.3/32 tcp dport 3000-3015 accept", "ip saddr 127.64.7.4/32 tcp dport 3000-3015 accept"]
        );
        assert!(text.contains("policy drop;"));
    }

    #[test]
    fn what_is_no_range_never_gets_into_the_text() {
        let good = ["0.0.0.0/0", "::/0", "10.1.2.3", "10.0.0.0/8", "fe80::/10", "10.0.0.0/32"];
        for range in good {
            check(&firewall((1, u16::MAX), &[Source::Range(range.into())])).unwrap();
        }
        for range in ["", "10.0.0.0/33", "::/129", "0.0.0.0/0; flush ruleset", "localhost", "10.0.0.0/-1", "/8"] {
            assert!(check(&firewall((1, 1), &[Source::Range(range.into())])).is_err(), "{range}");
        }
        assert!(check(&firewall((0, 1), &[])).is_err());
        assert!(check(&firewall((2, 1), &[])).is_err());
    }
}
