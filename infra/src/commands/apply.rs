//! `apply`: brings the droplets and firewalls of the file about. Safe to interrupt, and to run again.

use std::process::ExitCode;

use sluice_infra_plan::{Handover, Outcome, Plan};

use crate::commands::plan::show;
use crate::confirm::{self, Word};
use crate::context::Context;
use crate::handover::Bare;
use crate::session::Session;
use crate::{exit, outcome, plan_text, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra apply                                 shows the plan, asks, does it
  sluice-infra apply --yes --json                    for scripts: one line per event, the outcome last
  sluice-infra apply --yes --accept-data-loss        also if the droplet with Redis is replaced

Interrupted (even by kill -9), it is run again: what was sent is found by its tag, nothing is made twice.
`up` does the same and configures the droplets too.
Exit codes: 0 done, 3 done in part (it says what stands and what to do), 4 the budget or a limit is in the way, 5 the cloud does not answer.")]
pub(crate) struct Args {
    /// What is agreed to.
    #[command(flatten)]
    consent: Consent,
}

/// What a user agrees to beforehand.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Consent {
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,

    /// With --yes: also if data is lost, because the droplet with Redis goes
    #[arg(long)]
    pub(crate) accept_data_loss: bool,
}

/// How far a plan came.
pub(crate) enum End {
    /// It is carried out; there may be failures in it.
    Applied(Box<Outcome>),
    /// Nothing was to be done.
    NothingToDo,
    /// It was refused, or the user said no.
    Left(ExitCode),
}

/// Plans, asks, applies.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_write(context, "apply").await?;
        let handover = Bare::new(context, &session);
        match bring_about(context, &session, args.consent, &handover).await? {
            End::Applied(outcome) => outcome::report(context, &outcome),
            End::NothingToDo => outcome::report(context, &Outcome::default()),
            End::Left(code) => Ok(code),
        }
    })
}

/// Plans, shows, asks and applies; what `apply` and `up` share.
pub(crate) async fn bring_about(
    context: &Context,
    session: &Session,
    consent: Consent,
    handover: &dyn Handover,
) -> anyhow::Result<End> {
    let (observed, plan) = session.plan().await?;
    if !context.json() || !plan.refusals.is_empty() {
        show(context, session, &plan)?;
    }
    if !plan.refusals.is_empty() {
        return Ok(End::Left(exit::QUOTA.into()));
    }
    let waits = plan.keeps.iter().any(|keep| keep.waiting);
    if plan.is_empty() && !waits {
        return Ok(End::NothingToDo);
    }
    if !plan.is_empty() && !agreed(context, session, consent, &plan)? {
        context.say("Nothing was changed.");
        return Ok(End::Left(exit::CHANGES.into()));
    }
    let deed = async { Ok(session.provisioner.apply(&observed, &plan, handover).await) };
    let outcome = session.audited(&plan_text::summary(&plan), deed, outcome::in_a_line).await?;
    Ok(End::Applied(Box::new(outcome)))
}

fn agreed(context: &Context, session: &Session, consent: Consent, plan: &Plan) -> anyhow::Result<bool> {
    if plan.loses_data() {
        // Redis holds what nothing else does: `--yes` alone, as in every script, does not cover it.
        let yes = consent.yes && consent.accept_data_loss;
        if consent.yes && !yes {
            anyhow::bail!("this plan loses data: add --accept-data-loss to do it");
        }
        return confirm::agreed(context, yes, "This plan loses data.", Word::Fleet(&session.spec.fleet));
    }
    confirm::agreed(context, consent.yes, "Apply this plan?", Word::Yes)
}
