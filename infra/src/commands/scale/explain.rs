//! `scale explain`: what the controller decided of a pool, and why.

use std::process::ExitCode;

use anyhow::ensure;

use crate::context::Context;
use crate::controller::{Memory, Record};
use crate::{print, table};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra scale explain production
  sluice-infra scale explain production --acts --json     only what changed the fleet, for scripts")]
pub(crate) struct Args {
    /// The pool
    pool: String,

    /// How many decisions, newest last
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    last: usize,

    /// Only those that changed the fleet
    #[arg(long)]
    acts: bool,
}

/// Shows them.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let spec = context.spec()?;
    ensure!(
        spec.pool(&args.pool).is_some_and(|pool| pool.scale.is_some()),
        "no pool `{}` with `scale` is in the file",
        args.pool
    );
    let memory = Memory::read(&context.state_folder(), &args.pool)?;
    let records: Vec<&Record> = memory.decisions.iter().filter(|record| !args.acts || record.decision.acts()).collect();
    let shown = records.get(records.len().saturating_sub(args.last)..).unwrap_or_default();
    if context.json() {
        print::document(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    if shown.is_empty() {
        context.say("nothing was decided yet: is `sluice-infra controller` running?");
    }
    for record in shown {
        let decision = &record.decision;
        let until = if record.until_ms == decision.at_ms {
            String::new()
        } else {
            format!(" .. {}", table::moment(record.until_ms))
        };
        print::text(&format!(
            "{}{until}  {} -> {}",
            table::moment(decision.at_ms),
            decision.present,
            decision.desired
        ))?;
        for reason in &decision.reasons {
            print::text(&format!("    {reason}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
