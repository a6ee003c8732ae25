//! `scale`: how the number of droplets of a pool follows load.

mod simulate;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
enum Command {
    /// Try a policy on recorded load, on a virtual clock, beside what others do
    Simulate(simulate::Args),
}

/// Does it.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Simulate(args) => simulate::run(args, context),
    }
}
