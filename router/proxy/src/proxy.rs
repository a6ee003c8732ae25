//! Start and end of the data plane: binds the listeners, starts the worker threads, drains them.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use sluice_model::override_token::OverrideKey;
use sluice_policy::ListenerConfig;
use sluice_snapshot::{EffectQueue, Published, Traffic};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::access_log::AccessLog;
use crate::listener::{self, BindError, Bound};
use crate::reaper::Reaper;
use crate::via::Pseudonym;
use crate::worker;

/// What does not change while the data plane runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests come in.
    pub listeners: Vec<ListenerConfig>,
    /// Threads; as many as [`Published`] and [`Traffic`] were made for.
    pub workers: usize,
    /// How long a client may take to send the head of a request.
    pub header_read: Duration,
    /// How long a body may stand still, either way.
    pub body_idle: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive_idle: Duration,
    /// Client connections per worker; some more are answered 503, the rest waits in the backlog.
    pub connections_max: usize,
    /// Bytes of a request's head; more is 431.
    pub head_bytes_max: usize,
    /// Header fields of a request; more is 431.
    pub header_fields_max: usize,
    /// Streams of one HTTP/2 connection at a time.
    pub streams_max: u32,
    /// Requests of one connection; then it is told to go.
    pub requests_per_connection_max: u64,
    /// Age of a connection; then it is told to go.
    pub connection_age_max: Duration,
    /// How long an HTTP/2 peer may be silent while somebody waits for it, before it is asked whether it lives.
    pub ping_interval: Duration,
    /// How long it may take to answer that.
    pub ping_timeout: Duration,
    /// How long a drain waits for requests in flight.
    pub drain: Duration,
    /// Where the access log goes.
    pub access_log: sluice_policy::AccessLog,
    /// Whose responses tell what plugins said and how long it took.
    pub chain_trace: sluice_policy::ChainTrace,
    /// What overrides of rollouts are signed with; `None` = none counts.
    pub override_key: Option<OverrideKey>,
}

/// A silence after which a dead HTTP/2 peer is suspected; half of what home routers keep a silent connection for.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long a living one may take to say so: hyper's own.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What the data plane shares with control and admin.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The current snapshot.
    pub published: Arc<Published>,
    /// Counters.
    pub traffic: Arc<Traffic>,
    /// What control has to do.
    pub effects: Arc<EffectQueue>,
}

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be bound.
    #[error("bind a listener")]
    Bind(#[from] BindError),
    /// A thread or its runtime could not be made.
    #[error("start a worker")]
    Worker(#[source] std::io::Error),
    /// The snapshot or the counters were made for another number of workers.
    #[error("{workers} workers were asked for, but the snapshot serves {published} and the counters {counted}")]
    Workers {
        /// Asked for.
        workers: usize,
        /// Made for, by the published snapshot.
        published: usize,
        /// Made for, by the counters.
        counted: usize,
    },
}

/// A running data plane. Dropping it begins a drain without waiting for it.
#[derive(Debug)]
pub struct Proxy {
    addresses: Vec<SocketAddr>,
    stop: DropGuard,
    workers: Vec<RunningWorker>,
    reaper: Option<JoinHandle<()>>,
    access_log: Option<AccessLog>,
    /// Held for as long as the sockets are: they tell a second process that the addresses are taken.
    _locks: Vec<crate::lock::AddressLock>,
}

#[derive(Debug)]
struct RunningWorker {
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// Binds every listener and starts the workers. Returns when all of them accept connections.
///
/// # Errors
/// [`StartError`]; then nothing listens and no thread runs on.
pub fn start(settings: Settings, shared: Shared) -> Result<Proxy, StartError> {
    let workers = settings.workers;
    let (published, counted) = (shared.published.workers(), shared.traffic.workers().len());
    if workers == 0 || published < workers || counted < workers {
        return Err(StartError::Workers { workers, published, counted });
    }
    let mut bound = Vec::new();
    for listener in &settings.listeners {
        bound.push(listener::bind(listener.address, workers)?);
    }
    let addresses = bound.iter().map(|bound| bound.address).collect();
    let (sockets, locks) = deal(bound, workers);
    let (reaper, reaper_thread) = Reaper::start().map_err(StartError::Worker)?;
    let access_log = AccessLog::start(&settings.access_log, workers, &shared.traffic).map_err(StartError::Worker)?;
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    let (settings, shared) = (Arc::new(settings), Arc::new(shared));
    let number = rand::random();
    let mut running = Vec::new();
    for (index, sockets) in sockets.into_iter().enumerate() {
        let seed = worker::Seed {
            index,
            settings: Arc::clone(&settings),
            shared: Arc::clone(&shared),
            stop: stop.child_token(),
            reaper: reaper.clone(),
            access_log: access_log.as_ref().map(|log| log.lines(index)),
            // Each worker has its own copy, so that naming it touches nothing that another worker touches.
            pseudonym: Pseudonym::new(number),
        };
        running.push(spawn(seed, sockets).map_err(StartError::Worker)?);
    }
    Ok(Proxy { addresses, stop: guard, workers: running, reaper: Some(reaper_thread), access_log, _locks: locks })
}

/// One socket of every listener for each worker, in the order of the listeners.
fn deal(bound: Vec<Bound>, workers: usize) -> (Vec<Vec<TcpListener>>, Vec<crate::lock::AddressLock>) {
    let mut hands: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    let mut locks = Vec::new();
    for listener in bound {
        locks.extend(listener.lock);
        for (hand, socket) in hands.iter_mut().zip(listener.sockets) {
            hand.push(socket);
        }
    }
    (hands, locks)
}

fn spawn(seed: worker::Seed, sockets: Vec<TcpListener>) -> std::io::Result<RunningWorker> {
    let (started_sender, started) = mpsc::sync_channel(1);
    let (ended_sender, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name(format!("worker-{}", seed.index)).spawn(move || {
        worker::run(seed, sockets, &started_sender);
        // Nobody waits if the proxy was dropped.
        let _unheard = ended_sender.send(());
    })?;
    started.recv().unwrap_or_else(|_| Err(std::io::Error::other("the worker panicked while it started")))?;
    Ok(RunningWorker { ended, thread })
}

impl Proxy {
    /// Where it listens, in the order of [`Settings::listeners`]; port 0 is resolved.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, tells every client, waits for requests in flight up to [`Settings::drain`], closes what is
    /// left, and returns when all threads have ended and the access log is written.
    pub async fn drain(mut self) {
        drop(self.stop);
        for worker in self.workers {
            // An error means that the thread is gone already; joining says why.
            let _gone = worker.ended.await;
            if worker.thread.join().is_err() {
                tracing::error!("worker panicked");
            }
        }
        if let Some(reaper) = self.reaper.take()
            && reaper.join().is_err()
        {
            tracing::error!("reaper panicked");
        }
        if let Some(log) = self.access_log {
            log.flush().await;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings of unit tests.
    pub(crate) fn settings() -> Settings {
        Settings {
            listeners: Vec::new(),
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
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
            drain: Duration::from_secs(10),
            access_log: sluice_policy::AccessLog::Off,
            chain_trace: sluice_policy::ChainTrace::default(),
            override_key: None,
        }
    }
}
