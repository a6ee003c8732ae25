//! One upstream of one snapshot: its settings, its present members, and the rules by which a server is chosen and judged.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sluice_policy::{Balance, Protocol, Servers, Upstream};
use sluice_snapshot::upstream::{self, Failure, Listed, UpstreamCell, UpstreamStats};
use sluice_snapshot::{Cells, ServersCell};
use tokio::time::Instant;

use super::balance::{self, Field};
use super::breaker::Pass;
use super::course::Course;
use super::members::{Member, Members, Version};
use super::registry::Registry;
use super::server::{InFlight, Server};
use crate::gate::{Full, Permit};

const PERCENT: usize = 100;

/// See the module.
pub(crate) struct Group {
    upstream: Upstream,
    cell: Arc<UpstreamCell>,
    course: Rc<Course>,
    number: u64,
    members: RefCell<Rc<Members>>,
}

/// Which servers may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that pass the checks, active and passive.
    Live,
    /// Any: when all have failed, trying beats refusing.
    Any,
}

/// How an attempt at a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered.
    Answered,
    /// It failed.
    Failed(Failure),
}

impl Group {
    /// The upstream of a new snapshot; the newest group of an upstream says who its members are.
    pub(crate) fn new(upstream: &Upstream, registry: &Registry, cells: &Cells, now: Instant) -> Self {
        let cell = cells.upstream(&upstream.name);
        let course = registry.course(upstream, &cell);
        course.gate.set_max(upstream.connections_max);
        if upstream.breaker.is_none() {
            course.breaker.reset();
        }
        let number = course.next_group();
        let group = Self { upstream: upstream.clone(), cell, course, number, members: RefCell::default() };
        group.refresh(cells.servers(), now);
        group
    }

    /// Brings the list up to date with what it is made from: the policy, and leases or what control knows.
    pub(crate) fn refresh(&self, leases: &ServersCell, now: Instant) {
        let version = self.version(leases);
        if self.members.borrow().version() == Some(version) {
            return;
        }
        let known = self.cell.read();
        let old = Rc::clone(&self.members.borrow());
        let member = |Listed { address, weight, .. }| {
            let server = self.course.server(&address, self.upstream.idle_timeout, now);
            let is_healthy = self.upstream.health.is_none() || !known.is_unhealthy(&address);
            let was = old.all().iter().find(|old| Rc::ptr_eq(&old.server, &server));
            if is_healthy && was.is_some_and(|was| !was.is_healthy) {
                self.course.begin(&server, self.upstream.slow_start, now);
            }
            Member { server, weight, is_healthy }
        };
        let listed = upstream::listed(&self.upstream, &leases.read(), &known).into_iter();
        let members = Members::new(Some(version), listed.filter(|server| !server.is_draining).map(member).collect());
        self.course.adopt(self.number, &members, self.upstream.slow_start, now);
        *self.members.borrow_mut() = Rc::new(members);
    }

    fn version(&self, leases: &ServersCell) -> Version {
        let heeds_leases = matches!(self.upstream.servers, Servers::Discover { .. });
        let heeds_control = self.upstream.health.is_some() || matches!(self.upstream.servers, Servers::Dns { .. });
        (if heeds_leases { leases.version() } else { 0 }, if heeds_control { self.cell.version() } else { 0 })
    }

    /// The fields whose first one present decides, if the upstream is balanced by a hash.
    pub(crate) fn hash_fields(&self) -> Option<&[sluice_model::field::Field]> {
        match &self.upstream.balance {
            Balance::Hash(fields) => Some(fields),
            Balance::LeastInFlight | Balance::RoundRobin => None,
        }
    }

    /// A server, by the upstream's balance. `key` is what a hash decides by; without one chance and load do.
    pub(crate) fn choose(
        &self,
        now: Instant,
        wanted: Wanted,
        is_excluded: impl Fn(&Rc<Server>) -> bool,
        key: Option<u64>,
        random: u64,
    ) -> Option<Rc<Server>> {
        let members = Rc::clone(&self.members.borrow());
        let heeds_checks = members.has_healthy();
        let is_live =
            |member: &Member| (member.is_healthy || !heeds_checks) && member.server.standing.is_available(now);
        let slow_start = self.upstream.slow_start;
        let field = Field {
            members: &members,
            is_eligible: |member: &Member| {
                member.weight > 0 && (wanted == Wanted::Any || is_live(member)) && !is_excluded(&member.server)
            },
            weight: |member: &Member| member.server.weight_now(member.weight, slow_start, now),
            is_plain: !self.course.is_slow(now),
        };
        let chosen = match (&self.upstream.balance, key) {
            (Balance::RoundRobin, _) => field.round_robin(),
            (Balance::Hash(_), Some(key)) => field.by_key(key),
            (Balance::LeastInFlight | Balance::Hash(_), _) => field.least_in_flight(random),
        };
        chosen.map(Rc::clone)
    }

