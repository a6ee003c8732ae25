//! Who holds a lease, as Redis says. A member leaves only on evidence: a successful read in which its lease is over.
//!
//! After an outage or a loss of data the leases in Redis say little, because nobody could renew them. So members known
//! before are held until they were seen again, for at most two leases.

use std::collections::{BTreeMap, HashMap};

use sluice_model::lease::{Lease, Server};
use tokio::time::Instant;

/// When each lease ends, by the clock of Redis.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The time of Redis when it answered, ms since the Unix epoch.
    pub(super) now_ms: u64,
    /// Server id and end of its lease.
    pub(super) ends: Vec<(String, u64)>,
}

impl Ends {
    fn holding(&self) -> impl Iterator<Item = (&String, u64)> {
        self.ends.iter().filter(|(_, end)| self.now_ms < *end).map(|(id, end)| (id, *end))
    }

    /// True if some lease is over and still listed.
    pub(super) fn any_over(&self) -> bool {
        self.ends.iter().any(|(_, end)| *end <= self.now_ms)
    }
}

/// How the list differs after a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Not at all.
    Nothing,
    /// Renewals and loads only.
    Heartbeats,
    /// Someone joined, left, drains or moved.
    Members,
}

fn moved(before: &[Lease], after: &[Lease]) -> Moved {
    let same = |(before, after): (&Lease, &Lease)| before.server.is_same_but_for_load(&after.server);
    if before == after {
        Moved::Nothing
    } else if before.len() == after.len() && before.iter().zip(after).all(same) {
        Moved::Heartbeats
    } else {
        Moved::Members
    }
}

/// The members.
#[derive(Debug, Default)]
pub(super) struct Membership {
    members: BTreeMap<String, Member>,
    held_until: Option<Instant>,
}

#[derive(Debug)]
struct Member {
    lease: Lease,
    /// The end as Redis has it; a renewal moves it.
    end_by_redis_ms: u64,
    /// Seen with a lease since members began to be held.
    confirmed: bool,
}

impl Membership {
    /// Members known from before a restart; their leases count until Redis answers.
    pub(super) fn from_disk(servers: Vec<Server>, ends_ms: u64) -> Self {
        let member = |server| Member { lease: Lease { server, ends_ms }, end_by_redis_ms: 0, confirmed: false };
        let members = servers.into_iter().map(|server| (server.id.clone(), member(server))).collect();
        Self { members, held_until: None }
    }

    /// Nobody known by now leaves before `until`, unless seen again first.
    pub(super) fn hold(&mut self, until: Instant) {
        for member in self.members.values_mut() {
            member.confirmed = false;
        }
        self.held_until = Some(until);
    }

    /// True while members are held.
    pub(super) fn is_holding(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// The servers to read: those whose lease is new or renewed; with `all`, all that hold one.
    pub(super) fn to_read(&self, ends: &Ends, all: bool) -> Vec<String> {
        let moved = |id: &String, end| self.members.get(id).is_none_or(|member| member.end_by_redis_ms != end);
        ends.holding().filter(|(id, end)| all || moved(id, *end)).map(|(id, _)| id.clone()).collect()
    }

    /// Takes in one read. `now_ms` is our clock, `now` the one for what is held.
    pub(super) fn apply(&mut self, ends: &Ends, mut read: HashMap<String, Server>, now_ms: u64, now: Instant) -> Moved {
        let before = self.leases();
        let holding = self.is_holding(now);
        let mut old = std::mem::take(&mut self.members);
        for (id, end) in ends.holding() {
            let known = old.remove(id);
            let renewed = known.as_ref().is_none_or(|member| member.end_by_redis_ms != end);
            let (server, ends_ms) = match (read.remove(id), known) {
                (Some(server), Some(member)) if !renewed => (server, member.lease.ends_ms),
                (Some(server), _) => (server, now_ms.saturating_add(end - ends.now_ms)),
                (None, Some(member)) if !renewed => (member.lease.server, member.lease.ends_ms),
                // It was to be read and could not be: no address, no member.
                (None, _) => continue,
            };
            let lease = Lease { server, ends_ms };
            self.members.insert(id.clone(), Member { lease, end_by_redis_ms: end, confirmed: true });
        }
        if holding {
            self.members.extend(old.into_iter().filter(|(_, member)| !member.confirmed));
        }
        moved(&before, &self.leases())
    }

    /// The complete list, by id.
    pub(super) fn leases(&self) -> Vec<Lease> {
        self.members.values().map(|member| member.lease.clone()).collect()
    }

    /// Who they are, without the ends.
    pub(super) fn servers(&self) -> Vec<Server> {
        self.members.values().map(|member| member.lease.server.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn server(id: &str) -> Server {
        let text = format!(r#"{{"id":"{id}","addr":"127.0.0.1:1","app":"meow","variant":"stable"}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn ends(now_ms: u64, ends: &[(&str, u64)]) -> Ends {
        Ends { now_ms, ends: ends.iter().map(|&(id, end)| (id.to_owned(), end)).collect() }
    }

    /// Reads as the supervisor does.
    fn step(members: &mut Membership, ends: &Ends, at: Instant) -> Moved {
        let read = members.to_read(ends, false).into_iter().map(|id| (id.clone(), server(&id))).collect();
        members.apply(ends, read, 100, at)
    }

    fn ids(members: &Membership) -> Vec<String> {
        members.servers().into_iter().map(|server| server.id).collect()
    }

    #[test]
    fn a_lease_that_is_over_ends_and_the_end_is_told_in_our_time() {
        let (mut members, at) = (Membership::default(), Instant::now());
        assert_eq!(step(&mut members, &ends(1_000, &[("a", 1_015), ("b", 1_005)]), at), Moved::Members);
        assert_eq!(members.leases()[0].ends_ms, 115);
        assert_eq!(step(&mut members, &ends(1_001, &[("a", 1_015), ("b", 1_005)]), at), Moved::Nothing);
        assert_eq!(step(&mut members, &ends(1_002, &[("a", 1_020), ("b", 1_005)]), at), Moved::Heartbeats);
        let later = ends(1_005, &[("a", 1_015), ("b", 1_005)]);
        assert!(later.any_over());
        assert_eq!(step(&mut members, &later, at), Moved::Members);
        assert_eq!(ids(&members), ["a"]);
    }

    #[test]
    fn held_members_stay_until_seen_again_or_the_hold_is_over() {
        let (mut members, at) = (Membership::default(), Instant::now());
        step(&mut members, &ends(1, &[("a", 5), ("b", 5), ("c", 5)]), at);
        members.hold(at + 2 * SECOND);
        step(&mut members, &ends(10, &[]), at);
        assert_eq!(ids(&members), ["a", "b", "c"], "an empty store ends no lease");
        step(&mut members, &ends(10, &[("a", 25)]), at + SECOND);
        step(&mut members, &ends(11, &[]), at + SECOND);
        assert_eq!(ids(&members), ["b", "c"], "seen again, then gone: it has left");
        step(&mut members, &ends(12, &[("c", 27)]), at + 3 * SECOND);
        assert_eq!(ids(&members), ["c"]);
    }

    #[test]
    fn who_cannot_be_read_is_no_member() {
        let mut members = Membership::default();
        members.apply(&ends(1, &[("a", 5)]), HashMap::new(), 0, Instant::now());
        assert!(members.leases().is_empty());
    }
}
