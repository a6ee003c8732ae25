//! `agent receive`: the pre-receive hook of a droplet. What it refuses leaves no trace.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use sluice_infra_deploy::droplet::Droplet;
use sluice_infra_host::{Layout, init};

use crate::runtime::block_on;

/// Most that is read of what git tells the hook; more than one line is refused.
pub(super) const UPDATES_BYTES_MAX: u64 = 16 * 1024;

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app, as the hook names it; a droplet runs one
    app: Option<String>,
}

/// Takes the push or refuses it, with the reason on stderr, which git shows to who pushes.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let updates = updates()?;
    block_on(async { Ok(droplet(args.app.as_deref())?.receive(&updates).await?) })?;
    Ok(ExitCode::SUCCESS)
}

/// What git tells a hook.
pub(super) fn updates() -> anyhow::Result<String> {
    let mut updates = String::new();
    std::io::stdin().take(UPDATES_BYTES_MAX).read_to_string(&mut updates).context("read what is pushed")?;
    Ok(updates)
}

/// This machine, as a place for releases of an app; with `app`, only if it is that one's.
pub(super) fn droplet(app: Option<&str>) -> anyhow::Result<Droplet> {
    // Files of a release are read by the user that the app runs as, whoever we are.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let layout = Layout::of_this_machine();
    let init = init::of_this_machine(&layout);
    let droplet = Droplet::open(layout, init)?;
    let runs = &droplet.app().name;
    ensure!(
        app.is_none_or(|app| app == runs),
        "`{runs}` runs on this droplet; `sluice-infra configure` renews its hooks"
    );
    Ok(droplet)
}

/// A line for who pushes, or asks over ssh. If they are gone, the work goes on.
pub(super) fn say(line: &str) {
    let _gone = writeln!(std::io::stderr(), "{line}");
}
