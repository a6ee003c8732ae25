//! Blanks: what differs between machines or is secret stands as a blank in a manifest that is exported, and each format puts
//! its own words there. So one manifest per pool holds for all of its machines, and no secret is ever read.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::machine::{Machine, Peers};

/// Environment variable with the deploy key of the fleet.
pub(crate) const DEPLOY_KEY: &str = "SLUICE_DEPLOY_KEY";
/// Addresses for documentation (RFC 5737): no machine has them, and programs take them for addresses.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 201);
const REDIS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 202);
const DROPLET: &str = "name-of-the-droplet-in-an-export";
const ROOT: &str = "/root-of-the-machine-in-an-export";
const SECRET: &str = "@sluice:secret:";
const DIGEST: &str = "@sluice:digest:";
const END: char = '@';

/// What stands in a blank's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blank<'t> {
    /// The address of the machine among the droplets.
    Address,
    /// The address of the machine with Redis.
    Redis,
    /// The name of the machine.
    Droplet,
    /// What stands before every path of the machine.
    Root,
    /// The secret that this environment variable holds.
    Secret(&'t str),
    /// Its SHA-256 in hex.
    Digest(&'t str),
}

/// A blank that says which variable it is of.
type Named<'t> = fn(&'t str) -> Blank<'t>;

/// Words of a format for what stands between blanks, and for blanks.
pub(crate) trait Words {
    /// Text that stands for itself.
    fn literal(&self, text: &str) -> String {
        text.to_owned()
    }

    /// What stands for a blank.
    fn blank(&self, blank: Blank<'_>) -> String;
}

/// A secret, as a blank.
pub(crate) fn secret(variable: &str) -> String {
    format!("{SECRET}{variable}{END}")
}

/// The digest of a secret, as a blank.
pub(crate) fn digest(variable: &str) -> String {
    format!("{DIGEST}{variable}{END}")
}

/// A machine of which nothing is known but its pool.
pub(crate) fn machine() -> (Machine, Peers) {
    let machine = Machine { name: DROPLET.to_owned(), address: IpAddr::V4(ADDRESS), root: PathBuf::from(ROOT) };
    (machine, Peers { redis: IpAddr::V4(REDIS) })
}

/// The text in the words of a format.
pub(crate) fn fill(text: &str, words: &impl Words) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, blank, after)) = next(rest) {
        filled.push_str(&words.literal(before));
        filled.push_str(&words.blank(blank));
        rest = after;
    }
    filled.push_str(&words.literal(rest));
    filled
}

/// The variables with secrets that the text needs.
pub(crate) fn variables(mut text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    while let Some((_, blank, after)) = next(text) {
        if let Blank::Secret(variable) | Blank::Digest(variable) = blank {
            found.push(variable);
        }
        text = after;
    }
    found
}

/// What is before the first blank, the blank, and what is after it.
fn next<'t>(text: &'t str) -> Option<(&'t str, Blank<'t>, &'t str)> {
    let (address, redis) = (ADDRESS.to_string(), REDIS.to_string());
    let plain = [
        (address.as_str(), Blank::Address),
        (redis.as_str(), Blank::Redis),
        (DROPLET, Blank::Droplet),
        (ROOT, Blank::Root),
    ];
    let found = plain.into_iter().filter_map(|(mark, blank)| {
        let at = text.find(mark)?;
        Some((at, blank, at + mark.len()))
    });
    let named: [(&str, Named<'t>); 2] = [(SECRET, Blank::Secret), (DIGEST, Blank::Digest)];
    let named = named.into_iter().filter_map(|(mark, blank)| {
        let at = text.find(mark)?;
        let name = &text[at + mark.len()..];
        let length = name.find(END)?;
        Some((at, blank(&name[..length]), at + mark.len() + length + END.len_utf8()))
    });
    let (at, blank, end) = found.chain(named).min_by_key(|(at, ..)| *at)?;
    Some((&text[..at], blank, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown;

    impl Words for Shown {
        fn literal(&self, text: &str) -> String {
            text.to_ascii_uppercase()
        }

        fn blank(&self, blank: Blank<'_>) -> String {
            format!("<{blank:?}>")
        }
    }

    #[test]
    fn blanks_are_found_in_their_order() {
        let (machine, peers) = machine();
        let root = machine.root.display();
        let text =
            format!("a {} b {} {}{root}/c {} {}", peers.redis, machine.address, machine.name, secret("S"), digest("D"));
        let filled = fill(&text, &Shown);
        assert_eq!(filled, "A <Redis> B <Address> <Droplet><Root>/C <Secret(\"S\")> <Digest(\"D\")>");
        assert_eq!(variables(&text), ["S", "D"]);
        assert_eq!(fill("@sluice:secret:without an end", &Shown), "@SLUICE:SECRET:WITHOUT AN END");
    }
}
