//! `audit`: who did what to the fleet, when, and how it ended.

use std::process::ExitCode;

use sluice_infra_plan::State;
use sluice_infra_plan::state::AuditEntry;

use crate::context::Context;
use crate::print;
use crate::table::{moment, render};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra audit
  sluice-infra audit --limit 5 --json
  sluice-infra audit --journal        every call that changed the cloud, with its stage")]
pub(crate) struct Args {
    /// Newest entries that are shown
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,

    /// Show the intent journal: each call that changes the cloud
    #[arg(long)]
    journal: bool,
}

/// Reads and prints.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let folder = context.state_folder();
    if !folder.is_dir() {
        anyhow::bail!("{} does not exist: nothing was done to this fleet from here", folder.display());
    }
    let state = State::open(&folder)?;
    if args.journal {
        journal(args, context, &state)?;
    } else {
        let entries = state.audit_log(args.limit)?;
        if context.json() { print::document(&entries)? } else { print::text(&table(&entries))? }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(entries: &[AuditEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let outcome = entry.outcome.clone().unwrap_or_else(|| "(runs, or was killed)".to_owned());
        vec![moment(entry.at_ms), entry.who.clone(), entry.command.clone(), entry.what.clone(), outcome]
    });
    render(&["when", "who", "command", "what", "outcome"], rows, &[])
}

fn journal(args: &Args, context: &Context, state: &State) -> anyhow::Result<()> {
    let mut operations = state.journal()?;
    let shown = usize::try_from(args.limit).unwrap_or(usize::MAX);
    operations.drain(..operations.len().saturating_sub(shown));
    if context.json() {
        return print::document(&operations);
    }
    let rows = operations.iter().map(|operation| {
        let droplet = operation.droplet.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        vec![
            moment(operation.intended_ms),
            operation.kind.to_string(),
            operation.name.clone(),
            operation.stage.to_string(),
            droplet,
            operation.reason.clone(),
        ]
    });
    print::text(&render(&["when", "what", "name", "stage", "droplet", "reason"], rows, &[]))
}
