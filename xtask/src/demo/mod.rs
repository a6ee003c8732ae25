//! `cargo xtask demo`: a router, two stable servers and one canary, from nothing to `ready` and back to nothing.
//!
//! Everything lives in one temporary folder. Of the store it writes only `featureFlags=false` and the rollout `demo`.

pub(crate) mod admin;
pub(crate) mod child;
mod fleet;
mod folder;
mod hints;
pub(crate) mod interrupts;
mod store;

use anyhow::Result;
use clap::Args;
use sluice_plugin_build::{process, toolchain};

use self::fleet::Fleet;
use self::folder::Folder;
use self::interrupts::{Interrupted, Interrupts};
use self::store::Store;
use crate::workspace::Workspace;
use crate::{plugins, say, story};

/// The plugins that the demo's policy names.
const PLUGINS: [&str; 3] = ["feature-flags", "canary", "upload-alert"];
/// The programs it starts, which are packages of the same name.
const PROGRAMS: [&str; 2] = ["sluice", "meow"];
/// Set by the tests, which have just built the programs and run them meanwhile: building with other features would
/// replace them under their feet.
const BUILT: &str = "SLUICE_PROGRAMS_BUILT";

/// Where the demo listens and what it remembers.
#[derive(Args)]
#[command(
    after_help = "When it serves, it prints one line on stdout: ready edge=http://127.0.0.1:8080 admin=http://127.0.0.1:9900\n\
                  What to try next goes to stderr. Ctrl-c stops everything and removes its temporary folder.\n\n\
                  Examples:\n  \
                  cargo xtask demo\n  \
                  cargo xtask demo --port 0 --admin-port 0             any free ports\n  \
                  cargo xtask demo --fleet                             the original system, whole, on local droplets\n  \
                  cargo xtask demo --state redis://127.0.0.1:6379      starts that Redis if nothing answers there"
)]
pub(crate) struct Options {
    /// Where to send HTTP, on 127.0.0.1; 0 takes a free port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Admin API and dashboard, on 127.0.0.1; 0 takes a free port.
    #[arg(long, default_value_t = 9900)]
    admin_port: u16,
    /// The global state: `embedded`, or the redis:// address of a Redis (a loopback one is started if it does not answer).
    #[arg(long, default_value = "embedded")]
    state: Store,
    /// Where alerts are told, by a POST of JSON, e.g. http://127.0.0.1:9000/; nobody is told without it.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// Tell the whole story on a fleet of local droplets instead: provision, configure, deploy, alert, scale.
    #[arg(long, conflicts_with_all = ["port", "admin_port", "state", "webhook"])]
    fleet: bool,
    /// With --fleet: keep the fleet after the story, until ctrl-c.
    #[arg(long, requires = "fleet")]
    stay: bool,
    #[command(flatten)]
    plugins: plugins::Options,
}

/// Runs until ctrl-c. An unexpected end of the router is an error, anything else that ends is said and survived.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.fleet {
        return story::run(&options.plugins, options.stay);
    }
    toolchain::check()?;
    let workspace = Workspace::load()?;
    let built = plugins::build(&workspace, &PLUGINS.map(str::to_owned), &options.plugins)?;
    if std::env::var_os(BUILT).is_none() {
        say::step(format_args!("building {}", PROGRAMS.join(" and ")));
        let packages = PROGRAMS.iter().flat_map(|name| ["--package", name]);
        process::run(process::cargo().current_dir(workspace.root()).args(["build", "--bins"]).args(packages))?;
    }

    let interrupts = Interrupts::listen()?;
    let folder = Folder::create(options, &built, &PLUGINS)?;
    let mut fleet = Fleet::new(&workspace, &folder, &options.state);
    let served = serve(&mut fleet, options, &interrupts);
    say::step("stopping");
    let stopped = fleet.stop(&interrupts);
    folder.remove()?;
    match served {
        Err(error) if !error.is::<Interrupted>() => Err(error),
        Ok(()) | Err(_) => stopped,
    }
}

/// Brings the fleet up, says so, and watches over it. Ends with [`Interrupted`] when the user has seen enough.
fn serve(fleet: &mut Fleet<'_>, options: &Options, interrupts: &Interrupts) -> Result<()> {
    fleet.start_store(interrupts)?;
    let addresses = fleet.start_router(interrupts)?;
    fleet.start_servers(&addresses, interrupts)?;
    say::step("serving");
    hints::print(&addresses, fleet.folder(), &options.state);
    say::result(format_args!("ready edge={} admin={}", addresses.edge, addresses.admin));
    fleet.watch(interrupts)
}
