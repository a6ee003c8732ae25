//! Servers as a worker knows them: who belongs to an upstream, who is in use, who just failed.
//!
//! What is known of a server is keyed by its address and survives every snapshot.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use sluice_policy::{Servers, Upstream};
use sluice_snapshot::ServersCell;
use tokio::time::Instant;

use crate::client::ServerConnection;
use crate::gate::Gate;
use crate::pool::Pool;

/// How long a server is left alone after its first connection failed; doubles with each further failure.
const EJECTED_FIRST: Duration = Duration::from_secs(1);
/// The longest it is left alone: a server that comes back is found within this time.
const EJECTED_MAX: Duration = Duration::from_secs(30);

/// One server, of one worker.
#[derive(Default)]
pub(crate) struct Server {
    /// `host:port`.
    pub(crate) address: Box<str>,
    pub(crate) pool: Pool<ServerConnection>,
    in_flight: Cell<usize>,
    failures: Cell<u32>,
    ejected_until: Cell<Option<Instant>>,
}

/// A request on its way to a server; ends with its drop.
pub(crate) struct InFlight(Rc<Server>);

impl Server {
    fn new(address: &str) -> Self {
        Self { address: address.into(), ..Self::default() }
    }

    /// Counts a request in.
    pub(crate) fn enter(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(Rc::clone(self))
    }

    /// A connection was opened.
    pub(crate) fn connected(&self) {
        self.failures.set(0);
        self.ejected_until.set(None);
    }

    /// No connection could be opened: the server is left alone for a while.
    pub(crate) fn failed(&self, now: Instant) {
        let failures = self.failures.get();
        self.failures.set(failures.saturating_add(1));
        let pause = EJECTED_FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(EJECTED_MAX);
        self.ejected_until.set(Some(now + pause));
    }

    fn is_live(&self, now: Instant) -> bool {
        self.ejected_until.get().is_none_or(|until| until <= now)
    }
}

impl InFlight {
    /// The server.
    pub(crate) fn server(&self) -> &Rc<Server> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}

/// All servers and gates that a worker has met.
#[derive(Default)]
pub(crate) struct Registry {
    servers: RefCell<HashMap<Box<str>, Rc<Server>>>,
    gates: RefCell<HashMap<String, Rc<Gate>>>,
}

impl Registry {
    fn server(&self, address: &str) -> Rc<Server> {
        let mut servers = self.servers.borrow_mut();
        if let Some(server) = servers.get(address) {
            return Rc::clone(server);
        }
        let server = Rc::new(Server::new(address));
        servers.insert(address.into(), Rc::clone(&server));
        server
    }

    fn gate(&self, upstream: &str) -> Rc<Gate> {
        Rc::clone(self.gates.borrow_mut().entry(upstream.to_owned()).or_default())
    }

    /// Closes connections that were idle for too long, and forgets what no snapshot names any more.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut servers = self.servers.borrow_mut();
        for server in servers.values() {
            server.pool.sweep(now);
        }
        servers.retain(|_, server| Rc::strong_count(server) > 1 || !server.pool.is_empty());
        self.gates.borrow_mut().retain(|_, gate| Rc::strong_count(gate) > 1);
    }
}

/// The servers of one upstream of a snapshot.
pub(crate) struct Group {
    members: RefCell<Members>,
    pub(crate) gate: Rc<Gate>,
}

struct Members {
    /// Version of the leases that the list was made from.
    version: Option<u64>,
    servers: Rc<[Rc<Server>]>,
}

/// Which servers may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that did not just fail.
    Live,
    /// Any: when all have failed, trying beats refusing.
    Any,
}

impl Group {
    pub(crate) fn new(upstream: &Upstream, registry: &Registry) -> Self {
        let servers = match &upstream.servers {
            Servers::Static(listed) => listed.iter().map(|server| registry.server(&server.address)).collect(),
            Servers::Dns { .. } | Servers::Discover { .. } => Rc::default(),
        };
        Self { members: RefCell::new(Members { version: None, servers }), gate: registry.gate(&upstream.name) }
    }

