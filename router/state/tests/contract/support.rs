//! A router as the store sees it: it drains the events, keeps what they say, and answers fences.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sluice_model::alert::{Alert, AlertId};
use sluice_model::audit::AuditEntry;
use sluice_model::lease::{Lease, Server};
use sluice_model::rollout::{Command, Rollout};
use sluice_model::silence::Silence;
use sluice_model::weight::BasisPoints;
use sluice_state::{Backend, Config, Event, FlagDocument, Health, OpenError, Store, SwitchValue};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The switch of all tests.
pub(crate) const SWITCH: &str = "featureFlags";
/// Far more than anything takes, on any machine.
const EVENTUALLY_MAX: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(5);

/// Polls until it is so.
pub(crate) async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !so().await {
        assert!(begin.elapsed() < EVENTUALLY_MAX, "never: {what}");
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// What the events said last.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) switches: BTreeMap<String, SwitchValue>,
    pub(crate) rollouts: BTreeMap<String, Rollout>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) flags: BTreeMap<String, FlagDocument>,
    /// Sets that are refused, and why.
    pub(crate) refused: BTreeMap<String, String>,
    /// `None` until told.
    pub(crate) silences: Option<Vec<Silence>>,
    pub(crate) audit: Vec<AuditEntry>,
    pub(crate) health: Vec<Health>,
    /// Epochs of `demo`, in the order they came.
    pub(crate) epochs: Vec<u64>,
}

impl View {
    pub(crate) fn switch(&self) -> Option<&SwitchValue> {
        self.switches.get(SWITCH)
    }

    pub(crate) fn connected(&self) -> bool {
        self.health.last().is_some_and(|health| health.connected)
    }

    pub(crate) fn servers(&self) -> Vec<&str> {
        self.leases.iter().map(|lease| &*lease.server.id).collect()
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Switch { name, value } => {
                self.switches.insert(name, value);
            }
            Event::Flags { set, document } => {
                self.refused.remove(&set);
                match document {
                    Some(document) => self.flags.insert(set, document),
                    None => self.flags.remove(&set),
                };
            }
            Event::FlagsRefused { set, reason } => {
                self.refused.insert(set, reason);
            }
            Event::Silences(silences) => self.silences = Some(silences),
            Event::Audit(entry) => self.audit.push(entry),
            Event::Rollout { name, rollout } => {
                self.epochs.push(rollout.epoch);
                self.rollouts.insert(name, rollout);
            }
            Event::Servers(leases) => self.leases = leases,
            Event::Alert(alert) => self.alerts.push(alert),
            Event::Health(health) => self.health.push(health),
            Event::Fence(fence) => {
                let _gone = fence.send(());
            }
        }
    }
}

/// An open store and what it said.
pub(crate) struct Router {
    store: Arc<dyn Store>,
    view: Arc<Mutex<View>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Deref for Router {
    type Target = dyn Store;
    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl Router {
    pub(crate) async fn open(config: Config) -> Result<Self, OpenError> {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let (store, mut events) = sluice_state::open(config, &tracker, stop.clone()).await?;
        let view = Arc::new(Mutex::new(View::default()));
        let writes = Arc::clone(&view);
        tracker.spawn(async move {
            while let Some(event) = events.recv().await {
                writes.lock().unwrap().apply(event);
            }
        });
        Ok(Self { store, view, tracker, stop })
    }

    /// Opens, and waits for the first content.
    pub(crate) async fn ready(config: Config) -> Self {
        let router = Self::open(config).await.unwrap();
        router.until("the first content", |view| !view.health.is_empty()).await;
        router
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap()
    }

    pub(crate) async fn until(&self, what: &str, so: impl Fn(&View) -> bool) {
        eventually(what, async || so(&self.view())).await;
    }

    /// Stops as at the end of the process, and waits for every task.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        drop(self.store);
        self.tracker.close();
        tokio::time::timeout(EVENTUALLY_MAX, self.tracker.wait()).await.expect("a task of the store never ended");
    }
}

pub(crate) fn config(backend: Backend, folder: &Path) -> Config {
    Config::new(backend, "main", vec![SWITCH.to_owned()], folder)
}

pub(crate) fn server(id: &str) -> Server {
    Server {
        id: id.to_owned(),
        addr: "127.0.0.1:9001".to_owned(),
        app: "meow".to_owned(),
        variant: "stable".to_owned(),
        roles: vec!["app".to_owned()],
        release: "1".to_owned(),
        cpu: Some(1.5),
        mem: None,
        draining: false,
        started_ms: 7,
    }
}

/// An hour from now, ms since the Unix epoch.
pub(crate) fn in_an_hour_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap() + 3_600_000
}

pub(crate) fn quarter() -> Rollout {
    Rollout::initial(BasisPoints::new(2_500).unwrap(), "salt".to_owned(), "test", 1)
}

pub(crate) fn abort(id: &str) -> Command {
    Command::Abort { id: AlertId::from_text(id), reason: "upload too large".to_owned() }
}

pub(crate) fn alert(id: &str, fingerprint: &str) -> Alert {
    Alert {
        id: AlertId::from_text(id),
        rule: "upload-size".to_owned(),
        fingerprint: fingerprint.to_owned(),
        route: "app".to_owned(),
        plugin: "upload-alert".to_owned(),
        message: "50001 bytes, limit 50000".to_owned(),
        observed: 50_001,
        limit: 50_000,
        variant: Some("canary".to_owned()),
        rollout: None,
        request_id: "r-1".to_owned(),
        at_ms: 9,
        ..Alert::default()
    }
}
