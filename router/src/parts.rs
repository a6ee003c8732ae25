//! The parts of a running router and what they share: how each is started, and how all but the data plane end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sluice_admin::Admin;
use sluice_control::Handle;
use sluice_proxy::Proxy;
use sluice_snapshot::{Cells, EffectQueue, Published, Snapshot, Traffic};
use sluice_state::{Event, Store};
use sluice_wasm::Engine;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::Settings;

/// How long control and admin may take to end, and then the store: what they do last is a few writes.
const END_WAIT: Duration = Duration::from_secs(5);

/// Compiled plugins, in the data folder.
const ARTIFACTS_FOLDER: &str = "artifacts";

/// What the parts share.
#[derive(Debug)]
pub(crate) struct Parts {
    cells: Arc<Cells>,
    published: Arc<Published>,
    traffic: Arc<Traffic>,
    effects: Arc<EffectQueue>,
    /// Tasks of control and admin.
    tracker: TaskTracker,
    stop: CancellationToken,
    /// Tasks of the store, which end last: the others still write.
    store_tracker: TaskTracker,
    store_stop: CancellationToken,
    /// Cancelled when the drain begins.
    pub(crate) draining: CancellationToken,
}

impl Parts {
    pub(crate) fn new(workers: usize) -> Self {
        let cells = Arc::new(Cells::new());
        let published = Published::new(Arc::new(Snapshot::empty(&cells)), workers);
        Self {
            cells,
            published: Arc::new(published),
            traffic: Arc::new(Traffic::new(workers)),
            effects: Arc::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            store_tracker: TaskTracker::new(),
            store_stop: CancellationToken::new(),
            draining: CancellationToken::new(),
        }
    }

    pub(crate) async fn open_store(
        &self,
        settings: &Settings,
    ) -> anyhow::Result<(Arc<dyn Store>, mpsc::Receiver<Event>)> {
        let opened = sluice_state::open(settings.store(), &self.store_tracker, self.store_stop.clone()).await;
        opened.context("open the store")
    }

    pub(crate) async fn start_control(
        &self,
        settings: &Settings,
        store: Arc<dyn Store>,
        events: mpsc::Receiver<Event>,
    ) -> anyhow::Result<Handle> {
        let artifacts = settings.config.folders.data.join(ARTIFACTS_FOLDER);
        let context = sluice_control::Context {
            engine: Engine::with_cache(&artifacts).context("start the plugin engine")?,
            store,
            events,
            cells: Arc::clone(&self.cells),
            traffic: Arc::clone(&self.traffic),
            effects: Arc::clone(&self.effects),
            published: Arc::clone(&self.published),
        };
        let settings = sluice_control::Settings {
            folders: settings.config.folders.clone(),
            workers: settings.workers,
            store_kind: settings.store_kind(),
            switches: settings.config.store.switches.clone(),
            name_servers: settings.config.name_servers.clone(),
            override_key: settings.override_key.clone(),
            sinks: settings.sinks.clone(),
            alerts_link: settings.config.alerts_link.clone(),
        };
        let started = sluice_control::start(settings, context, &self.tracker, self.stop.clone()).await;
        started.context("start control")
    }

    pub(crate) fn start_proxy(&self, settings: &Settings) -> anyhow::Result<Proxy> {
        let config = &settings.config;
        let limits = &config.limits;
        let settings = sluice_proxy::Settings {
            listeners: config.listeners.clone(),
            workers: settings.workers,
            header_read: limits.header_read,
            body_idle: limits.body_idle,
            keep_alive_idle: limits.keep_alive_idle,
            connections_max: limits.connections_max,
            head_bytes_max: limits.head_bytes_max,
            header_fields_max: limits.header_fields_max,
            streams_max: limits.streams_max,
            requests_per_connection_max: limits.requests_per_connection_max,
            connection_age_max: limits.connection_age_max,
            ping_interval: sluice_proxy::PING_INTERVAL,
            ping_timeout: sluice_proxy::PING_TIMEOUT,
            drain: limits.drain,
            access_log: config.access_log.clone(),
            chain_trace: config.chain_trace.clone(),
            override_key: settings.override_key.clone(),
        };
        let shared = sluice_proxy::Shared {
            published: Arc::clone(&self.published),
            traffic: Arc::clone(&self.traffic),
            effects: Arc::clone(&self.effects),
        };
        sluice_proxy::start(settings, shared).context("start the data plane")
    }

    pub(crate) async fn start_admin(&self, settings: &Settings, control: Handle) -> anyhow::Result<Admin> {
        let admin = sluice_admin::Settings {
            address: settings.config.admin.address,
            tokens: settings.tokens.clone(),
            legacy_toggle: settings.config.admin.legacy_toggle,
            draining: self.draining.clone(),
        };
        let started = sluice_admin::start(admin, control, &self.tracker, self.stop.clone()).await;
        started.context("start the admin port")
    }

    /// Ends control and admin, then the store.
    pub(crate) async fn end(self) {
        end("control", &self.stop, &self.tracker).await;
        end("store", &self.store_stop, &self.store_tracker).await;
    }
}

async fn end(part: &'static str, stop: &CancellationToken, tracker: &TaskTracker) {
    stop.cancel();
    tracker.close();
    if timeout(END_WAIT, tracker.wait()).await.is_err() {
        tracing::warn!(part, tasks = tracker.len(), "did not end in time");
    }
}
