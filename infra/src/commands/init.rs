//! `init`: a first infra.toml and the routers' folder.

use std::process::ExitCode;

use crate::context::Context;

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Writes them, never over what is there.
pub(crate) fn run(_args: &Args, _context: &Context) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}
