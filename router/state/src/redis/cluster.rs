//! Who owns which key in a Cluster. The nodes are asked, one after the other, until one tells.
//!
//! Not the Cluster client of the crate: tracking would go to one arbitrary node, and it repeats a write whose answer
//! was lost, which flips a switch twice.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use redis::{RedisError, cmd};

use super::dial::Dialer;
use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::url::Host;

/// Slots of a Cluster (its specification, "Key distribution model").
const SLOTS: u16 = 16_384;
/// Nodes that are remembered beside those of the URL.
const KNOWN_MAX: usize = 64;

/// The nodes of a Cluster, as far as known.
pub(super) struct Nodes {
    configured: Vec<Host>,
    /// Nodes that the Cluster told of: those of the URL may all be gone one day. The first one is asked first.
    known: Mutex<Vec<Host>>,
}

/// Which node owns which slots.
pub(super) struct Slots(Vec<(u16, u16, Host)>);

impl Nodes {
    pub(super) fn new(configured: &[Host]) -> Self {
        Self { configured: configured.to_vec(), known: Mutex::default() }
    }

    /// Who owns what now. A node that was cut off may tell what is no longer so; it is asked last the next time.
    pub(super) async fn slots(&self, dialer: &Dialer) -> Result<Slots, Lost> {
        let mut lost = Lost::NoOwner(0);
        for host in self.in_turn() {
            match ask(dialer, &host).await {
                Ok(slots) => {
                    self.learn(&host, &slots);
                    return Ok(slots);
                }
                Err(reason) => lost = reason,
            }
        }
        Err(lost)
    }

    fn in_turn(&self) -> Vec<Host> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let new: Vec<Host> = self.configured.iter().filter(|host| !known.contains(host)).cloned().collect();
        known.into_iter().chain(new).collect()
    }

    /// The node that told goes last.
    fn learn(&self, told: &Host, slots: &Slots) {
        let owners: BTreeSet<&Host> = slots.0.iter().map(|(.., owner)| owner).collect();
        let others = owners.into_iter().filter(|owner| *owner != told).take(KNOWN_MAX - 1).cloned();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = others.chain([told.clone()]).collect();
    }
}

async fn ask(dialer: &Dialer, host: &Host) -> Result<Slots, Lost> {
    let mut connection = dialer.redis(host).await?;
    let mut question = cmd("CLUSTER");
    question.arg("SLOTS");
    let ranges = within(ANSWER_WAIT_MAX, "ask who owns what", question.query_async(&mut connection)).await?;
    Ok(Slots::read(ranges, host))
}

impl Slots {
    /// Each range is its first and last slot, then its nodes, the owner first: host, port, id and more.
    fn read(ranges: Vec<Vec<redis::Value>>, asked: &Host) -> Self {
        let read = |range: Vec<redis::Value>| -> Option<(u16, u16, Host)> {
            let mut parts = range.into_iter();
            let mut number = || redis::from_redis_value(parts.next()?).ok();
            let (first, last) = (number()?, number()?);
            let mut owner = redis::from_redis_value::<Vec<redis::Value>>(parts.next()?).ok()?.into_iter();
            let name: Option<String> = redis::from_redis_value(owner.next()?).ok()?;
            let port = redis::from_redis_value(owner.next()?).ok()?;
            // A node that does not know its own address leaves it out: it is the one that was asked.
            let name = name.filter(|name| !name.is_empty() && name != "?").unwrap_or_else(|| asked.name.clone());
            Some((first, last, Host { name, port }))
        };
        Self(ranges.into_iter().filter_map(read).collect())
    }

    /// Who owns this key.
    pub(super) fn owner(&self, key: &str) -> Result<&Host, Lost> {
        let slot = slot(key);
        let range = self.0.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        range.map(|(.., owner)| owner).ok_or(Lost::NoOwner(slot))
    }
}

/// Where the answer to a command says that its key is now: `(node, whether only this once)`.
pub(super) fn redirection(error: &RedisError, asked: &Host) -> Option<(Host, bool)> {
    let (address, _slot) = error.redirect_node()?;
    let (name, port) = address.rsplit_once(':')?;
    let name = if name.is_empty() { &asked.name } else { name };
    let once = error.code() == Some("ASK");
    Some((Host { name: name.trim_matches(['[', ']']).to_owned(), port: port.parse().ok()? }, once))
}

/// The slot of a key: of its hash tag if it has one (specification, "Hash tags").
fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM (specification, appendix A).
fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x1021;
    bytes.iter().fold(0, |crc, byte| {
        (0..u8::BITS).fold(crc ^ (u16::from(*byte) << u8::BITS), |crc, _bit| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ POLYNOMIAL }
        })
    })
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    fn range(first: i64, last: i64, name: &str, port: i64) -> Vec<Value> {
        let node = Value::Array(vec![Value::BulkString(name.into()), Value::Int(port), Value::BulkString("id".into())]);
        vec![Value::Int(first), Value::Int(last), node]
    }

    #[test]
    fn a_slot_is_as_the_specification_says() {
        assert_eq!(crc16(b"123456789"), 0x31C3, "the check value of its appendix A");
        assert_eq!(slot("foo"), 12_182, "CLUSTER KEYSLOT foo");
        assert_eq!(slot("{main}:epoch"), slot("srv-lease:{main}"));
        assert_eq!(slot("{main}:epoch"), slot("main"));
        assert_eq!(slot("a{}b"), crc16(b"a{}b") % SLOTS, "an empty tag is none");
    }

    #[test]
    fn an_owner_without_an_address_is_the_one_that_was_asked() {
        let asked = host("asked", 1);
        let slots = Slots::read(vec![range(0, 8_191, "", 7), range(8_192, 16_383, "b", 8), vec![Value::Nil]], &asked);
        assert_eq!(slots.owner("foo").unwrap(), &host("b", 8));
        assert_eq!(slots.owner("b").unwrap(), &host("asked", 7), "slot 3300");
        assert!(matches!(Slots::read(Vec::new(), &asked).owner("foo"), Err(Lost::NoOwner(12_182))));
    }

    #[test]
    fn whoever_told_is_asked_last_the_next_time() {
        let nodes = Nodes::new(&[host("a", 1), host("b", 2)]);
        let slots = Slots(vec![(0, 9, host("c", 3)), (10, 19, host("a", 1))]);
        nodes.learn(&host("a", 1), &slots);
        assert_eq!(nodes.in_turn(), [host("c", 3), host("a", 1), host("b", 2)]);
    }
}
