//! `agent converge`: brings this machine to the state that the manifest on standard input describes.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use sluice_infra_host::converge::{MANIFEST_BYTES_MAX, Mode, converge};
use sluice_infra_host::{Layout, Manifest, init};

use crate::context::Context;
use crate::runtime::block_on;
use crate::{exit, print};

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Say what differs, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Reads the manifest, does what it takes, and tells what that was.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    let limit = u64::try_from(MANIFEST_BYTES_MAX).context("its bound is a size")?;
    std::io::stdin().take(limit + 1).read_to_end(&mut text).context("read the manifest")?;
    ensure!(text.len() <= MANIFEST_BYTES_MAX, "the manifest has more than {MANIFEST_BYTES_MAX} bytes");
    // The error of serde_json could repeat a secret: only its place is said.
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| {
        anyhow::anyhow!("standard input is no manifest: line {} column {}", error.line(), error.column())
    })?;
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Apply };
    let layout = Layout::of_this_machine();
    let report = block_on(async { Ok(converge(&layout, &*init::of_this_machine(&layout), &manifest, mode).await?) })?;
    if context.json() {
        print::line(&report)?;
    } else {
        for change in &report.changes {
            print::text(&format!("{}: {}\n{}", change.resource, change.difference.summary, change.difference.diff))?;
        }
        print::text(&format!("{} changed, {} as wanted", report.changes.len(), report.unchanged))?;
    }
    Ok(match (&report.stopped, report.changes.is_empty(), mode) {
        (Some(_), ..) => ExitCode::FAILURE,
        (None, false, Mode::DryRun) => exit::CHANGES.into(),
        (None, ..) => ExitCode::SUCCESS,
    })
}
