//! `gc`: deletes droplets that are billed and that nothing wants.

use std::process::ExitCode;

use sluice_infra_plan::Outcome;
use sluice_infra_plan::gc::{Garbage, garbage};

use crate::confirm::{self, Word};
use crate::context::Context;
use crate::plan_text::count;
use crate::session::Session;
use crate::table::{ago, render};
use crate::{exit, outcome, print, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra gc              shows what nothing wants, and asks
  sluice-infra gc --dry-run    shows it only; exit code 2 if there is something
  sluice-infra gc --yes

Only droplets with the tag of this fleet are looked at.")]
pub(crate) struct Args {
    /// Delete them without asking
    #[arg(long)]
    yes: bool,

    /// Show them only
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// Shows, asks, deletes.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_write(context, "gc").await?;
        let observed = session.observe().await?;
        let found = garbage(&session.spec, &observed, &session.state)?;
        if found.is_empty() {
            context.say("Nothing is left over.");
            return outcome::report(context, &Outcome::default());
        }
        if context.json() {
            print::line(&serde_json::json!({ "garbage": found }))?;
        } else {
            print::text(&table(&found))?;
        }
        if args.dry_run {
            return Ok(exit::CHANGES.into());
        }
        let what = count(found.len(), "droplet");
        if !confirm::agreed(context, args.yes, &format!("Delete {what}?"), Word::Yes)? {
            context.say("Nothing was changed.");
            return Ok(exit::CHANGES.into());
        }
        let droplets: Vec<_> =
            found.iter().map(|garbage| (garbage.droplet.id.clone(), garbage.droplet.name.clone())).collect();
        let deed = async { Ok(session.provisioner.shrink(&droplets, "").await) };
        let end = session.audited(&what, deed, outcome::in_a_line).await?;
        outcome::report(context, &end)
    })
}

fn table(found: &[Garbage]) -> String {
    let rows = found.iter().map(|Garbage { droplet, reason, .. }| {
        vec![
            droplet.name.clone(),
            droplet.id.to_string(),
            droplet.size.clone(),
            ago(droplet.created_ms),
            reason.text().to_owned(),
        ]
    });
    render(&["droplet", "id", "size", "age", "why"], rows, &[])
}
