//! Limits that all workers keep together: requests in flight and requests by rate, of one route.
//!
//! Nothing here waits or locks on the request path. State lives as long as some snapshot names its route: a reload that
//! does not change a limit does not forget what it has counted.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_policy::{RateLimit, RouteLimits};

use crate::gcra::Gcra;

/// Slots of a limit with a key: 512 KiB, whatever the number of clients. With a thousand clients at their limit, one in
/// a thousand others finds both of its slots taken.
pub const KEYED_SLOTS: usize = 1 << 16;

/// The limits of one route.
#[derive(Clone, Debug, Default)]
pub struct RouteLimiter {
    /// How many requests are in flight, if the route limits that.
    pub in_flight: Option<Arc<InFlight>>,
    /// How fast they come, if the route limits that.
    pub rate: Option<Arc<RateLimiter>>,
}

/// The limits of all routes, by name.
#[derive(Debug, Default)]
pub struct Limiters {
    in_flight: Mutex<BTreeMap<String, Arc<InFlight>>>,
    rates: Mutex<BTreeMap<String, Arc<RateLimiter>>>,
}

impl Limiters {
    /// The limits of a route: those that it had, as far as they did not change.
    #[must_use]
    pub fn route(&self, name: &str, limits: &RouteLimits) -> RouteLimiter {
        let in_flight = limits.in_flight_max.map(|_| {
            let mut all = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, known| Arc::strong_count(known) > 1);
            Arc::clone(all.entry(name.to_owned()).or_default())
        });
        let rate = limits.rate.as_ref().map(|wanted| {
            let mut all = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, known| Arc::strong_count(known) > 1);
            match all.get(name).filter(|known| known.limit == *wanted) {
                Some(known) => Arc::clone(known),
                None => {
                    let fresh = Arc::new(RateLimiter::new(wanted.clone()));
                    all.insert(name.to_owned(), Arc::clone(&fresh));
                    fresh
                }
            }
        });
        RouteLimiter { in_flight, rate }
    }
}

/// Counts the requests in flight of one route.
#[derive(Debug, Default)]
pub struct InFlight(AtomicU32);

impl InFlight {
    /// Counts a request in, unless `max` are in flight; whoever was counted in [leaves](Self::leave).
    #[must_use]
    pub fn enter(&self, max: u32) -> bool {
        let more = |count: u32| (count < max).then(|| count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Counts a request out.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests in flight now.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One rate limit. Without a key it is one number; with a key, a table of numbers of fixed size.
///
/// A key has two slots, found by a hash with a secret seed. Both are charged, and the one that is less charged decides:
/// nobody gets more than the limit, and a stranger in one of the slots does no harm.
#[derive(Debug)]
pub struct RateLimiter {
    limit: RateLimit,
    gcra: Gcra,
    started: Instant,
    seed: RandomState,
    /// Theoretical arrival times, nanoseconds since `started`; they only grow.
    slots: Box<[AtomicU64]>,
}

impl RateLimiter {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        let slots = if limit.key.is_empty() { 1 } else { KEYED_SLOTS };
        Self {
            gcra: Gcra::new(limit.requests, limit.per, limit.burst),
            limit,
            started: Instant::now(),
            seed: RandomState::new(),
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The limit as its policy says it.
    #[must_use]
    pub const fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Judges a request of the client that `key` names.
    ///
    /// # Errors
    /// How long the client has to wait.
    pub fn admit(&self, key: impl Hash, now: Instant) -> Result<(), Duration> {
        let now_nanos = now.saturating_duration_since(self.started).as_nanos();
        let now_nanos = u64::try_from(now_nanos).unwrap_or(u64::MAX);
        match &*self.slots {
            [only] => self.charge(only, None, now_nanos),
            slots => {
                let [one, other] = self.places(key).map(|place| &slots[place]);
                self.charge(one, Some(other), now_nanos)
            }
        }
    }

    /// The two slots of a key, never the same one.
    fn places(&self, key: impl Hash) -> [usize; 2] {
        let hash = self.seed.hash_one(key);
        let place = |bits: u64, among: usize| usize::try_from(bits % among as u64).unwrap_or_default();
        let first = place(hash & u64::from(u32::MAX), self.slots.len());
        let step = 1 + place(hash >> 32, self.slots.len() - 1);
        [first, (first + step) % self.slots.len()]
    }

    /// Charges one slot, or the two of a key. The greater of two is raised first and the exchange on the lesser one
    /// decides, so that at no moment both are below what was admitted. A failed exchange means that another request was
    /// admitted, which happens as often as the burst allows.
    fn charge(&self, one: &AtomicU64, other: Option<&AtomicU64>, now_nanos: u64) -> Result<(), Duration> {
        loop {
            let (mut lesser, mut tat, mut greater) = (one, one.load(Ordering::Acquire), other);
            if let Some(other) = other
                && let other_tat = other.load(Ordering::Acquire)
                && other_tat < tat
            {
                (lesser, tat, greater) = (other, other_tat, Some(one));
            }
            let next = self.gcra.admit(tat, now_nanos)?;
            if let Some(greater) = greater {
                greater.fetch_max(next, Ordering::AcqRel);
            }
            if lesser.compare_exchange(tat, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
