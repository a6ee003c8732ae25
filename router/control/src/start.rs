//! Starting control: wires the tasks together in the order in which they need each other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::override_token::OverrideKey;
use sluice_policy::Folders;
use sluice_snapshot::{Cells, Effect, EffectQueue, Published, Traffic};
use sluice_state::{Event, Store};
use sluice_wasm::Engine;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
use crate::{alerts, quarantine, watch as folder_watch};

/// How long the start waits for the store's first content and for declared rollouts to be in the store. A store that is
/// away must not keep a router from serving what it has.
const STORE_WAIT: Duration = Duration::from_secs(2);

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
    let Settings { folders, workers, store_kind, switches, name_servers, override_key } = settings;
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
    });
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
    spawn_effects(&tasks, &shared, Arc::clone(&gate), effect_receiver, writers_done);
    Ok(Handle::new(shared, gate, workshop, orders))
}

/// Before it, plugins would start on a state that is about to change. What comes later is applied when it comes.
async fn wait_for_the_first_content(mut filled: watch::Receiver<bool>) {
    let _late = timeout(STORE_WAIT, filled.wait_for(|filled| *filled)).await;
}

/// The tasks behind the effect queue, each of which may wait without the others.
fn spawn_effects(
    tasks: &Tasks,
    shared: &Arc<Shared>,
    gate: Arc<Gate>,
    effects: mpsc::Receiver<Effect>,
    writers_done: CancellationToken,
) {
    let (alerts, alert_receiver) = mpsc::channel(ALERTS_WAITING_MAX);
    let (losses, loss_receiver) = mpsc::channel(LOSSES_WAITING_MAX);
    let (quarantines, quarantine_receiver) = mpsc::channel(QUARANTINES_WAITING_MAX);
    let dispatch = Dispatch::new(alerts, losses, quarantines, Arc::clone(&shared.board));
    tasks.spawn_to_its_end("effects", dispatch.run(effects, tasks.stop().clone()));
    let (store, stop) = (Arc::clone(&shared.store), tasks.stop().clone());
    tasks.spawn_to_its_end("alerts", alerts::run(alert_receiver, store, stop, writers_done.drop_guard()));
    tasks.spawn("quarantines", quarantine::run(Arc::clone(shared), quarantine_receiver));
    tasks.spawn("spares", Spares::new(gate, Arc::clone(shared), tasks.clone()).run(loss_receiver));
}
