//! `tunnel`: the admin API and dashboard of a router, which listens on the router's own loopback, on a port of this machine.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sluice_infra_cloud::Droplet;
use sluice_infra_spec::Role;

use crate::context::Context;
use crate::deployment::reach;
use crate::machines;
use crate::runtime::block_on;
use crate::session::Session;

/// Longest wait for ssh to listen.
const START_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints `admin=http://127.0.0.1:PORT` once it is open, and stays until ctrl-c.

Example:
  sluice-infra tunnel --port 9900 &
  sluice status --admin http://127.0.0.1:9900")]
pub(crate) struct Args {
    /// Port of this machine; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// Name of the router's droplet; the first router without it
    #[arg(long, value_name = "DROPLET")]
    router: Option<String>,
}

/// Opens it, says where, and stays.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let port = free(args.port)?;
    let mut ssh = block_on(open(args, port, context))?;
    wait_until_open(&mut ssh, port)?;
    let line = if context.json() {
        format!("{{\"admin\":\"http://127.0.0.1:{port}\"}}")
    } else {
        format!("admin=http://127.0.0.1:{port}")
    };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("write to stdout")?;
    drop(stdout);
    let status = ssh.wait().context("wait for ssh")?;
    if status.success() { Ok(ExitCode::SUCCESS) } else { bail!("ssh ended with {status}") }
}

async fn open(args: &Args, port: u16, context: &Context) -> anyhow::Result<Child> {
    let session = Session::to_read(context, "tunnel").await?;
    let droplet = match &args.router {
        Some(name) => machines::named(&session, name).await?,
        None => machines::with_role(&session, Role::Router).await?,
    };
    let ssh = reach(context, &session, &droplet)?;
    let there = admin(&session, &droplet)?;
    let mut command = machines::foreground(&ssh);
    command.args(["-N", "-o", "ExitOnForwardFailure=yes", "-L"]).arg(format!("127.0.0.1:{port}:{there}"));
    command.arg("--").arg(&ssh.settings().host).spawn().context("start ssh")
}

/// Where the router's admin API listens, as its machine sees it.
fn admin(session: &Session, droplet: &Droplet) -> anyhow::Result<SocketAddr> {
    let address = droplet.private_address.or(droplet.public_address);
    let address = address.with_context(|| format!("{} has no address yet", droplet.name))?;
    Ok(sluice_infra_configure::admin_address(&session.spec, address))
}

/// The port, or a free one in the place of 0: ssh does not say which one it took.
fn free(port: u16) -> anyhow::Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("listen on 127.0.0.1:{port}"))?;
    Ok(listener.local_addr().context("read the port")?.port())
}

fn wait_until_open(ssh: &mut Child, port: u16) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = ssh.try_wait().context("look after ssh")? {
            bail!("ssh ended with {status} before the tunnel was open");
        }
        if started.elapsed() > START_MAX {
            ssh.kill().context("end ssh")?;
            bail!("the tunnel was not open within {} s", START_MAX.as_secs());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "ssh does not say when it listens, so it is asked again and again"
        )]
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
