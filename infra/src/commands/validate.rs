//! `validate`: is infra.toml sound?

use std::process::ExitCode;

use crate::context::Context;

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Says so, or every fault.
pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let spec = context.spec()?;
    context.say(&format!("{}: {} pools, {} apps", context.file().display(), spec.pools.len(), spec.apps.len()));
    Ok(ExitCode::SUCCESS)
}
