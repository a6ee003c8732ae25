//! `destroy`: the end of the fleet. Nothing of it is billed afterwards.

use std::process::ExitCode;

use sluice_infra_plan::Outcome;
use sluice_infra_plan::apply::{Inventory, inventory};

use crate::confirm::{self, Word};
use crate::context::Context;
use crate::plan_text::count;
use crate::session::Session;
use crate::{exit, outcome, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra destroy                shows what goes, and asks for the name of the fleet
  sluice-infra destroy --yes --json   for scripts

Interrupted, it is run again. infra.toml, the journal and the audit log stay.")]
pub(crate) struct Args {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

/// Deletes droplets, then firewalls, then keys.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_write(context, "destroy").await?;
        let observed = session.observe().await?;
        let everything = inventory(&observed, &session.state)?;
        if everything.is_empty() {
            context.say("There is nothing left of this fleet.");
            return outcome::report(context, &Outcome::default());
        }
        show(context, &everything);
        let question = format!("All of fleet {} goes, with its data.", session.spec.fleet);
        if !confirm::agreed(context, args.yes, &question, Word::Fleet(&session.spec.fleet))? {
            context.say("Nothing was changed.");
            return Ok(exit::CHANGES.into());
        }
        let what = said(&everything);
        let deed = async { Ok(session.provisioner.destroy(&observed, &everything).await) };
        let end = session.audited(&what, deed, outcome::in_a_line).await?;
        outcome::report(context, &end)
    })
}

fn said(everything: &Inventory) -> String {
    let Inventory { droplets, firewalls, ssh_keys } = everything;
    let parts =
        [count(droplets.len(), "droplet"), count(firewalls.len(), "firewall"), count(ssh_keys.len(), "public key")];
    parts.join(", ")
}

fn show(context: &Context, everything: &Inventory) {
    for (id, name, _) in &everything.droplets {
        context.say(&format!("  - droplet {name} ({id})"));
    }
    for (_, name) in &everything.firewalls {
        context.say(&format!("  - firewall {name}"));
    }
    for id in &everything.ssh_keys {
        context.say(&format!("  - public key {id}"));
    }
}
