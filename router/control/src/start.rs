//! Starting control: wires the tasks together in the order in which they need each other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_alert::Sink;
use sluice_model::alert::Alert;
use sluice_model::override_token::OverrideKey;
use sluice_policy::Folders;
use sluice_snapshot::{Cells, Effect, EffectQueue, Published, Traffic};
use sluice_state::{Event, Store};
use sluice_wasm::Engine;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::alert_rules::{AlertRules, resolve};
use crate::alerts::Alerting;
use crate::alerts::aborts::Aborts;
use crate::alerts::identity::router_id;
use crate::alerts::raise::Raiser;
use crate::apply::Apply;
use crate::board::Board;
use crate::builder::rollback::ORDERS_WAITING_MAX;
use crate::builder::{Builder, CHANGES_WAITING_MAX, Tools};
use crate::clock::now_ms;
use crate::effects::{ALERTS_WAITING_MAX, Dispatch, LOSSES_WAITING_MAX};
use crate::flags::Flags;
use crate::flags::changes::Changes;
use crate::flags::watching::Watching;
use crate::gate::Gate;
use crate::handle::Handle;
use crate::history::History;
use crate::last_good::LastGood;
use crate::notifier::Notifier;
use crate::quarantine::QUARANTINES_WAITING_MAX;
use crate::release::ledgers::Ledgers;
use crate::rollouts::standings::Standings;
use crate::rollouts::{Analyst, Declared, Figures};
use crate::shared::Shared;
use crate::spares::Spares;
use crate::status::Router;
use crate::tasks::Tasks;
use crate::upstreams::{Resolver, Upstreams};
use crate::workshop::Workshop;
use crate::{quarantine, watch as folder_watch};

/// How long the start waits for the store's first content and for declared rollouts to be in the store. A store that is
/// away must not keep a router from serving what it has.
const STORE_WAIT: Duration = Duration::from_secs(2);

/// [`Settings::store_kind`] of a router that has its store for itself.
const EMBEDDED: &str = "embedded";

/// What control needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Policy files, plugin files, and the data folder, which exists.
    pub folders: Folders,
    /// Workers of the data plane.
    pub workers: usize,
    /// `embedded` or `redis`, for the status.
    pub store_kind: &'static str,
    /// Switches that the store follows, whatever plugins read.
    pub switches: Vec<String>,
    /// Name servers to ask for upstreams with `dns`; empty = those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// What overrides of rollouts are signed with; `None` = none is.
    pub override_key: Option<OverrideKey>,
    /// Where alerts are told, sorted by name.
    pub sinks: Vec<Arc<Sink>>,
    /// Address of a page that shows alerts, for notices.
    pub alerts_link: Option<String>,
}

