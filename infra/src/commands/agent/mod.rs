//! `agent`: what runs on a droplet itself, started by git's hooks, by ssh, or as a service. Nobody types it.

pub(crate) mod converge;
pub(crate) mod drain;
pub(crate) mod measures;
pub(crate) mod receive;
pub(crate) mod release;
pub(crate) mod run;
pub(crate) mod traffic;

use std::process::ExitCode;

use clap::Subcommand;

use crate::context::Context;

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Bring this machine to the state that the manifest on standard input describes
    Converge(converge::Args),
    /// Measure this machine and hold the leases of its releases, until SIGTERM
    Run,
    /// Print what was measured last, as JSON
    Measures,
    /// Print what the router of this machine counted, as JSON
    Traffic,
    /// Take a push or refuse it: the pre-receive hook
    Receive(receive::Args),
    /// Release what was pushed: the post-receive hook; or go back, or say what runs
    Release(release::Args),
    /// Take no new requests, and wait until none is in flight
    Drain(drain::Args),
    /// Take requests again
    Undrain,
}

impl Args {
    /// True if it runs until it is ended.
    pub(crate) const fn is_daemon(&self) -> bool {
        matches!(self.what, What::Run)
    }
}

/// Does what was typed.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Converge(args) => converge::run(args, context),
        What::Run => run::run(),
        What::Measures => measures::run(),
        What::Traffic => traffic::run(),
        What::Receive(args) => receive::run(args),
        What::Release(args) => release::run(args),
        What::Drain(args) => drain::run(args),
        What::Undrain => drain::undo(),
    }
}
