//! `sluice-infra`: provisions, configures, deploys to, watches and scales the droplets of a fleet.
//!
//! Top down: arguments, log, one command, an exit code. What a command does stands in its own file of `commands`; what
//! they share (the file of the fleet, its cloud, its folder of state, how results are printed) in `context`.

mod admin;
mod args;
mod clouds;
mod commands;
mod configured;
mod confirm;
mod context;
mod controller;
mod deployment;
mod exit;
mod handover;
mod log;
mod machines;
mod outcome;
mod plan_text;
mod print;
mod progress;
mod runtime;
mod secrets;
mod session;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    log::start(args.command.is_daemon());
    exit::of(commands::run(args))
}
