//! `scale`: how the number of droplets of a pool follows load.

mod explain;
mod set;
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
    /// Show what the controller decided of a pool, and why
    Explain(explain::Args),
    /// Say yourself how many droplets a pool has
    Set(set::SetArgs),
    /// Let the controller decide again
    Auto(set::AutoArgs),
    /// Try a policy on recorded load, on a virtual clock, beside what others do
    Simulate(simulate::Args),
}

/// Does it.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Explain(args) => explain::run(args, context),
        Command::Set(args) => set::set(args, context),
        Command::Auto(args) => set::auto(args, context),
        Command::Simulate(args) => simulate::run(args, context),
    }
}