    /// Brings the list up to date with the leases, if it is made from them and they changed.
    pub(crate) fn refresh(&self, upstream: &Upstream, leases: &ServersCell, registry: &Registry) {
        let Servers::Discover { app, variant } = &upstream.servers else { return };
        let version = leases.version();
        let mut members = self.members.borrow_mut();
        if members.version == Some(version) {
            return;
        }
        let leases = leases.read();
        let serving = leases.iter().map(|lease| &lease.server).filter(|server| !server.draining);
        let ours = serving.filter(|server| server.app == *app && server.variant == *variant);
        *members =
            Members { version: Some(version), servers: ours.map(|server| registry.server(&server.addr)).collect() };
    }

    /// The less used of two servers met at random (power of two choices).
    pub(crate) fn choose(
        &self,
        now: Instant,
        wanted: Wanted,
        is_excluded: impl Fn(&Rc<Server>) -> bool,
        random: u64,
    ) -> Option<Rc<Server>> {
        let members = Rc::clone(&self.members.borrow().servers);
        let is_eligible = |server: &&Rc<Server>| (wanted == Wanted::Any || server.is_live(now)) && !is_excluded(server);
        let from = |start: u64| {
            let start = usize::try_from(start % (members.len() as u64).max(1)).unwrap_or_default();
            let (head, tail) = members.split_at(start);
            tail.iter().chain(head).find(is_eligible)
        };
        let first = from(random & u64::from(u32::MAX))?;
        let second = from(random >> 32)?;
        let less_used = if second.in_flight.get() < first.in_flight.get() { second } else { first };
        Some(Rc::clone(less_used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(addresses: &[&str]) -> Group {
        let registry = Registry::default();
        let servers = addresses.iter().map(|address| registry.server(address)).collect();
        Group { members: RefCell::new(Members { version: None, servers }), gate: Rc::default() }
    }

    fn chosen(group: &Group, now: Instant, wanted: Wanted, random: u64) -> Option<String> {
        group.choose(now, wanted, |_| false, random).map(|server| server.address.to_string())
    }

    #[test]
    fn the_less_used_of_two_is_chosen() {
        let (group, now) = (group(&["a", "b"]), Instant::now());
        let a = group.choose(now, Wanted::Live, |_| false, 0).unwrap();
        let _busy = a.enter();
        assert_eq!(chosen(&group, now, Wanted::Live, 1 << 32).as_deref(), Some("b"));
        assert_eq!(chosen(&group, now, Wanted::Live, 1).as_deref(), Some("b"));
        let other = group.choose(now, Wanted::Live, |server| Rc::ptr_eq(server, &a), 0).unwrap();
        assert_eq!(&*other.address, "b", "what is excluded is left out");
    }

    #[test]
    fn a_server_that_failed_is_left_alone_for_a_while() {
        let (group, now) = (group(&["a"]), Instant::now());
        let server = group.choose(now, Wanted::Live, |_| false, 0).unwrap();
        server.failed(now);
        assert_eq!(chosen(&group, now, Wanted::Live, 0), None);
        assert_eq!(chosen(&group, now, Wanted::Any, 0).as_deref(), Some("a"));
        assert!(chosen(&group, now + EJECTED_FIRST, Wanted::Live, 0).is_some());
        server.failed(now);
        assert_eq!(chosen(&group, now + EJECTED_FIRST, Wanted::Live, 0), None);
        (0..64).for_each(|_| server.failed(now));
        assert!(chosen(&group, now + EJECTED_MAX, Wanted::Live, 0).is_some());
        server.connected();
        assert!(chosen(&group, now, Wanted::Live, 0).is_some());
    }

    #[test]
    fn an_empty_upstream_has_no_server() {
        assert_eq!(chosen(&group(&[]), Instant::now(), Wanted::Any, 7), None);
    }
}
