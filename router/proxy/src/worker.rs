//! One thread of the data plane, and everything that a request on it may touch.
//!
//! Nothing here is shared with another worker but what `Shared` names: the published snapshot, sharded counters, and the
//! queue of effects.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use hyper::server::conn::http1;
use rand::Rng;
use rand::rngs::SmallRng;
use sluice_snapshot::traffic::WorkerTraffic;
use sluice_snapshot::{Plugin, Snapshot};
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::Lines;
use crate::connection;
use crate::date::Date;
use crate::drain::{Connections, Stage};
use crate::instance::InstanceCell;
use crate::listener;
use crate::mirror::Copies;
use crate::proxy::{Settings, Shared};
use crate::reaper::{Reaper, Remains};
use crate::seat::WorkerSeat;
use crate::upstream::{Group, Registry};
use crate::via::Pseudonym;

/// How often idle connections to servers are looked through: about twice within their life.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// How long a drain leaves idle connections open for a request that is on its way. nginx has the same in its
/// `keepalive_min_timeout`; clients that are slower than this between two requests are few and can be refused.
const LAST_REQUEST_WAIT: Duration = Duration::from_millis(500);
/// The least that hyper takes for the head of a request.
const HEAD_BYTES_LEAST: usize = 8 << 10;
/// Header fields that hyper takes by default. Asking for the same number would cost an allocation per request.
const HYPERS_FIELDS_MAX: usize = 100;
/// Threads of a worker that resolve names of servers; addresses need none.
const RESOLVERS_MAX: usize = 2;

/// What a worker is made from.
pub(crate) struct Seed {
    pub(crate) index: usize,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stop: CancellationToken,
    pub(crate) reaper: Reaper,
    pub(crate) access_log: Option<Lines>,
    pub(crate) pseudonym: Pseudonym,
}

/// One worker.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tracker: TaskTracker,
    /// Drivers of connections that requests share: they end after the last request.
    drivers: TaskTracker,
    drivers_stop: CancellationToken,
    pub(crate) connections: Rc<Connections>,
    pub(crate) registry: Registry,
    pub(crate) copies: Copies,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: h2::server::Builder,
    date: Date,
    /// The name of this process in `Via`.
    pub(crate) pseudonym: Pseudonym,
    /// Where the fields of a plugin call are packed; kept, so that packing allocates nothing.
    pub(crate) blob: RefCell<Vec<u8>>,
    /// `None` if nothing is to be logged.
    pub(crate) access_log: Option<Lines>,
    random: RefCell<SmallRng>,
    reaper: Reaper,
    generation: Cell<u64>,
    current: RefCell<Rc<WorkerSnapshot>>,
}

/// A snapshot with what this worker has for it. Requests hold it to their last byte.
pub(crate) struct WorkerSnapshot {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Parallel to the snapshot's seats.
    seats: Vec<WorkerSeat>,
    /// Parallel to the policy's upstreams.
    groups: Vec<Group>,
    /// Names of the variants as header values, by rollout.
    variants: Vec<Vec<HeaderValue>>,
    reaper: Reaper,
}

/// Runs a worker until its drain has ended. `started` hears when it accepts, or why it cannot.
pub(crate) fn run(seed: Seed, sockets: Vec<TcpListener>, started: &SyncSender<io::Result<()>>) {
    // The receiver waits for exactly one message.
    let tell = |result| drop(started.send(result));
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(RESOLVERS_MAX)
        .build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tell(Err(error)),
    };
    runtime.block_on(async {
        let stop = seed.stop.clone();
        let worker = Rc::new(Worker::new(seed));
        let accepting = match worker.listen(sockets, &stop) {
            Ok(accepting) => accepting,
            Err(error) => return tell(Err(error)),
        };
        tell(Ok(()));
        worker.tracker.spawn_local(follow_snapshots(Rc::clone(&worker), stop.clone()));
        worker.tracker.spawn_local(sweep(Rc::clone(&worker), stop.clone()));
        stop.cancelled().await;
        // Nobody is told to leave before nobody can come any more.
        accepting.wait().await;
        worker.drain().await;
    });
}

/// Lets go of an old snapshot even when no request comes.
async fn follow_snapshots(worker: Rc<Worker>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = worker.shared.published.changed(worker.index) => drop(worker.current()),
        }
    }
}

async fn sweep(worker: Rc<Worker>, stop: CancellationToken) {
    while timeout(SWEEP_EVERY, stop.cancelled()).await.is_err() {
        worker.registry.sweep(Instant::now());
    }
}

impl Worker {
    fn new(seed: Seed) -> Self {
        let mut http1 = http1::Builder::new();
        // Times of head, idling and writing are kept by `connection`, with one timer for all of them.
        // Flushes of pipelined responses are not joined: hyper 1.12 then closes a connection with a broken request without
        // flushing what was answered to it.
        http1.header_read_timeout(None).pipeline_flush(false);
        http1.max_buf_size(seed.settings.head_bytes_max.max(HEAD_BYTES_LEAST));
        // The buffer is a bound to whole reads only.
        http1.max_header_size(seed.settings.head_bytes_max);
        if seed.settings.header_fields_max != HYPERS_FIELDS_MAX {
            http1.max_headers(seed.settings.header_fields_max);
        }
        let http2 = connection::http2::builder(&seed.settings);
        let registry = Registry::new(seed.index);
        let (generation, snapshot) = seed.shared.published.load();
        let current = WorkerSnapshot::new(snapshot, None, seed.index, &registry, &seed.reaper);
        Self {
            index: seed.index,
            settings: seed.settings,
            shared: seed.shared,
            tracker: TaskTracker::new(),
            drivers: TaskTracker::new(),
            drivers_stop: CancellationToken::new(),
            connections: Rc::default(),
            registry,
            copies: Copies::default(),
            http1,
            http2,
            date: Date::default(),
            pseudonym: seed.pseudonym,
            blob: RefCell::default(),
            access_log: seed.access_log,
            random: RefCell::new(rand::make_rng()),
            reaper: seed.reaper,
            generation: Cell::new(generation),
            current: RefCell::new(Rc::new(current)),
        }
    }

