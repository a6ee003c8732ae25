//! `local-droplet`: the first processes of a droplet of the local cloud, and its power button. Hidden: the local cloud
//! types it, not an operator.

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use sluice_infra_cloud::local::{self, Machine};
use sluice_infra_cloud::{DropletId, LocalCloud, LocalNetwork, LocalSettings};
use sluice_infra_host::supervisor::{Server, ServerSettings};
use sluice_infra_host::{Layout, ServiceUnit};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::runtime;

/// How long sshd may take to answer on a machine that is busy.
const SSHD_MAX: Duration = Duration::from_secs(60);
/// Between two tries to reach it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Be the droplet in this folder: start its init, wait for it, leave nothing running
    Run {
        folder: PathBuf,
        /// What stands before the command of the init, so that it runs in the droplet's namespaces
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        within: Vec<OsString>,
    },
    /// Be its init, as long as standard input is open
    Init { folder: PathBuf },
    /// Switch on a droplet of the cloud in this folder, or all that are off
    Start { cloud: PathBuf, id: Option<String> },
    /// Cut the power of a droplet of the cloud in this folder
    PowerOff { cloud: PathBuf, id: String },
    /// End the cloud in this folder with all its droplets; its logs stay
    Raze { cloud: PathBuf },
}

/// Does it.
pub(crate) fn run(args: &Args, _context: &Context) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Run { folder, within } => {
            let program = std::env::current_exe().context("find this program")?.into_os_string();
            let words = [program, "local-droplet".into(), "init".into(), folder.into()];
            let mut words = within.iter().cloned().chain(words);
            let mut init = Command::new(words.next().context("invariant: there is at least this program")?);
            local::guard(folder, init.args(words)).context("be a droplet")?;
        }
        What::Init { folder } => init(folder)?,
        What::Start { cloud, id } => {
            runtime::block_on(start(cloud, id.as_deref()))?;
        }
        What::PowerOff { cloud, id } => {
            runtime::block_on(async { Ok(open(cloud).await?.power_off(&DropletId(id.clone())).await?) })?;
        }
        What::Raze { cloud } => runtime::block_on(async { Ok(local::raze(cloud).await?) })?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(cloud: &Path) -> anyhow::Result<LocalCloud> {
    let program = std::env::current_exe().context("find this program")?;
    Ok(LocalCloud::open(LocalSettings { folder: cloud.to_owned(), program, network: LocalNetwork::Auto }).await?)
}

async fn start(cloud: &Path, id: Option<&str>) -> anyhow::Result<()> {
    let cloud = open(cloud).await?;
    match id {
        Some(id) => cloud.start(&DropletId(id.to_owned())).await?,
        None => cloud.start_all().await?,
    }
    Ok(())
}

/// One thread: it starts services and copies what they print.
fn init(folder: &Path) -> anyhow::Result<()> {
    let machine = Machine::open(folder)?;
    let sshd = machine.prepare()?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().context("start the runtime")?;
    runtime.block_on(serve(&machine, sshd))
}

async fn serve(machine: &Machine, sshd: Vec<String>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let settings = ServerSettings { layout: Layout::new(machine.root()), environment: machine.environment() };
    let server = Server::open(settings)?;
    server.run_built_in(ssh_service(sshd))?;
    let stop = CancellationToken::new();
    let mut serving = std::pin::pin!(server.serve(stop.clone()));
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().context("take standard input")?;
    let mut leash = pipe::Receiver::from_owned_fd(stdin).context("standard input is the guard's pipe")?;
    let mut unread = [0; 1];
    let mut answering = std::pin::pin!(answers(machine));
    let mut ready = false;
    loop {
        tokio::select! {
            () = &mut serving => return Ok(()),
            answered = &mut answering, if !ready => {
                answered?;
                machine.is_ready()?;
                ready = true;
            }
            _ = terminate.recv() => stop.cancel(),
            // The guard is gone: so is the power.
            _ = leash.read(&mut unread) => {
                machine.cut_power();
                return Ok(());
            }
        }
    }
}

/// Returns once its sshd takes connections.
async fn answers(machine: &Machine) -> anyhow::Result<()> {
    let end = Instant::now() + SSHD_MAX;
    loop {
        match TcpStream::connect(machine.ssh_address()).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error).context("reach its sshd"),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

fn ssh_service(exec: Vec<String>) -> ServiceUnit {
    ServiceUnit {
        name: "ssh".into(),
        about: "OpenSSH server of this droplet".into(),
        exec,
        env: std::collections::BTreeMap::new(),
        env_file: None,
        folder: None,
        user: "root".into(),
        restart: true,
        stop_seconds: 5,
        restart_on: Vec::new(),
    }
}
