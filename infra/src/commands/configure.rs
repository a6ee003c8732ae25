//! `configure`: brings every machine to what its roles need; run again, it changes nothing.

use std::process::ExitCode;

use anyhow::ensure;
use sluice_infra_host::converge::{Action, Mode, Report};
use sluice_infra_plan::tags;

use crate::configured::{Configured, Ended, good, tell};
use crate::context::Context;
use crate::session::Session;
use crate::{exit, print, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra configure                   everything, Redis first, then routers, then app servers
  sluice-infra configure --dry-run         what differs, as diffs; exit code 2 if anything does
  sluice-infra configure production        machines whose names begin so, after the fleet's name

Programs are taken from beside this one, or from the folder SLUICE_BIN_DIR; they must be built for the droplets.")]
pub(crate) struct Args {
    /// Only these droplets: names, or beginnings of what follows the fleet's name
    droplets: Vec<String>,

    /// Say what differs, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Configures, and says what was changed.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Apply };
    runtime::block_on(async {
        let session = match mode {
            Mode::DryRun => Session::to_read(context, "configure").await?,
            Mode::Apply => Session::to_write(context, "configure").await?,
        };
        let configured = Configured::new(context, &session);
        let files = configured.files()?;
        let fleet = &session.spec.fleet;
        let mut droplets = session.cloud.droplets(&tags::fleet(fleet)).await?;
        droplets.retain(|droplet| {
            let is_meant =
                |name: &String| droplet.name.starts_with(name) || droplet.name.starts_with(&format!("{fleet}-{name}"));
            args.droplets.is_empty() || args.droplets.iter().any(is_meant)
        });
        ensure!(!droplets.is_empty(), "there is no such droplet: `sluice-infra status` lists them");
        let deed = configured.machines(&files, &droplets, mode, |ended| tell(context, ended));
        let what = format!("{} machines{}", droplets.len(), if args.dry_run { ", dry run" } else { "" });
        let all = session.audited(&what, deed, |all| format!("{} of {} are as wanted", good(all), all.len())).await?;
        show(context, &all)?;
        Ok(code(&all, mode))
    })
}

/// The differences, or the reports as a document.
fn show(context: &Context, all: &[Ended]) -> anyhow::Result<()> {
    if context.json() {
        let document = |ended: &Ended| match &ended.report {
            Ok(report) => (ended.droplet.clone(), serde_json::json!(report)),
            Err(reason) => (ended.droplet.clone(), serde_json::json!({ "failed": reason })),
        };
        return print::document(&serde_json::Map::from_iter(all.iter().map(document)));
    }
    for (ended, report) in all.iter().filter_map(|ended| Some((ended, ended.report.as_ref().ok()?))) {
        for line in lines(report) {
            print::text(&format!("{}: {line}", ended.droplet))?;
        }
    }
    Ok(())
}

fn lines(report: &Report) -> Vec<String> {
    // A machine that is new is told of by its summary alone.
    let told = report.changes.iter().filter(|change| report.dry_run || change.difference.action != Action::Create);
    let changes = told.map(|change| {
        let difference = &change.difference;
        // What was changed is told; what would be is shown.
        let shown = report.dry_run && !difference.diff.is_empty();
        let diff = if shown { format!("\n{}", difference.diff) } else { String::new() };
        format!("{}: {}{diff}", change.resource, difference.summary)
    });
    changes.collect()
}

fn code(all: &[Ended], mode: Mode) -> ExitCode {
    let changes = all.iter().filter_map(|ended| ended.report.as_ref().ok()).any(|report| !report.changes.is_empty());
    match (good(all) == all.len(), good(all), mode) {
        (true, _, Mode::DryRun) if changes => exit::CHANGES.into(),
        (true, ..) => ExitCode::SUCCESS,
        (false, 0, _) => ExitCode::FAILURE,
        (false, ..) => exit::PARTIAL.into(),
    }
}
