//! The binary `sluice`: arguments, wiring, shutdown. Each part is started here and nowhere else, in the order in which
//! they need each other, and ended in the reverse order. What asks a router or a folder is in `commands`.

mod admin;
mod args;
mod commands;
mod events;
mod human;
mod lock;
mod logging;
mod parts;
mod secret;
mod settings;
mod signals;
mod sinks;
mod table;
mod terminal;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use crate::args::{Args, Command, RunArgs};
use crate::lock::DataLock;
use crate::parts::Parts;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::terminal::tell;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads of the runtime of everything but the data plane: one that waits for the store while another answers.
const CONTROL_THREADS: usize = 2;

fn main() -> ExitCode {
    let Args { command, log } = Args::parse();
    logging::start(&log);
    let outcome = match &command {
        Command::Run(args) => run(args).map(|()| ExitCode::SUCCESS),
        Command::Init(args) => commands::init(args),
        Command::Check(args) => commands::check(args),
        Command::Explain(args) => commands::explain(args),
        Command::Diff(args) => commands::diff(args),
        Command::Status(args) => commands::status(args),
        Command::Requests(args) => commands::requests(args),
        Command::Why(args) => commands::why(args),
        Command::Shadow(args) => commands::shadow(args),
        Command::Policy(command) => commands::policy(command),
        Command::Plugin(command) => commands::plugin(command),
        Command::Alerts(command) => commands::alerts(command),
        Command::Flags(command) => commands::flags(command),
        Command::Rollout(command) => commands::rollout(command),
        Command::Completions(args) => commands::completions(args),
    };
    outcome.unwrap_or_else(|error| {
        tell(&mut std::io::stderr(), &format!("error: {error:#}"));
        command.trouble()
    })
}

fn run(args: &RunArgs) -> anyhow::Result<()> {
    let settings = Settings::load(args.config.as_deref())?;
    let _lock = DataLock::take(&settings.config.folders.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("sluice-control")
        .enable_all()
        .build()
        .context("start the control runtime")?;
    runtime.block_on(serve(&settings))
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("listen for signals")?;
    let parts = Parts::new(settings.workers);
    let (store, events) = parts.open_store(settings).await?;
    let control = parts.start_control(settings, store, events).await?;
    let proxy = parts.start_proxy(settings)?;
    let admin = parts.start_admin(settings, control).await?;
    announce(proxy.addresses(), admin.address);

    let signal = signals.next().await;
    tracing::info!(signal, "draining");
    signals.exit_at_the_next();
    parts.draining.cancel();
    proxy.drain().await;
    parts.end().await;
    tracing::info!("stopped");
    Ok(())
}

/// The one line on stdout: whoever started the process waits for it.
fn announce(edge: &[std::net::SocketAddr], admin: std::net::SocketAddr) {
    let edge: Vec<String> = edge.iter().map(|address| format!("http://{address}")).collect();
    tell(&mut std::io::stdout(), &format!("ready edge={} admin=http://{admin}", edge.join(",")));
}
