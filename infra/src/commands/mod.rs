//! The commands, one file each: its `Args` as typed, and `run`.

pub(crate) mod agent;
pub(crate) mod alerts;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod configure;
pub(crate) mod controller;
pub(crate) mod cost;
pub(crate) mod deploy;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod drain;
pub(crate) mod drift;
pub(crate) mod drill;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod init;
pub(crate) mod local_droplet;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod plan;
pub(crate) mod promote;
pub(crate) mod releases;
pub(crate) mod rollback;
pub(crate) mod scale;
pub(crate) mod servers;
pub(crate) mod sim;
pub(crate) mod ssh;
pub(crate) mod status;
pub(crate) mod tunnel;
pub(crate) mod up;
pub(crate) mod validate;

use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::context::Context;

/// Carries out what was typed.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let context = Context::new(args.common);
    match args.command {
        Command::Agent(args) => agent::run(&args, &context),
        Command::Alerts(args) => alerts::run(&args, &context),
        Command::Init(args) => init::run(&args, &context),
        Command::LocalDroplet(args) => local_droplet::run(&args, &context),
        Command::Apply(args) => apply::run(&args, &context),
        Command::Audit(args) => audit::run(&args, &context),
        Command::Completions(args) => completions::run(&args),
        Command::Configure(args) => configure::run(&args, &context),
        Command::Controller(args) => controller::run(&args, context),
        Command::Cost(args) => cost::run(&args, &context),
        Command::Destroy(args) => destroy::run(&args, &context),
        Command::Doctor(args) => doctor::run(&args, &context),
        Command::Drain(args) => drain::run(&args, &context),
        Command::Drift(args) => drift::run(&args, &context),
        Command::Drill(args) => drill::run(&args, &context),
        Command::Export(args) => export::run(&args, &context),
        Command::Gc(args) => gc::run(&args, &context),
        Command::Lock(args) => lock::run(&args, &context),
        Command::Plan(args) => plan::run(&args, &context),
        Command::Status(args) => status::run(&args, &context),
        Command::Deploy(args) => deploy::run(&args, &context),
        Command::Logs(args) => logs::run(&args, &context),
        Command::Promote(args) => promote::run(&args, &context),
        Command::Releases(args) => releases::run(&args, &context),
        Command::Rollback(args) => rollback::run(&args, &context),
        Command::Scale(args) => scale::run(&args, &context),
        Command::Servers(args) => servers::run(&args, &context),
        Command::Sim(args) => sim::run(&args, &context),
        Command::Ssh(args) => ssh::run(&args, &context),
        Command::Tunnel(args) => tunnel::run(&args, &context),
        Command::Up(args) => up::run(&args, &context),
        Command::Validate(args) => validate::run(&args, &context),
    }
}
