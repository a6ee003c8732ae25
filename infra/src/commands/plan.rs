//! `plan`: what would change, field by field, what it costs, what may hurt. Changes nothing.

use std::process::ExitCode;

use sluice_infra_plan::{Lock, Plan};

use crate::context::Context;
use crate::print::{self, Paint};
use crate::session::Session;
use crate::{exit, plan_text, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra plan                       what `apply` and `up` would do
  sluice-infra plan --json | jq .price    for scripts; the fields are in docs/infra-plan.md

Exit codes: 0 the fleet is as wanted, 2 there are changes, 4 the budget or a limit of the account is in the way.")]
pub(crate) struct Args {}

/// Plans and prints.
pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_read(context, "plan").await?;
        warn_of_others(context, &session)?;
        let (_, plan) = session.plan().await?;
        show(context, &session, &plan)?;
        Ok(code(&plan))
    })
}

/// Prints a plan as text or JSON.
pub(crate) fn show(context: &Context, session: &Session, plan: &Plan) -> anyhow::Result<()> {
    if context.json() {
        return print::document(plan);
    }
    print::text(&plan_text::render(&session.spec, session.cloud.name(), plan, Paint::of_stdout()))
}

/// Exit code of a plan that is not carried out.
pub(crate) fn code(plan: &Plan) -> ExitCode {
    if !plan.refusals.is_empty() {
        exit::QUOTA.into()
    } else if plan.is_empty() {
        ExitCode::SUCCESS
    } else {
        exit::CHANGES.into()
    }
}

/// A plan beside a run that changes things is out of date at once.
fn warn_of_others(context: &Context, session: &Session) -> anyhow::Result<()> {
    let open = session.state.open_operations()?;
    if let Some(holder) = Lock::holder(&context.state_folder())? {
        context.say(&format!(
            "`sluice-infra {}` of {} is at work: this plan may be out of date.",
            holder.command, holder.who
        ));
    } else if !open.is_empty() {
        context.say(&format!(
            "An interrupted run left {} operations open: apply brings them to their end first.",
            open.len()
        ));
    }
    Ok(())
}
