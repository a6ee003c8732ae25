//! Tasks beside the builder that find out about the servers of upstreams: what a name resolves to (`names`), and who
//! passes the active checks (`health`). They write `UpstreamCell`s, which workers read.
//!
//! They follow the published snapshot: a task begins with the upstream that asks for it, stays as long as its settings
//! do, and ends with it. What was found out outlives reloads. Nothing here is on the way of a request.

mod health;
mod names;
mod probe;
mod resolver;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use sluice_policy::upstream::HealthCheck;
use sluice_policy::{Policy, Protocol, Servers, Upstream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use resolver::Resolver;

use self::health::Prober;
use self::names::Name;
use self::verdict::Verdicts;
use crate::fault::FaultSource;
use crate::shared::Shared;
use crate::tasks::Tasks;

/// Probes on their way at a time, over all upstreams: a check must not itself be a load, here or there.
const PROBES_MAX: usize = 64;
/// How long a publication waits for the first answers for its new names. One that does not resolve must not keep
/// everything else from being published.
const FIRST_ANSWER_WAIT: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Upstreams {
    shared: Arc<Shared>,
    tasks: Tasks,
    probes: Arc<Semaphore>,
    names: BTreeMap<String, Running<Name>>,
    probers: BTreeMap<String, Running<ProberKey>>,
    verdicts: BTreeMap<String, Arc<Mutex<Verdicts>>>,
}

/// A task and what it was started with.
struct Running<K> {
    key: K,
    _stop: DropGuard,
}

/// What a prober depends on; another one begins if any of it changes.
#[derive(PartialEq)]
struct ProberKey {
    check: HealthCheck,
    protocol: Protocol,
    servers: Servers,
}

impl Upstreams {
    pub(crate) fn new(tasks: &Tasks, shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            tasks: tasks.clone(),
            probes: Arc::new(Semaphore::new(PROBES_MAX)),
            names: BTreeMap::new(),
            probers: BTreeMap::new(),
            verdicts: BTreeMap::new(),
        }
    }

    /// Follows the publications until control stops.
    pub(crate) async fn run(mut self, mut revision: watch::Receiver<u64>) {
        loop {
            let policy = Arc::clone(&self.shared.published.load().1.policy);
            self.follow(&policy);
            drop(policy);
            if revision.changed().await.is_err() {
                return;
            }
        }
    }

    fn follow(&mut self, policy: &Policy) {
        let named: BTreeSet<&str> = policy.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        let gone = self.names.keys().filter(|name| !named.contains(name.as_str()));
        gone.for_each(|name| self.shared.board.set(FaultSource::Upstream, name, None));
        self.names.retain(|name, _| named.contains(name.as_str()));
        self.probers.retain(|name, _| named.contains(name.as_str()));
        self.verdicts.retain(|name, _| named.contains(name.as_str()));
        for upstream in &policy.upstreams {
            self.follow_name(upstream);
            self.follow_health(upstream);
        }
        self.shared.cells.prune_upstreams();
    }

    fn follow_name(&mut self, upstream: &Upstream) {
        let name = Name::of(upstream);
        if self.names.get(&upstream.name).map(|running| &running.key) == name.as_ref() {
            return;
        }
        if self.names.remove(&upstream.name).is_some() {
            self.shared.board.set(FaultSource::Upstream, &upstream.name, None);
        }
        let cell = self.shared.cells.upstream(&upstream.name);
        cell.update(|known| known.resolved.retain(|asked, _| name.as_ref().is_some_and(|name| name.key() == *asked)));
        let Some(name) = name else { return };
        let stop = CancellationToken::new();
        let resolving = names::follow(name.clone(), upstream.name.clone(), Arc::clone(&self.shared), cell);
        self.tasks.spawn("names", until(stop.clone(), resolving));
        self.names.insert(upstream.name.clone(), Running { key: name, _stop: stop.drop_guard() });
    }

    fn follow_health(&mut self, upstream: &Upstream) {
        let key = upstream.health.clone().map(|check| ProberKey {
            check,
            protocol: upstream.protocol,
            servers: upstream.servers.clone(),
        });
        if self.probers.get(&upstream.name).map(|running| &running.key) == key.as_ref() {
            return;
        }
        self.probers.remove(&upstream.name);
        let cell = self.shared.cells.upstream(&upstream.name);
        let Some(key) = key else {
            self.verdicts.remove(&upstream.name);
            return cell.update(|known| known.unhealthy.clear());
        };
        let stop = CancellationToken::new();
        let prober = Prober {
            upstream: upstream.clone(),
            check: key.check.clone(),
            cell,
            cells: Arc::clone(&self.shared.cells),
            verdicts: Arc::clone(self.verdicts.entry(upstream.name.clone()).or_default()),
            probes: Arc::clone(&self.probes),
        };
        self.tasks.spawn("health", until(stop.clone(), prober.run()));
        self.probers.insert(upstream.name.clone(), Running { key, _stop: stop.drop_guard() });
    }
}

/// Before a policy is published: its names that are new are asked for, so that its first request finds servers.
pub(crate) async fn prepare(shared: &Shared, policy: &Policy) {
    let first_answers = policy.upstreams.iter().filter_map(|upstream| {
        let name = Name::of(upstream)?;
        let cell = shared.cells.upstream(&upstream.name);
        let is_new = !cell.read().resolved.contains_key(&name.key());
        is_new.then_some(async move {
            // What fails here fails in the task too, which says so.
            let _first = names::ask(&name, &shared.resolver, &cell).await;
        })
    });
    let _late = timeout(FIRST_ANSWER_WAIT, join_all(first_answers)).await;
}

async fn until(stop: CancellationToken, task: impl Future<Output = ()>) {
    let _stopped = stop.run_until_cancelled(task).await;
}
