//! `meow`: the demo application behind the router, stable and canary from one binary.
//!
//! Top down: open the shared data, listen, hold a lease, serve, and on a signal drain: say so in the lease, stop
//! accepting, finish what is in flight, give the lease back. It knows nothing of the router but the lease's shape.

mod args;
mod clock;
mod image;
mod lease;
mod name;
mod release;
mod serve;
mod signals;
mod storage;
#[cfg(test)]
mod testing;
mod web;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::args::Args;
use crate::signals::Signals;

/// How long a draining server still accepts: time for routers to learn of it (pushed in milliseconds, probed each second).
const DRAIN_GRACE: Duration = Duration::from_secs(1);
/// How long requests in flight may take to finish once nothing new is accepted.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("MEOW_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let outcome = runtime.block_on(run(args));
    // After a second signal, or past the deadline, a disk that hangs must not keep the process.
    runtime.shutdown_background();
    outcome
}

/// Serves until a signal; then drains, unless a second signal cuts that short.
async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("listen for signals")?;
    let running = Running::start(args).await?;
    signals.next().await;
    info!("draining");
    tokio::select! {
        () = running.drain() => Ok(ExitCode::SUCCESS),
        () = signals.next() => {
            warn!("second signal, not waiting for requests in flight");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What is going on once the server serves, and the handles that end it, in order.
struct Running {
    draining: watch::Sender<bool>,
    accepting: CancellationToken,
    connections: TaskTracker,
    holding_lease: CancellationToken,
    leases: TaskTracker,
}

impl Running {
    async fn start(args: Args) -> anyhow::Result<Self> {
        let storage = storage::open(&args.data).context("open the data")?;
        let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
        let bound = listener.local_addr().context("read the address listened on")?;
        let advertised = args.advertised(bound)?;
        let id = args.id();

        let running = Self {
            draining: watch::Sender::new(false),
            accepting: CancellationToken::new(),
            connections: TaskTracker::new(),
            holding_lease: CancellationToken::new(),
            leases: TaskTracker::new(),
        };
        let app = web::App::new(args.release, id.clone(), storage, running.draining.subscribe());
        let serving = serve::serve(listener, web::router(app), running.accepting.clone(), running.connections.clone());
        running.connections.spawn(serving);
        if let Some(registry) = args.register {
            let server = lease::Server::new(&id, advertised, args.release);
            let registrar = lease::registrar(registry, &args.edge).context("prepare the registration")?;
            let holding = lease::hold(registrar, server, running.draining.subscribe(), running.holding_lease.clone());
            running.leases.spawn(holding);
        }
        announce(bound).context("write to stdout")?;
        info!(%id, release = %args.release, address = %bound, "serving");
        Ok(running)
    }

    async fn drain(self) {
        self.draining.send_replace(true);
        if !self.leases.is_empty() {
            tokio::time::sleep(DRAIN_GRACE).await;
        }
        self.accepting.cancel();
        self.connections.close();
        if tokio::time::timeout(DRAIN_DEADLINE, self.connections.wait()).await.is_err() {
            warn!(connections = self.connections.len(), "deadline passed, dropping what is in flight");
        }
        self.holding_lease.cancel();
        self.leases.close();
        self.leases.wait().await;
        info!("drained");
    }
}

/// The one line on stdout: whoever started us with port 0 reads it.
fn announce(bound: SocketAddr) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening http://{bound}")?;
    stdout.flush()
}
