//! A data plane with one snapshot, made from policy text and the plugins of the repository.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_model::weight::BasisPoints;
use sluice_policy::{FailurePolicy, ListenerConfig, Source, TrialMode};
use sluice_proxy::{Proxy, Settings, Shared};
use sluice_snapshot::upstream::UpstreamTotals;
use sluice_snapshot::{Cells, EffectQueue, Plugin, Published, Seat, Snapshot, Traffic, Trial};

use crate::client::Client;
use crate::loading::load;
use crate::origin::Origin;

pub(crate) struct Router {
    pub(crate) address: SocketAddr,
    pub(crate) cells: Arc<Cells>,
    pub(crate) shared: Shared,
    pub(crate) settings: Settings,
    pub(crate) proxy: Proxy,
}

/// What tests change of it.
pub(crate) fn settings() -> Settings {
    Settings {
        listeners: vec![ListenerConfig::new("127.0.0.1:0".parse().unwrap())],
        workers: 1,
        header_read: Duration::from_secs(10),
        body_idle: Duration::from_secs(30),
        keep_alive_idle: Duration::from_secs(75),
        connections_max: 1_000,
        head_bytes_max: 64 << 10,
        header_fields_max: 100,
        streams_max: 128,
        requests_per_connection_max: 100_000,
        connection_age_max: Duration::from_secs(3_600),
        ping_interval: sluice_proxy::PING_INTERVAL,
        ping_timeout: sluice_proxy::PING_TIMEOUT,
        drain: Duration::from_secs(10),
        access_log: sluice_policy::AccessLog::Off,
        chain_trace: sluice_policy::ChainTrace::default(),
        override_key: None,
    }
}

/// A policy that sends everything to these servers.
pub(crate) fn everything_to(origins: &[&Origin]) -> String {
    let servers: Vec<String> = origins.iter().map(|origin| format!("{:?}", origin.address.to_string())).collect();
    format!("[upstreams.app]\nservers = [{}]\n[[routes]]\nname = \"app\"\nto = \"app\"\n", servers.join(", "))
}

/// The same, with these lines in the upstream and in the route.
pub(crate) fn balanced(origins: &[&Origin], upstream: &str, route: &str) -> String {
    let policy = everything_to(origins);
    policy.replace("[[routes]]\n", &format!("{upstream}\n[[routes]]\n{route}\n"))
}

impl Router {
    pub(crate) fn start(policy: &str) -> Self {
        Self::start_with(policy, settings())
    }

    pub(crate) fn start_with(policy: &str, settings: Settings) -> Self {
        let cells = Arc::new(Cells::new());
        let traffic = Arc::new(Traffic::new(settings.workers));
        let snapshot = snapshot(policy, 1, &cells, &traffic, settings.workers);
        let shared = Shared {
            published: Arc::new(Published::new(snapshot, settings.workers)),
            traffic,
            effects: Arc::new(EffectQueue::default()),
        };
        let proxy = sluice_proxy::start(settings.clone(), shared.clone()).unwrap();
        Self { address: proxy.addresses()[0], cells, shared, settings, proxy }
    }

    /// A router before one origin.
    pub(crate) fn before(origin: &Origin) -> Self {
        Self::start(&everything_to(&[origin]))
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Publishes another policy and returns the snapshot before it.
    pub(crate) fn publish(&self, policy: &str) -> Arc<Snapshot> {
        let revision = self.shared.published.load().1.revision + 1;
        let next = snapshot(policy, revision, &self.cells, &self.shared.traffic, self.settings.workers);
        self.shared.published.publish(next)
    }

    /// Publishes the same policy with other seats.
    fn seat(&self, change: impl FnOnce(&mut Vec<Seat>)) {
        let before = self.shared.published.load().1;
        let (policy, mut seats) = (Arc::clone(&before.policy), before.seats.clone());
        change(&mut seats);
        let next = Snapshot::new(before.revision + 1, policy, seats, &self.cells, &self.shared.traffic);
        drop(self.shared.published.publish(Arc::new(next)));
    }

    /// The second plugin of the policy becomes the new digest of the first one.
    pub(crate) fn begin_trial(&self, mode: TrialMode, percent: f64) -> Arc<Trial> {
        let share = BasisPoints::from_percent(percent).unwrap();
        let trial = Arc::new(Trial::new(self.plugin(1), mode, share, now_ms()));
        let serving = self.plugin(0);
        self.seat(|seats| seats[0] = Seat::Taken { plugin: serving, trial: Some(Arc::clone(&trial)) });
        trial
    }

    /// The first plugin of the policy could not be loaded.
    pub(crate) fn empty_seat(&self, policy: FailurePolicy) {
        self.seat(|seats| seats[0] = Seat::Empty(policy));
    }

    /// What was counted of the upstream of [`everything_to`].
    pub(crate) fn upstream(&self) -> UpstreamTotals {
        self.cells.upstream("app").totals(now_ms())
    }

    /// The plugin that serves at this place of the policy.
    pub(crate) fn plugin(&self, index: usize) -> Arc<Plugin> {
        Arc::clone(self.shared.published.load().1.seats[index].plugin().unwrap())
    }

    pub(crate) fn in_flight(&self) -> u64 {
        let workers = self.shared.traffic.workers().iter();
        workers.map(|worker| worker.in_flight.load(std::sync::atomic::Ordering::Relaxed)).sum()
    }
}

/// Now, Unix time.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn snapshot(policy: &str, revision: u64, cells: &Arc<Cells>, traffic: &Traffic, workers: usize) -> Arc<Snapshot> {
    let source = Source { file: "test.toml".to_owned(), text: policy.to_owned() };
    let policy = sluice_policy::parse(&[source]).unwrap_or_else(|faults| panic!("{faults}"));
    let seats = policy.plugins.iter().map(|spec| Seat::serving(Arc::new(load(spec, cells, workers)))).collect();
    Arc::new(Snapshot::new(revision, Arc::new(policy), seats, cells, traffic))
}
