//! The firewall of the machine itself, in nftables: a table of our own, loaded whole, and loaded again at boot.
//!
//! Behind the firewall of the cloud it is the second line: it stays when that one is detached.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::machine::Machine;
use super::report::{Difference, Fault};
use super::{Converge, diff, program};

/// Our table. Others, e.g. of a local cloud, are left alone.
const TABLE: &str = "sluice_host";
/// What Debian's `nftables.service` loads at boot.
const FILE: &str = "/etc/nftables.conf";

pub(super) struct Firewall<'r> {
    pub(super) tcp: &'r BTreeMap<u16, Vec<String>>,
}

#[async_trait]
impl Converge for Firewall<'_> {
    fn shown(&self) -> String {
        "firewall".to_owned()
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        own_network(machine)?;
        let wanted = ruleset(self.tcp);
        let found = fs::read_to_string(machine.layout.at(FILE)).unwrap_or_default();
        if found != wanted {
            return Ok(Some(Difference::change("the rules").with(diff::unified(FILE, &found, &wanted))));
        }
        let loaded = fs::read_to_string(loaded_place(machine)).ok();
        if loaded.is_none() || loaded != table().await? {
            return Ok(Some(Difference::change("the kernel has other rules")));
        }
        if machine.is_booted_by_systemd()
            && program::run(&["systemctl", "is-enabled", "nftables"], &[]).await?.status != 0
        {
            return Ok(Some(Difference::change("the rules are not loaded at boot")));
        }
        Ok(None)
    }

    async fn apply(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        own_network(machine)?;
        let file = machine.layout.at(FILE);
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap_or_else(|| machine.layout.root()))?;
            let fresh = path.with_extension("fresh");
            fs::write(&fresh, text)?;
            fs::rename(&fresh, path)
        };
        let failed = |source| Fault::File { doing: format!("write {FILE}"), source };
        write(&file, &ruleset(self.tcp)).map_err(failed)?;
        program::succeed(&["nft", "-f", &file.display().to_string()], &[]).await?;
        // As the kernel tells it, which is not as we wrote it: what later looks are compared with.
        let loaded = table().await?.unwrap_or_default();
        write(&loaded_place(machine), &loaded).map_err(failed)?;
        if machine.is_booted_by_systemd() {
            program::succeed(&["systemctl", "enable", "--quiet", "nftables"], &[]).await?;
        }
        Ok(())
    }
}

fn loaded_place(machine: &Machine<'_>) -> PathBuf {
    machine.layout.at("/var/lib/sluice/firewall.loaded")
}

/// Our table as the kernel has it.
async fn table() -> Result<Option<String>, Fault> {
    let output = program::run(&["nft", "list", "table", "inet", TABLE], &[]).await?;
    Ok((output.status == 0).then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// A local droplet without a network namespace of its own would close the machine of the operator.
fn own_network(machine: &Machine<'_>) -> Result<(), Fault> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let own = machine.layout.root() == Path::new("/")
        || matches!((namespace("self"), namespace("1")), (Some(ours), Some(first)) if ours != first);
    if own { Ok(()) } else { Err(Fault::SharedNetwork) }
}

/// The rules as `nft -f` reads them. The first two lines make loading it again replace the table, in one transaction.
#[must_use]
pub fn ruleset(tcp: &BTreeMap<u16, Vec<String>>) -> String {
    let mut rules = format!(
        "#!/usr/sbin/nft -f\n# By sluice-infra configure; changes here are undone by the next run.\n\
         table inet {TABLE} {{}}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n  chain input {{\n    \
         type filter hook input priority filter; policy drop;\n    iif lo accept\n    ct state established,related accept\n    \
         ct state invalid drop\n    meta l4proto {{ icmp, ipv6-icmp }} accept\n    udp dport {{ 68, 546 }} accept\n"
    );
    for (port, sources) in tcp {
        for rule in accepting(*port, sources) {
            let _infallible = writeln!(rules, "    {rule}");
        }
    }
    rules.push_str("  }\n}\n");
    rules
}

/// One rule for each family of addresses that may connect to a port.
fn accepting(port: u16, sources: &[String]) -> Vec<String> {
    if sources.is_empty() {
        return vec![format!("tcp dport {port} accept")];
    }
    let is_v6 = |source: &&String| address_of(source).is_some_and(|address| address.is_ipv6());
    let (six, four): (Vec<&String>, Vec<&String>) = sources.iter().partition(is_v6);
    let rule = |family: &str, sources: &[&String]| {
        let sources = sources.iter().map(|source| source.as_str()).collect::<Vec<_>>().join(", ");
        (!sources.is_empty()).then(|| format!("{family} saddr {{ {sources} }} tcp dport {port} accept"))
    };
    [rule("ip", &four), rule("ip6", &six)].into_iter().flatten().collect()
}

/// The address of `ADDRESS` or `ADDRESS/LENGTH`, if it is one.
pub(super) fn address_of(source: &str) -> Option<IpAddr> {
    let (address, length) = source.split_once('/').unwrap_or((source, "0"));
    let address: IpAddr = address.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    length.parse::<u8>().is_ok_and(|bits| bits <= bits_max).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_by_family_and_port() {
        let tcp = BTreeMap::from([
            (22, vec![]),
            (6379, vec!["10.0.0.0/8".to_owned(), "fd00::/8".to_owned(), "192.168.1.1".to_owned()]),
        ]);
        let rules = ruleset(&tcp);
        assert!(rules.contains("    tcp dport 22 accept\n"), "{rules}");
        assert!(rules.contains("    ip saddr { 10.0.0.0/8, 192.168.1.1 } tcp dport 6379 accept\n"), "{rules}");
        assert!(rules.contains("    ip6 saddr { fd00::/8 } tcp dport 6379 accept\n"), "{rules}");
    }

    #[test]
    fn sources_are_addresses_or_ranges() {
        for good in ["10.0.0.1", "10.0.0.0/32", "::/0", "fd00::/128"] {
            assert!(address_of(good).is_some(), "{good}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.1; accept", "any", "10.0.0.0/-1"] {
            assert!(address_of(bad).is_none(), "{bad}");
        }
    }
}
