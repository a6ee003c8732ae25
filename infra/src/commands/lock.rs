//! `lock`: who is at work on the fleet from this folder.

use std::process::ExitCode;

use sluice_infra_plan::Lock;

use crate::context::Context;
use crate::print;
use crate::table::moment;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The lock belongs to a living process: it ends with it, also with kill -9, so there is none to break.

Exit codes: 0 always; see the text, or `.held` with --json.")]
pub(crate) struct Args {}

/// Looks and prints.
pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let holder = Lock::holder(&context.state_folder())?;
    if context.json() {
        print::document(&serde_json::json!({ "held": holder.is_some(), "holder": holder }))?;
    } else if let Some(holder) = holder {
        let (command, who, pid) = (holder.command, holder.who, holder.pid);
        print::text(&format!(
            "held by `sluice-infra {command}` of {who}, process {pid}, since {}",
            moment(holder.since_ms)
        ))?;
    } else {
        print::text("not held")?;
    }
    Ok(ExitCode::SUCCESS)
}
