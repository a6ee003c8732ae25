//! The commands, one file each: its `Args` as typed, and `run`.

pub(crate) mod init;
pub(crate) mod local_droplet;
pub(crate) mod validate;

use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::context::Context;

/// Carries out what was typed.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let context = Context::new(args.common);
    match args.command {
        Command::Init(args) => init::run(&args, &context),
        Command::LocalDroplet(args) => local_droplet::run(&args, &context),
        Command::Validate(args) => validate::run(&args, &context),
    }
}