    /// Accepts on all sockets until `stop`; the tracker empties when the last of them is closed.
    fn listen(self: &Rc<Self>, sockets: Vec<TcpListener>, stop: &CancellationToken) -> io::Result<TaskTracker> {
        let accepting = TaskTracker::new();
        for (socket, config) in sockets.into_iter().zip(&self.settings.listeners) {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            let config = Rc::new(config.clone());
            accepting.spawn_local(listener::accept(Rc::clone(self), config, socket, stop.clone()));
        }
        accepting.close();
        Ok(accepting)
    }

    /// Ends every connection: those in use with their response, those that idle a little later, the rest at the deadline.
    async fn drain(&self) {
        self.connections.advance(Stage::LastAnswers);
        self.copies.break_off();
        self.tracker.close();
        let end = async {
            if timeout(LAST_REQUEST_WAIT, self.tracker.wait()).await.is_err() {
                self.connections.advance(Stage::Closing);
                self.tracker.wait().await;
            }
        };
        let ended = timeout(self.settings.drain, end).await;
        self.connections.advance(Stage::Over);
        self.drivers_stop.cancel();
        self.drivers.close();
        self.drivers.wait().await;
        if ended.is_err() {
            tracing::warn!(worker = self.index, tasks = self.tracker.len(), "drain deadline reached");
        }
    }

    /// The current snapshot: one load, unless a new one was published.
    pub(crate) fn current(&self) -> Rc<WorkerSnapshot> {
        if self.shared.published.generation() != self.generation.get() {
            let (generation, snapshot) = self.shared.published.load();
            let old = Rc::clone(&self.current.borrow());
            let next = WorkerSnapshot::new(snapshot, Some(&old), self.index, &self.registry, &self.reaper);
            self.generation.set(generation);
            *self.current.borrow_mut() = Rc::new(next);
        }
        Rc::clone(&self.current.borrow())
    }

    /// Runs the driver of a connection that requests share.
    pub(crate) fn spawn_driver(&self, driver: impl Future<Output = ()> + 'static) {
        let stop = self.drivers_stop.clone();
        self.drivers.spawn_local(async move {
            // Cancelled or not: with the driver its connection ends.
            let _ended = stop.run_until_cancelled_owned(driver).await;
        });
    }

    /// This worker's counters.
    pub(crate) fn counters(&self) -> &WorkerTraffic {
        self.shared.traffic.worker(self.index)
    }

    /// The `Date` of a response made now.
    pub(crate) fn date(&self) -> HeaderValue {
        self.date.at(SystemTime::now())
    }

    /// 64 bits that nobody needs to be unable to guess.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }
}

impl WorkerSnapshot {
    /// Readies a snapshot; a plugin that stays keeps its instance.
    fn new(snapshot: Arc<Snapshot>, old: Option<&Self>, worker: usize, registry: &Registry, reaper: &Reaper) -> Self {
        let kept = |plugin: &Arc<Plugin>| {
            let mut instances = old?.seats.iter().flat_map(WorkerSeat::instances);
            instances.find(|cell| Arc::ptr_eq(&cell.plugin, plugin)).map(Rc::clone)
        };
        let instance = |plugin: &Arc<Plugin>| {
            kept(plugin).unwrap_or_else(|| Rc::new(InstanceCell::new(plugin, worker, reaper.clone())))
        };
        let seats = snapshot.seats.iter().map(|seat| WorkerSeat::new(seat, instance)).collect();
        let now = Instant::now();
        let group = |upstream| Group::new(upstream, registry, &snapshot.cells, now);
        let groups = snapshot.policy.upstreams.iter().map(group).collect();
        let names = |rollout: &sluice_policy::Rollout| {
            // A name that is no header value cannot be shown, and shows as nothing.
            let value = |name: &String| HeaderValue::from_str(name).unwrap_or(HeaderValue::from_static(""));
            rollout.variants.iter().map(|(name, _)| value(name)).collect()
        };
        let variants = snapshot.policy.rollouts.iter().map(names).collect();
        Self { snapshot, seats, groups, variants, reaper: reaper.clone() }
    }

    /// Who sits in the seat of a plugin.
    pub(crate) fn seat(&self, plugin: usize) -> &WorkerSeat {
        &self.seats[plugin]
    }

    /// The servers of an upstream.
    pub(crate) fn group(&self, upstream: usize) -> &Group {
        &self.groups[upstream]
    }

    /// The name of a rollout's variant as a header value.
    pub(crate) fn variant(&self, rollout: usize, variant: usize) -> &HeaderValue {
        &self.variants[rollout][variant]
    }
}

impl Drop for WorkerSnapshot {
    fn drop(&mut self) {
        // Ours goes right after this; the reaper's reference, taken up later, is then the last.
        self.reaper.bury(Remains::Snapshot(Arc::clone(&self.snapshot)));
    }
}
