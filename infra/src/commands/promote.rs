//! `promote`: what the canary serves, for everybody.

use std::process::ExitCode;

use sluice_infra_deploy::operator;

use crate::context::Context;
use crate::runtime::block_on;
use crate::session::Session;
use crate::{deployment, print};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sluice-infra deploy run meow --canary-only && sluice-infra promote meow")]
pub(crate) struct Args {
    /// The app; none is needed where there is only one
    app: Option<String>,
}

/// Pushes the release of the canary to production.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    block_on(async {
        let session = Session::to_read(context, "promote").await?;
        let app = deployment::app(&session.spec, args.app.as_deref())?;
        let targets = deployment::targets(context, &session, app, None).await?;
        let work = async { Ok(operator::promote(app, &targets, &|line| context.say(line)).await?) };
        let reports = session.audited(&app.name, work, |reports| format!("{} droplets", reports.len())).await?;
        if context.json() {
            print::document(&reports)?;
        }
        deployment::show(context, &reports)
    })
}
