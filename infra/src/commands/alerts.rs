//! `alerts`: the alerts of the fleet. It is the program `sluice` that knows them; here it is led to a router's admin API.

use std::process::{Command, ExitCode};

use anyhow::Context as _;

use crate::admin::Tunnel;
use crate::configured;
use crate::context::Context;
use crate::runtime::block_on;
use crate::session::Session;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
These are the words of `sluice alerts`, asked of a router of the fleet: list, firing, test, silence, silences, unsilence, dead,
replay. `sluice-infra alerts list --help` shows those of one.

Examples:
  sluice-infra alerts list
  sluice-infra alerts firing --watch
  sluice-infra alerts test mail                                  a mail about something that did not happen
  sluice-infra alerts silence --rule cpu-high --for 2h --reason 'load test'")]
pub(crate) struct Args {
    /// Name of the router's droplet; the first router without it
    #[arg(long, value_name = "DROPLET")]
    router: Option<String>,

    /// What of alerts, with its own arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
    words: Vec<String>,
}

/// Asks, with a tunnel open meanwhile. Ends as `sluice` does.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let tunnel = block_on(async {
        let session = Session::to_read(context, "alerts").await?;
        Tunnel::open(context, &session, args.router.as_deref(), 0).await
    })?;
    let program = configured::programs()?.router;
    let mut sluice = Command::new(&program);
    sluice.arg("alerts").args(&args.words).env("SLUICE_ADMIN", tunnel.url());
    if context.json() {
        sluice.arg("--json");
    }
    let status = sluice.status().with_context(|| format!("run {}", program.display()))?;
    drop(tunnel);
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
