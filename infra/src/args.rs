//! The command line as typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;

/// Provisions, configures, deploys to, watches and scales the droplets of a fleet.
#[derive(Debug, Parser)]
#[command(
    name = "sluice-infra",
    version,
    after_help = "\
Start with `sluice-infra init`, then `sluice-infra up`: it plans, asks, applies, configures and says where the edge is.

Exit codes: 0 done, 1 failed, 2 there are changes (plan, drift, --dry-run), 3 done in part, 4 a quota or the budget is in the way, 5 the cloud does not answer."
)]
pub(crate) struct Args {
    /// What is common to all commands.
    #[command(flatten)]
    pub(crate) common: Common,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is common to all commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The file that describes the fleet; its folder also holds `.sluice-infra`, with state, keys and audit log
    #[arg(short, long, global = true, env = "SLUICE_INFRA_FILE", value_name = "FILE", default_value = "infra.toml")]
    pub(crate) file: PathBuf,

    /// Print JSON, one document or one line per event
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do. One file of `commands` each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What runs on a droplet itself
    #[command(hide = true)]
    Agent(commands::agent::Args),
    /// Write a first infra.toml and the routers' folder
    Init(commands::init::Args),
    /// Bring every machine to what its roles need: Redis, routers, app servers
    Configure(commands::configure::Args),
    /// Watch the fleet, raise alerts, scale; until it is ended
    Controller(commands::controller::Args),
    /// Send a droplet no new requests, or send it requests again
    Drain(commands::drain::Args),
    /// Print completions for a shell
    Completions(commands::completions::Args),
    /// Open a shell on a droplet, or run one command there
    Ssh(commands::ssh::Args),
    /// Reach a router's admin API and dashboard, on a port of this machine
    Tunnel(commands::tunnel::Args),
    /// Plan, apply and configure: from the file to a fleet that runs
    Up(commands::up::Args),
    /// Check infra.toml; every fault at once, each with its place
    Validate(commands::validate::Args),
    /// Look whether everything is there that `up` needs: programs, token, names, quota, budget
    Doctor(commands::doctor::Args),
    /// Show what would change, what it costs and what may hurt
    Plan(commands::plan::Args),
    /// Bring droplets and firewalls about; safe to interrupt
    Apply(commands::apply::Args),
    /// Show the droplets of the fleet, and who is at work on it
    Status(commands::status::Args),
    /// Show what changed outside since we left it
    Drift(commands::drift::Args),
    /// Write the fleet for Ansible, cloud-init or Terraform
    Export(commands::export::Args),
    /// Delete droplets that are billed and that nothing wants
    Gc(commands::gc::Args),
    /// Show what the fleet costs: a month, and so far
    Cost(commands::cost::Args),
    /// Show who did what, when, and how it ended
    Audit(commands::audit::Args),
    /// Show who is at work on the fleet
    Lock(commands::lock::Args),
    /// Delete everything of the fleet
    Destroy(commands::destroy::Args),
    /// Take a commit through its gates and onto the droplets of its app
    Deploy(commands::deploy::Args),
    /// Bring to production what the canary serves
    Promote(commands::promote::Args),
    /// Go back to a release that droplets still have
    Rollback(commands::rollback::Args),
    /// Show what runs where, its age and health
    Releases(commands::releases::Args),
    /// Show what the releases of an app print
    Logs(commands::logs::Args),
    /// Show the servers that hold a lease: where, which release, health, CPU, memory
    Servers(commands::servers::Args),
    /// Show alerts, try whom they reach, keep them quiet for a while
    Alerts(commands::alerts::Args),
    /// How the number of droplets of a pool follows load: try a policy on recorded load
    Scale(commands::scale::Args),
    /// Simulate DigitalOcean's API: rehearse without an account
    Sim(commands::sim::Args),
    /// Rehearse infra.toml on a simulator, with every fault that clouds have
    Drill(commands::drill::Args),
    /// Be a droplet of the local cloud
    #[command(hide = true)]
    LocalDroplet(commands::local_droplet::Args),
}

impl Command {
    /// True if it runs until it is ended.
    pub(crate) const fn is_daemon(&self) -> bool {
        match self {
            Self::Controller(_) => true,
            Self::Agent(args) => args.is_daemon(),
            _ => false,
        }
    }
}
