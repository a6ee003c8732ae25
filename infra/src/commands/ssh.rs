//! `ssh`: a shell on a droplet, or one command there.

use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::context::Context;
use crate::deployment::reach;
use crate::machines;
use crate::runtime::block_on;
use crate::session::Session;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra ssh edge                              what follows the fleet's name is enough
  sluice-infra ssh production-x7k2m4 -- uptime")]
pub(crate) struct Args {
    /// Name of the droplet, or the beginning of what follows the fleet's name in it
    droplet: String,

    /// Run this instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Becomes the system's ssh.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut ssh = block_on(async {
        let session = Session::to_read(context, "ssh").await?;
        let droplet = machines::named(&session, &args.droplet).await?;
        let ssh = reach(context, &session, &droplet)?;
        let words: Vec<&str> = args.command.iter().map(String::as_str).collect();
        let mut command = machines::foreground(&ssh);
        if words.is_empty() {
            command.args(std::io::stdin().is_terminal().then_some("-t")).arg(&ssh.settings().host);
        } else {
            command.arg("--").arg(&ssh.settings().host).arg(ssh.line(&words));
        }
        Ok(command)
    })?;
    Err(ssh.exec()).context("run ssh")
}
