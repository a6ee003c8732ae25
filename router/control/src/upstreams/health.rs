//! Active checks of one upstream: every server is asked again and again, and those that fail too often are made known to
//! the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sluice_policy::Upstream;
use sluice_policy::upstream::HealthCheck;
use sluice_snapshot::Cells;
use sluice_snapshot::upstream::{UpstreamCell, listed};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::probe::{ProbeError, probe};
use super::verdict::Verdicts;
use crate::fault::chain;

/// How often the list of servers is looked at anew: leases and names change without a word to us.
const MEMBERS_EVERY: Duration = Duration::from_millis(500);
/// Pauses vary by this part of them, both ways, so that many routers do not ask in step.
const JITTER: f64 = 0.1;

/// The task of one upstream.
pub(super) struct Prober {
    pub(super) upstream: Upstream,
    pub(super) check: HealthCheck,
    pub(super) cell: Arc<UpstreamCell>,
    pub(super) cells: Arc<Cells>,
    /// Kept over reloads.
    pub(super) verdicts: Arc<Mutex<Verdicts>>,
    /// Shared by all upstreams.
    pub(super) probes: Arc<Semaphore>,
}

impl Prober {
    /// Asks again and again. Cancel safe.
    pub(super) async fn run(self) {
        // When each server is asked next; `None` = it is being asked.
        let mut due: BTreeMap<String, Option<Instant>> = BTreeMap::new();
        let mut asked = FuturesUnordered::new();
        loop {
            let now = Instant::now();
            let servers = self.servers();
            self.verdicts().keep(&servers);
            self.publish();
            due.retain(|address, _| servers.contains(address));
            for address in servers {
                let next = due.entry(address.clone()).or_insert(Some(now));
                if next.is_some_and(|next| next <= now) {
                    *next = None;
                    asked.push(self.ask(address));
                }
            }
            let next = due.values().flatten().min().copied().unwrap_or(now + MEMBERS_EVERY);
            tokio::select! {
                Some((address, answer)) = asked.next() => {
                    self.answered(&address, &answer);
                    if let Some(next) = due.get_mut(&address) {
                        *next = Some(Instant::now() + jittered(self.check.interval));
                    }
                }
                () = sleep_until(next.min(now + MEMBERS_EVERY)) => {}
            }
        }
    }

    fn servers(&self) -> BTreeSet<String> {
        let known = listed(&self.upstream, &self.cells.servers().read(), &self.cell.read());
        known.into_iter().filter(|server| !server.is_draining).map(|server| server.address).collect()
    }

    async fn ask(&self, address: String) -> (String, Result<(), ProbeError>) {
        // Never closed; and if it were, a probe too many harms nobody.
        let _permit = self.probes.acquire().await;
        let answer = probe(&address, &self.check, self.upstream.protocol).await;
        (address, answer)
    }

    fn answered(&self, address: &str, answer: &Result<(), ProbeError>) {
        let changed = self.verdicts().answered(address, answer.is_ok(), &self.check);
        let upstream = self.upstream.name.as_str();
        match (changed, answer) {
            (Some(true), _) => tracing::info!(upstream, server = address, "server passes its checks"),
            (Some(false), Err(error)) => {
                tracing::warn!(upstream, server = address, reason = chain(error), "server fails its checks");
            }
            (Some(false), Ok(())) | (None, _) => {}
        }
    }

    fn publish(&self) {
        let unhealthy = self.verdicts().unhealthy();
        self.cell.update(|known| known.unhealthy = unhealthy);
    }

    fn verdicts(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pause, a little shorter or longer.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_vary_by_a_tenth() {
        let pause = Duration::from_secs(10);
        let all: Vec<Duration> = (0..1_000).map(|_| jittered(pause)).collect();
        assert!(all.iter().all(|each| (Duration::from_secs(9)..=Duration::from_secs(11)).contains(each)));
        assert!(all.iter().max().unwrap().abs_diff(*all.iter().min().unwrap()) > Duration::from_secs(1));
    }
}
