//! `tunnel`: the admin API and dashboard of a router, which listens on the router's own loopback, on a port of this machine.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::admin::Tunnel;
use crate::context::Context;
use crate::runtime::block_on;
use crate::session::Session;

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
    let tunnel = block_on(async {
        let session = Session::to_read(context, "tunnel").await?;
        Tunnel::open(context, &session, args.router.as_deref(), args.port).await
    })?;
    let url = tunnel.url();
    let line = if context.json() { format!("{{\"admin\":\"{url}\"}}") } else { format!("admin={url}") };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("write to stdout")?;
    drop(stdout);
    let status = tunnel.stay()?;
    if status.success() { Ok(ExitCode::SUCCESS) } else { bail!("ssh ended with {status}") }
}