/// What control works on.
pub struct Context {
    /// Compiles plugins.
    pub engine: Engine,
    /// The store, to write to.
    pub store: Arc<dyn Store>,
    /// What the store says.
    pub events: mpsc::Receiver<Event>,
    /// The live cells, which control alone writes.
    pub cells: Arc<Cells>,
    /// Counters of the data plane.
    pub traffic: Arc<Traffic>,
    /// What workers hand over.
    pub effects: Arc<EffectQueue>,
    /// Where snapshots are published, by control alone.
    pub published: Arc<Published>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// Why control did not start. A bad policy or plugin is no reason: it is a fault, and the router starts without it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing can be written to the data folder.
    #[error("cannot write to the data folder {}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The thread that compiles cannot be started.
    #[error("cannot start the compile thread")]
    Workshop(#[source] std::io::Error),
    /// Another control has this queue.
    #[error("the effect queue is taken already")]
    EffectsTaken,
}

/// Starts control on the current runtime. Returns after the first build was tried: then the folders' content serves, or
/// the last good revision, or nothing, and [`Handle::status`] says why.
///
/// # Errors
/// [`StartError`].
pub async fn start(
    settings: Settings,
    context: Context,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Result<Handle, StartError> {
    let Settings { folders, workers, store_kind, switches, name_servers, override_key, sinks, alerts_link } = settings;
    let Context { engine, store, events, cells, traffic, effects, published } = context;
    let effect_receiver = effects.take_receiver().ok_or(StartError::EffectsTaken)?;
    let unwritable = |source| StartError::Data { path: folders.data.clone(), source };
    let last_good = LastGood::open(&folders.data).map_err(unwritable)?;
    let history = History::open(&folders.data).map_err(unwritable)?;
    let workshop = Workshop::start(tracker).map_err(StartError::Workshop)?;

    let tasks = Tasks::new(tracker.clone(), stop);
    let router = Router { version: env!("CARGO_PKG_VERSION"), started_ms: now_ms(), workers };
    let board = Arc::new(Board::new(store_kind));
    let resolver = Resolver::new(&tasks, name_servers);
    let ledgers = Ledgers::open(&folders.data, &board);
    let alerting = Alerting::new(router_id(&folders.data).map_err(unwritable)?, sinks, alerts_link);
    let aborts = Aborts::open(&folders.data, &tasks, &board).map_err(unwritable)?;
    let (flags, changes) = (Flags::new(&board, &switches), Arc::new(Changes::new()));
    let shared = Arc::new(Shared {
        published,
        cells,
        traffic,
        effects,
        store,
        board,
        history,
        ledgers,
        standings: Standings::default(),
        override_key,
        router,
        resolver,
        switches,
        flags,
        changes,
        alerting,
        aborts,
    });
    let raiser = Raiser::open(&folders.data, &shared, &tasks).map_err(unwritable)?;
    let gate = Arc::new(Gate::new(Arc::clone(&shared)));
    let (changes, change_receiver) = mpsc::channel(CHANGES_WAITING_MAX);
    let writers_done = CancellationToken::new();

    let (apply, filled) = Apply::new(&tasks, &shared, &gate, changes.clone());
    tasks.spawn_to_its_end("apply", apply.run(events, writers_done.clone()));
    tasks.spawn("watch", folder_watch::run(folders.clone(), tasks.clone(), changes.clone()));
    let (orders, order_receiver) = mpsc::channel(ORDERS_WAITING_MAX);
    let tools = Tools { gate: Arc::clone(&gate), engine, workshop: workshop.clone(), last_good, folders, changes };
    let mut builder = Builder::new(&tasks, &shared, tools);
    let revisions = builder.revisions();
    wait_for_the_first_content(filled).await;
    builder.start().await;
    tasks.spawn_to_its_end("builder", builder.run(change_receiver, order_receiver));

    tasks.spawn("changes", Arc::clone(&shared.changes).run());
    let mut watching = Watching::new(Arc::clone(&shared));
    // Too late is no failure: the task goes on trying.
    let _late = timeout(STORE_WAIT, watching.round()).await;
    tasks.spawn("switches", watching.run(revisions.clone()));
    tasks.spawn("upstreams", Upstreams::new(&tasks, &shared).run(revisions.clone()));
    let mut declared = Declared::new(Arc::clone(&shared));
    // Too late is no failure: the task goes on trying.
    let _late = timeout(STORE_WAIT, declared.round()).await;
    tasks.spawn("rollouts", declared.run(revisions));
    tasks.spawn("figures", Figures::new(Arc::clone(&shared)).run());
    tasks.spawn_to_its_end("analysis", Analyst::new(Arc::clone(&shared)).run(tasks.stop().clone()));
    let writing = Arc::new(writers_done.drop_guard());
    let alerts = spawn_alerts(&tasks, &shared, raiser, &writing, store_kind);
    spawn_effects(&tasks, &shared, Arc::clone(&gate), effect_receiver, alerts);
    Ok(Handle::new(shared, gate, workshop, orders))
}

/// Before it, plugins would start on a state that is about to change. What comes later is applied when it comes.
async fn wait_for_the_first_content(mut filled: watch::Receiver<bool>) {
    let _late = timeout(STORE_WAIT, filled.wait_for(|filled| *filled)).await;
}

/// The tasks from an alert to its sinks. Returns where alerts are handed over.
fn spawn_alerts(
    tasks: &Tasks,
    shared: &Arc<Shared>,
    raiser: Raiser,
    writing: &Arc<DropGuard>,
    store_kind: &str,
) -> mpsc::Sender<Alert> {
    let (alerts, alert_receiver) = mpsc::channel(ALERTS_WAITING_MAX);
    tasks.spawn_to_its_end("alerts", raiser.run(alert_receiver, Arc::clone(writing)));
    tasks.spawn("alert rules", AlertRules::new(Arc::clone(shared), alerts.clone()).run());
    tasks.spawn("resolve alerts", resolve(Arc::clone(shared)));
    // Without sinks it would only take deliveries from routers that have some. A sole router has nobody to leave them to,
    // and an alert of today is no news on the day that it gets a sink.
    if !shared.alerting.sinks.is_empty() || store_kind == EMBEDDED {
        tasks.spawn("notifier", Notifier::new(shared, tasks, Arc::clone(writing)).run());
    }
    alerts
}

/// The tasks behind the effect queue, each of which may wait without the others.
fn spawn_effects(
    tasks: &Tasks,
    shared: &Arc<Shared>,
    gate: Arc<Gate>,
    effects: mpsc::Receiver<Effect>,
    alerts: mpsc::Sender<Alert>,
) {
    let (losses, loss_receiver) = mpsc::channel(LOSSES_WAITING_MAX);
    let (quarantines, quarantine_receiver) = mpsc::channel(QUARANTINES_WAITING_MAX);
    let dispatch = Dispatch::new(alerts, losses, quarantines, Arc::clone(&shared.board));
    tasks.spawn_to_its_end("effects", dispatch.run(effects, tasks.stop().clone()));
    tasks.spawn("quarantines", quarantine::run(Arc::clone(shared), quarantine_receiver));
    tasks.spawn("spares", Spares::new(gate, Arc::clone(shared), tasks.clone()).run(loss_receiver));
}
