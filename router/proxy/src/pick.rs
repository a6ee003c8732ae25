//! Step of the path: which variant, which upstream, which server.
//!
//! The last word on a variant is spoken here: the abort flag of the rollout is read again, whatever a plugin said before.
//! While it is set everything goes to stable, other variants than the canary too: what an alert condemns is the rollout. Only a
//! signed override goes past it.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use sluice_policy::{Rollout, WeightedUpstream};
use sluice_snapshot::decisions::VariantBy;
use tokio::time::Instant;

use crate::error::Error;
use crate::exchange::Exchange;
use crate::fields;
use crate::head::Head;
use crate::upstream::{Group, Server, Wanted};

/// Where a request goes, and where it may go next if that fails.
pub(crate) struct Choice {
    place: Place,
    /// Stable variant and its upstream: where requests of another variant go when none of its servers lives. Never the
    /// other way round.
    stable: Option<(usize, Place)>,
    /// Could not be connected to: not asked again.
    unreachable: Vec<Rc<Server>>,
    /// Took the request and failed: asked again only if there is no other.
    failed: Vec<Rc<Server>>,
}

/// An upstream, and what a hash chooses its server by.
#[derive(Clone, Copy, Debug)]
struct Place {
    upstream: usize,
    key: Option<u64>,
}

/// Chooses the upstream of a request whose route has these targets, and leaves the variant in the exchange.
pub(crate) fn pick(exchange: &Exchange, head: &Head, targets: &[WeightedUpstream]) -> Choice {
    let weighted = by_weight(targets, exchange.connection.worker.random());
    let Some(rollout) = exchange.rollout_policy() else {
        return Choice::new(Place::new(exchange, head, weighted), None);
    };
    let index = |wanted: &str| rollout.variants.iter().position(|(name, _)| name == wanted);
    let stable = index(&rollout.stable);
    let variant = match exchange.overridden() {
        Some(overridden) => {
            exchange.trail.variant_by(Some(VariantBy::Override));
            Some(overridden)
        }
        None => chosen(exchange, stable, || variant_of(rollout, weighted)),
    };
    exchange.set_variant(variant);
    let upstream_of = |variant: usize| rollout.variants[variant].1;
    let fallback = stable.filter(|_| variant.is_some() && variant != stable);
    let place = |upstream| Place::new(exchange, head, upstream);
    Choice::new(
        place(variant.map_or(weighted, upstream_of)),
        fallback.map(|stable| (stable, place(upstream_of(stable)))),
    )
}

/// What a plugin chose, else the weights; stable in place of any other while the rollout is aborted.
fn chosen(exchange: &Exchange, stable: Option<usize>, by_weight: impl FnOnce() -> Option<usize>) -> Option<usize> {
    if exchange.variant().is_none() {
        exchange.trail.variant_by(Some(VariantBy::Weight));
    }
    let variant = exchange.variant().or_else(by_weight);
    let is_aborted = exchange.route().and_then(|route| route.rollout.as_ref()).is_some_and(|cell| cell.is_aborted());
    if is_aborted && variant.is_some() && variant != stable {
        exchange.trail.variant_by(Some(VariantBy::RolloutAborted));
        return stable;
    }
    variant
}

/// The variant that an upstream serves.
fn variant_of(rollout: &Rollout, upstream: usize) -> Option<usize> {
    rollout.variants.iter().position(|(_, serves)| *serves == upstream)
}

/// An upstream by its share.
fn by_weight(targets: &[WeightedUpstream], random: u64) -> usize {
    let total: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    let mut at = random % total.max(1);
    for target in targets {
        let weight = u64::from(target.weight);
        if at < weight {
            return target.upstream;
        }
        at -= weight;
    }
    targets.first().map_or(0, |target| target.upstream)
}

impl Place {
    fn new(exchange: &Exchange, head: &Head, upstream: usize) -> Self {
        let wanted = exchange.worker_snapshot().group(upstream).hash_fields();
        let key = wanted.and_then(|wanted| {
            let (_, value) = fields::of_request(exchange, head)?.first_present(wanted)?;
            Some(Group::key(&value))
        });
        Self { upstream, key }
    }
}

impl Choice {
    fn new(place: Place, stable: Option<(usize, Place)>) -> Self {
        Self { place, stable, unreachable: Vec::new(), failed: Vec::new() }
    }

    /// The next server to try.
    ///
    /// # Errors
    /// [`Error::BreakerOpen`], or [`Error::NoServer`] if there is no other.
    pub(crate) fn next_server(&mut self, exchange: &Exchange, now: Instant) -> Result<Rc<Server>, Error> {
        exchange.trail.upstream(self.place.upstream);
        if let Some(live) = self.next_live(exchange, now) {
            return Ok(live);
        }
        if let Some((variant, stable)) = self.stable.take() {
            tracing::warn!(
                request_id = exchange.request_id_text(),
                "no server of the variant lives, stable takes its request"
            );
            exchange.set_variant(Some(variant));
            exchange.trail.variant_by(Some(VariantBy::NoCanaryLives));
            exchange.trail.upstream(stable.upstream);
            self.place = stable;
            if let Some(live) = self.next_live(exchange, now) {
                return Ok(live);
            }
        }
        let group = self.group(exchange);
        if let Some(retry_after) = group.closed_for(now) {
            group.stats().breaker_refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::BreakerOpen { retry_after });
        }
        self.choose(exchange, now, Wanted::Any, |server| self.is_unreachable(server)).ok_or(Error::NoServer)
    }

    /// This server could not be connected to.
    pub(crate) fn set_unreachable(&mut self, server: &Rc<Server>) {
        self.unreachable.push(Rc::clone(server));
    }

    /// This server took the request and failed.
    pub(crate) fn set_failed(&mut self, server: &Rc<Server>) {
        self.failed.push(Rc::clone(server));
    }

    fn is_unreachable(&self, server: &Rc<Server>) -> bool {
        self.unreachable.iter().any(|known| Rc::ptr_eq(known, server))
    }

    fn next_live(&self, exchange: &Exchange, now: Instant) -> Option<Rc<Server>> {
        if self.group(exchange).closed_for(now).is_some() {
            return None;
        }
        let has_failed = |server: &Rc<Server>| self.failed.iter().any(|known| Rc::ptr_eq(known, server));
        self.choose(exchange, now, Wanted::Live, |server| self.is_unreachable(server) || has_failed(server))
            .or_else(|| self.choose(exchange, now, Wanted::Live, |server| self.is_unreachable(server)))
    }

    /// The upstream.
    pub(crate) fn group<'a>(&self, exchange: &'a Exchange) -> &'a Group {
        exchange.worker_snapshot().group(self.place.upstream)
    }

    fn choose(
        &self,
        exchange: &Exchange,
        now: Instant,
        wanted: Wanted,
        is_excluded: impl Fn(&Rc<Server>) -> bool,
    ) -> Option<Rc<Server>> {
        let group = self.group(exchange);
        group.refresh(exchange.snapshot().cells.servers(), now);
        group.choose(now, wanted, is_excluded, self.place.key, exchange.connection.worker.random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let target = |upstream, weight| WeightedUpstream { upstream, weight };
        let targets = [target(7, 1), target(8, 0), target(9, 3)];
        let count = |wanted| (0..400).filter(|random| by_weight(&targets, *random) == wanted).count();
        assert_eq!((count(7), count(8), count(9)), (100, 0, 300));
    }
}
