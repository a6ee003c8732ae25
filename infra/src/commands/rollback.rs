//! `rollback`: back to a release that droplets still have.

use std::process::ExitCode;

use sluice_infra_deploy::operator;

use crate::context::Context;
use crate::runtime::block_on;
use crate::session::Session;
use crate::{deployment, print};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra rollback meow                       the release before, everywhere
  sluice-infra rollback meow 1a2b3c --pool canary  a certain one, on the canaries")]
pub(crate) struct Args {
    /// The app
    app: String,

    /// First digits of the source commit to go back to [default: the release before]
    commit: Option<String>,

    /// Only the droplets of this pool
    #[arg(long)]
    pool: Option<String>,
}

/// Starts it again from its folder, on all droplets at a time, and switches to it once it is healthy.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    block_on(async {
        let session = Session::to_read(context, "rollback").await?;
        let app = deployment::app(&session.spec, Some(&args.app))?;
        let targets = deployment::targets(context, &session, app, args.pool.as_deref()).await?;
        let wanted = args.commit.as_deref();
        let what = format!("{} to {}", app.name, wanted.unwrap_or("the release before"));
        let work = async { Ok(operator::roll_back(app, wanted, &targets, &|line| context.say(line)).await) };
        let reports = session.audited(&what, work, |reports| format!("{} droplets", reports.len())).await?;
        if context.json() {
            print::document(&reports)?;
        }
        deployment::show(context, &reports)
    })
}
