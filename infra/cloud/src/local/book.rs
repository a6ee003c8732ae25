//! What a local cloud has on record: its account, keys, firewalls and network in `cloud.json`, each droplet in
//! `droplet.json` of its own folder.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::network::Subnet;
use crate::error::CloudError;
use crate::types::{CreateDroplet, Firewall};

/// As many droplets as DigitalOcean allows after some months of trust; each takes about 10 MB of memory here.
const DROPLETS_MAX: u32 = 50;
/// Addresses of a /24 that droplets can have: .0 names it, .1 is this machine, .255 is for all.
const HOSTS: std::ops::RangeInclusive<u8> = 2..=254;

/// `cloud.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    /// Most droplets at a time.
    pub(super) droplets_max: u32,
    /// Number of the last thing that got one.
    pub(super) last_number: u64,
    /// Last part of the address that was given last: the next droplet gets another one, whose host key nobody knows yet.
    pub(super) last_host: u8,
    /// `None` = there are no droplets, and nothing is taken from this machine.
    pub(super) subnet: Option<Subnet>,
    pub(super) keys: Vec<Key>,
    pub(super) firewalls: Vec<Firewall>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            droplets_max: DROPLETS_MAX,
            last_number: 0,
            last_host: *HOSTS.start() - 1,
            subnet: None,
            keys: Vec::new(),
            firewalls: Vec::new(),
        }
    }
}

/// A public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) name: String,
    /// Algorithm and key, without the remark.
    pub(super) public: String,
}

/// `droplet.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) wanted: CreateDroplet,
    /// Public keys of `wanted.ssh_keys`, as they were when it was made.
    pub(super) authorized_keys: Vec<String>,
    pub(super) subnet: Subnet,
    /// Last part of its address.
    pub(super) host: u8,
    /// All of it, for whoever reads the file.
    pub(super) address: Ipv4Addr,
    pub(super) ssh_port: u16,
    /// Who logs in: the user that the cloud runs as.
    pub(super) user: String,
    pub(super) created_ms: u64,
    /// It was switched on at least once. One that was not was left half-made, and whoever looks next finishes it.
    pub(super) booted: bool,
}

impl Book {
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// An address that no droplet has, as late after its last use as can be.
    pub(super) fn next_host(&mut self, droplets: &[Record]) -> Result<u8, CloudError> {
        let after = self.last_host.saturating_add(1)..=*HOSTS.end();
        let mut candidates = after.chain(HOSTS);
        let free = candidates.find(|host| HOSTS.contains(host) && droplets.iter().all(|droplet| droplet.host != *host));
        let host = free.ok_or_else(|| CloudError::Quota { message: "no address is left".into() })?;
        self.last_host = host;
        Ok(host)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::network::{Mode, Subnet};
    use super::*;

    pub(in super::super) fn record(host: u8) -> Record {
        Record {
            id: host.to_string(),
            wanted: CreateDroplet {
                name: "a".into(),
                region: "fra1".into(),
                size: "s-1vcpu-1gb".into(),
                image: "debian-13-x64".into(),
                ssh_keys: Vec::new(),
                tags: Vec::new(),
                user_data: String::new(),
            },
            authorized_keys: Vec::new(),
            subnet: Subnet { mode: Mode::Loopback, second: 64, third: 7 },
            host,
            address: Ipv4Addr::new(127, 64, 7, host),
            ssh_port: 2222,
            user: "root".into(),
            created_ms: 0,
            booted: true,
        }
    }

    #[test]
    fn an_address_is_used_again_as_late_as_can_be() {
        let mut book = Book::default();
        assert_eq!(book.next_host(&[]).unwrap(), 2);
        assert_eq!(book.next_host(&[]).unwrap(), 3);
        book.last_host = 254;
        assert_eq!(book.next_host(&[record(2)]).unwrap(), 3);
    }

    #[test]
    fn a_subnet_has_253_addresses() {
        let mut book = Book::default();
        let mut droplets: Vec<Record> = Vec::new();
        for _ in 0..253 {
            droplets.push(record(book.next_host(&droplets).unwrap()));
        }
        assert!(matches!(book.next_host(&droplets), Err(CloudError::Quota { .. })));
    }
}
