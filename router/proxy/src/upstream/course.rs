//! What a worker learns of an upstream from its traffic. Lives longer than any snapshot, so that a reload neither forgets
//! a failed server nor doubles a bound.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_snapshot::upstream::UpstreamStats;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::budget::Budget;
use super::members::Members;
use super::server::Server;
use crate::gate::Gate;

/// See the module.
pub(super) struct Course {
    servers: RefCell<HashMap<Box<str>, Rc<Server>>>,
    pub(super) gate: Rc<Gate>,
    pub(super) breaker: Rc<Breaker>,
    pub(super) budget: Budget,
    pub(super) stats: Arc<UpstreamStats>,
    /// How many groups there were; the newest one says who is a member.
    groups: Cell<u64>,
    /// Until then some server may be in its slow start.
    slow_until: Cell<Option<Instant>>,
}

impl Course {
    pub(super) fn new(stats: Arc<UpstreamStats>) -> Self {
        Self {
            servers: RefCell::default(),
            gate: Rc::default(),
            breaker: Rc::default(),
            budget: Budget::default(),
            stats,
            groups: Cell::new(0),
            slow_until: Cell::new(None),
        }
    }

    /// Makes room for one more group; returns its number.
    pub(super) fn next_group(&self) -> u64 {
        self.groups.set(self.groups.get() + 1);
        self.groups.get()
    }

    /// The server of an address, made on first use; a member only once a group said so.
    pub(super) fn server(&self, address: &str, idle_max: Duration, now: Instant) -> Rc<Server> {
        let mut servers = self.servers.borrow_mut();
        if let Some(server) = servers.get(address) {
            server.pool.set_idle_max(idle_max);
            return Rc::clone(server);
        }
        let server = Rc::new(Server::new(address, idle_max, now));
        server.set_member(false);
        servers.insert(address.into(), Rc::clone(&server));
        server
    }

    /// These are the members from now on, if the group that says so is the newest; the others drain.
    pub(super) fn adopt(&self, group: u64, members: &Members, slow_start: Duration, now: Instant) {
        if group != self.groups.get() {
            return;
        }
        let is_member = |server: &Rc<Server>| {
            members.all().iter().any(|member| member.weight > 0 && Rc::ptr_eq(&member.server, server))
        };
        for server in self.servers.borrow().values() {
            match (server.is_member(), is_member(server)) {
                (false, true) => {
                    server.standing.forget();
                    server.show_ejected(None);
                    server.set_member(true);
                    self.begin(server, slow_start, now);
                }
                (true, false) => server.set_member(false),
                (true, true) | (false, false) => {}
            }
        }
        self.show_servers();
    }

    /// A server came, or came back.
    pub(super) fn begin(&self, server: &Server, slow_start: Duration, now: Instant) {
        server.begin(now);
        if !slow_start.is_zero() {
            self.slow_until.set(Some(now + slow_start));
        }
    }

    /// True if some server may be in its slow start.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        self.slow_until.get().is_some_and(|until| now < until)
    }

    /// Idle connections to all servers.
    pub(super) fn idle(&self) -> usize {
        self.servers.borrow().values().map(|server| server.idle()).sum()
    }

    /// Closes the connection that was idle for longest.
    pub(super) fn drop_oldest_idle(&self) {
        let servers = self.servers.borrow();
        let oldest = servers.values().filter_map(|server| Some((server.oldest_idle()?, server)));
        if let Some((_, server)) = oldest.min_by_key(|(since, _)| *since) {
            server.drop_oldest_idle();
        }
    }

    /// Closes connections that were idle for too long, and forgets servers that left and have nothing in flight.
    pub(super) fn sweep(&self, now: Instant) {
        let gone = {
            let mut servers = self.servers.borrow_mut();
            let before = servers.len();
            servers.values().for_each(|server| server.sweep(now));
            servers.retain(|_, server| Rc::strong_count(server) > 1);
            before - servers.len()
        };
        if gone > 0 {
            self.show_servers();
        }
        let connections = self.gate.in_use() + self.idle();
        self.stats.connections.store(connections as u64, Ordering::Relaxed);
    }

    /// True if no snapshot names the upstream, and nothing is in flight.
    pub(super) fn is_over(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1 && self.servers.borrow().is_empty()
    }

    fn show_servers(&self) {
        self.stats.set_servers(self.servers.borrow().values().map(|server| Arc::clone(server.stats())).collect());
    }
}
