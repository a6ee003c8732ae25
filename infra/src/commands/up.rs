//! `up`: from the file to a fleet that runs: plan, apply, configure, and where the edge is.

use std::process::ExitCode;

use crate::commands::apply::{Consent, End, bring_about};
use crate::configured::Configured;
use crate::context::Context;
use crate::handover::edges;
use crate::session::Session;
use crate::{exit, outcome, print, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra up            shows the plan, asks, applies it, configures the droplets, says where the edge is
  sluice-infra up --yes      for scripts

Run again, it changes what differs and nothing else.
Exit codes: 0 done, 3 done in part, 4 the budget or a limit is in the way, 5 the cloud does not answer.")]
pub(crate) struct Args {
    /// What is agreed to.
    #[command(flatten)]
    consent: Consent,
}

/// The whole way.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_write(context, "up").await?;
        let handover = Configured::new(context, &session);
        let mut code = match bring_about(context, &session, args.consent, &handover).await? {
            End::Applied(end) => {
                let code = outcome::report(context, &end)?;
                if !end.failures.is_empty() {
                    context.say("What stands is not configured further: put it right, then `sluice-infra up` again.");
                    return Ok(code);
                }
                code
            }
            End::NothingToDo => ExitCode::SUCCESS,
            End::Left(code) => return Ok(code),
        };
        if !handover.configure_fleet().await? {
            code = exit::PARTIAL.into();
        }
        say_edges(context, &session).await?;
        Ok(code)
    })
}

async fn say_edges(context: &Context, session: &Session) -> anyhow::Result<()> {
    let observed = session.observe().await?;
    let droplets: Vec<_> = observed.droplets.into_iter().map(|seen| seen.droplet).collect();
    let edges = edges(&session.spec, &droplets);
    if context.json() {
        return print::line(&serde_json::json!({ "edges": edges }));
    }
    for (name, url) in edges {
        print::text(&format!("edge on {name}: {url}"))?;
    }
    Ok(())
}
