//! `logs`: what the releases of an app print.

use std::collections::BTreeMap;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use sluice_infra_deploy::operator::Target;
use sluice_infra_host::Remote as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::runtime::block_on;
use crate::session::Session;
use crate::{deployment, exit, print};

/// Lines that are shown if nobody says how many.
const LINES: usize = 50;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra logs meow --lines 200
  sluice-infra logs meow --follow --pool canary")]
pub(crate) struct Args {
    /// The app; none is needed where there is only one
    app: Option<String>,

    /// Go on with what they print from now on, until ctrl-c
    #[arg(short = 'F', long)]
    follow: bool,

    /// Lines of each droplet to begin with
    #[arg(short = 'n', long, default_value_t = LINES)]
    lines: usize,

    /// Only the droplets of this pool
    #[arg(long)]
    pool: Option<String>,
}

/// Asks all droplets at a time; each line begins with the name of its droplet.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    block_on(async {
        let session = Session::to_read(context, "logs").await?;
        let app = deployment::app(&session.spec, args.app.as_deref())?;
        let targets = deployment::targets(context, &session, app, args.pool.as_deref()).await?;
        let json = context.json();
        let (lines, follow) = (args.lines.to_string(), args.follow);
        let mut readers = JoinSet::new();
        for target in targets {
            let (target, lines) = (Arc::new(target), lines.clone());
            readers.spawn(async move {
                read(&target, &lines, follow, json).await.with_context(|| target.name().to_owned())
            });
        }
        let mut code = ExitCode::SUCCESS;
        while let Some(read) = readers.join_next().await {
            if let Err(error) = read.context("wait for a droplet")? {
                context.say(&format!("{error:#}"));
                code = exit::PARTIAL.into();
            }
        }
        Ok(code)
    })
}

async fn read(target: &Target, lines: &str, follow: bool, json: bool) -> anyhow::Result<()> {
    let program = target.ssh.layout().programs().join("sluice-infra").display().to_string();
    let mut words = vec![program.as_str(), "agent", "release", "--log", lines];
    words.extend(follow.then_some("--follow"));
    let mut command = target.ssh.command(&words);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("start ssh")?;
    let stdout = child.stdout.take().context("read what ssh prints")?;
    let mut printed = BufReader::new(stdout).lines();
    while let Some(line) = printed.next_line().await? {
        if json {
            print::line(&BTreeMap::from([("droplet", target.name()), ("line", &line)]))?;
        } else {
            print::text(&format!("{}  {line}", target.name()))?;
        }
    }
    ensure!(child.wait().await?.success(), "its log cannot be had");
    Ok(())
}