    /// What a hash makes of a key.
    pub(crate) fn key(bytes: &[u8]) -> u64 {
        balance::hash(bytes)
    }

    /// How long the open breaker lets nobody through; `None` = come.
    pub(crate) fn closed_for(&self, now: Instant) -> Option<Duration> {
        self.upstream.breaker.and_then(|_| self.course.breaker.closed_for(now))
    }

    /// Passes the breaker, if there is one; asked right after [`Group::closed_for`].
    pub(crate) fn pass(&self) -> Option<Pass> {
        self.upstream.breaker.map(|settings| self.course.breaker.enter(settings))
    }

    /// What its servers speak.
    pub(crate) const fn protocol(&self) -> Protocol {
        self.upstream.protocol
    }

    /// Requests that may wait for a connection.
    pub(crate) const fn pending_max(&self) -> usize {
        self.upstream.pending_max
    }

    /// The right to use one connection, in order of arrival.
    pub(crate) async fn permit(&self) -> Result<Permit, Full> {
        if let Some(permit) = self.course.gate.try_enter() {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(&self.course.stats.pending);
        self.course.gate.enter(self.upstream.pending_max).await
    }

    /// Before a connection is opened: closes an idle one if there would be too many.
    pub(crate) fn make_room(&self) {
        if self.course.gate.in_use() + self.course.idle() > self.upstream.connections_max {
            self.course.drop_oldest_idle();
        }
    }

    /// A request came: the retry budget grows.
    pub(crate) fn count_request(&self, now: Instant) {
        self.course.budget.request(now);
    }

    /// Takes one retry from the budget, if one is left.
    pub(crate) fn take_retry(&self, now: Instant) -> bool {
        let is_left = self.course.budget.take(&self.upstream.retry_budget, now);
        if !is_left {
            self.stats().retries_denied.fetch_add(1, Ordering::Relaxed);
        }
        is_left
    }

    /// This worker's counters of the upstream.
    pub(crate) fn stats(&self) -> &UpstreamStats {
        &self.course.stats
    }

    /// How an attempt at a server ended: it may be ejected or come back.
    pub(crate) fn judge(&self, request: &InFlight, outcome: Outcome, now: Instant) {
        let server = request.server();
        match outcome {
            Outcome::Answered => {
                if server.standing.succeeded(request.entry(), now) {
                    server.show_ejected(None);
                    self.course.begin(server, self.upstream.slow_start, now);
                    tracing::info!(upstream = self.upstream.name, server = &*server.address, "server is back");
                }
            }
            Outcome::Failed(failure) => {
                self.stats().failures[failure as usize].fetch_add(1, Ordering::Relaxed);
                let may_eject = || self.may_eject(server);
                let ejection = &self.upstream.ejection;
                let Some(pause) = server.standing.failed(request.entry(), failure, ejection, may_eject, now) else {
                    return;
                };
                server.show_ejected(Some(pause));
                self.stats().ejections.fetch_add(1, Ordering::Relaxed);
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                let (upstream, server, failure) = (&*self.upstream.name, &*server.address, failure.as_str());
                tracing::warn!(upstream, server, failure, pause_ms, "server ejected");
            }
        }
    }

    /// How an attempt ended, for the breaker; it may open.
    pub(crate) fn settle(&self, pass: Option<Pass>, outcome: Outcome, now: Instant) {
        let Some(pass) = pass else { return };
        if pass.settle(outcome != Outcome::Answered, now) {
            self.stats().breaker_opens.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(upstream = self.upstream.name, "breaker opened");
        }
    }

    /// True if the upstream can do without this server: the cap is not reached, and another one stays.
    fn may_eject(&self, server: &Rc<Server>) -> bool {
        let members = Rc::clone(&self.members.borrow());
        let serving = || members.all().iter().filter(|member| member.weight > 0);
        let ejected = serving().filter(|member| member.server.standing.is_ejected()).count();
        let ejected_max = serving().count() * usize::from(self.upstream.ejection.share_max_percent) / PERCENT;
        let stays = |member: &Member| {
            member.is_healthy && !member.server.standing.is_ejected() && !Rc::ptr_eq(&member.server, server)
        };
        ejected < ejected_max && serving().any(stays)
    }
}

/// Counts who waits; ends with its drop.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn begin(pending: &'a AtomicU64) -> Self {
        pending.fetch_add(1, Ordering::Relaxed);
        Self(pending)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
