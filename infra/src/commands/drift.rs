//! `drift`: what changed outside since we left it. Changes nothing; `apply` repairs.

use std::process::ExitCode;

use sluice_infra_plan::Difference;
use sluice_infra_plan::drift::drift;

use crate::context::Context;
use crate::session::Session;
use crate::{exit, print, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra drift             what somebody or something changed at the cloud
  sluice-infra drift || sluice-infra apply

Exit codes: 0 nothing changed, 2 something did. What changed on a droplet itself: `sluice-infra configure --dry-run`.")]
pub(crate) struct Args {}

/// Compares and prints.
pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_read(context, "drift").await?;
        let observed = session.observe().await?;
        let drift = drift(&session.spec, &observed, &session.state)?;
        if context.json() {
            print::document(&drift)?;
        } else if drift.differences.is_empty() {
            print::text("Nothing changed outside.")?;
        } else {
            let lines: Vec<String> = drift.differences.iter().map(line).collect();
            print::text(&lines.join("\n"))?;
            context.say("`sluice-infra apply` brings it back; `sluice-infra gc` deletes what nothing wants.");
        }
        Ok(if drift.differences.is_empty() { ExitCode::SUCCESS } else { exit::CHANGES.into() })
    })
}

fn line(difference: &Difference) -> String {
    match difference {
        Difference::Missing { name, id, pool } => format!("- {name} ({id}, pool {pool}) is gone"),
        Difference::Changed { name, field, left, found, .. } => format!("~ {name}: {field} {left} -> {found}"),
        Difference::Unknown { name, id, pool } => {
            let pool = pool.as_ref().map_or_else(|| "no pool".to_owned(), |pool| format!("pool {pool}"));
            format!("+ {name} ({id}, {pool}) is not ours")
        }
        Difference::FirewallMissing { name } => format!("- firewall {name} is gone"),
        Difference::FirewallChanged { name, added, removed } => {
            let added = added.iter().map(|rule| format!("\n    + {rule}"));
            let removed = removed.iter().map(|rule| format!("\n    - {rule}"));
            format!("~ firewall {name}{}", removed.chain(added).collect::<String>())
        }
        Difference::FirewallUnknown { name } => format!("+ firewall {name} is not ours"),
    }
}
