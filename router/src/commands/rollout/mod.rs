//! `sluice rollout`: how a release goes on, and an operator's say in it. One file per part: what is asked for, and what is
//! printed.

mod history;
mod page;
mod status;
mod steer;
mod token;
mod told;

use std::process::ExitCode;

use clap::Subcommand;

/// What of rollouts.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Show the rollouts of a running router, or one of them on a page.
    ///
    /// The page: who has which share, the steps with the present one marked, what it waits for and why, the last checks with
    /// canary, stable and bound, the figures of the last minute and the last events. With --watch it stays and follows.
    #[command(after_help = "\
Examples:
  sluice rollout status                    all of them, a line each
  sluice rollout status demo --watch
  sluice rollout status demo --json | jq '{state, step, waits_for}'")]
    Status(status::StatusArgs),
    /// Begin a new release: at the first step of the plan, with users dealt anew.
    #[command(after_help = "\
Examples:
  sluice rollout start demo --release v42
  sluice rollout start demo --release v43 --reason 'with the fix of v42'")]
    Start(steer::StartArgs),
    /// Let the steps stand still. The weight stays, and analysis and aborts go on.
    #[command(after_help = "\
Examples:
  sluice rollout pause demo --reason 'lunch'")]
    Pause(steer::SteerArgs),
    /// Go on after a pause or an abort, with the weights before; after an abort the step is tried anew.
    #[command(after_help = "\
Examples:
  sluice rollout resume demo
  sluice rollout resume demo --from-start --reason 'the servers are replaced'")]
    Resume(steer::ResumeArgs),
    /// Give the canary everything now, and end the plan.
    #[command(after_help = "\
Examples:
  sluice rollout promote demo")]
    Promote(steer::SteerArgs),
    /// Take everything off the canary, on all routers, until `resume`. Always allowed.
    #[command(after_help = "\
Examples:
  sluice rollout abort demo --reason 'checkout looks odd'")]
    Abort(steer::SteerArgs),
    /// Begin the next step now; past the last one, promote if it gives the canary 100 %. Opens a manual gate.
    #[command(after_help = "\
Examples:
  sluice rollout advance demo --reason 'approved in the morning call'")]
    Advance(steer::SteerArgs),
    /// Set weights by hand, in percent with at most two decimals. Ends the plan of this release.
    #[command(after_help = "\
Examples:
  sluice rollout set demo 25
  sluice rollout set demo canary=5 beta=5
  sluice rollout set demo 0.5 --reason 'a first look'")]
    Set(steer::SetArgs),
    /// Tell what became of a rollout, newest first: when, who, from what to what, and why.
    #[command(after_help = "\
Examples:
  sluice rollout history demo
  sluice rollout history demo --watch      new events as they come
  sluice rollout history demo --json | jq -r '.[] | select(.by == \"analysis\") | .reason'")]
    History(history::HistoryArgs),
    /// Sign a token that has its holder served by one variant, whatever the weight, until it expires.
    ///
    /// For testers and smoke tests, also at weight 0. The policy says in which fields a token counts ([rollouts.NAME]
    /// override), sluice.toml has the key (`[rollouts] override_key`).
    #[command(after_help = "\
Examples:
  sluice rollout override demo canary --for 2h
  curl -H \"x-override: $(sluice rollout override demo canary --json | jq -r .token)\" http://example.org/")]
    Override(token::OverrideArgs),
}

/// Does it.
pub(crate) fn rollout(command: &RolloutCommand) -> anyhow::Result<ExitCode> {
    match command {
        RolloutCommand::Status(args) => status::status(args),
        RolloutCommand::Start(args) => steer::start(args),
        RolloutCommand::Pause(args) => steer::pause(args),
        RolloutCommand::Resume(args) => steer::resume(args),
        RolloutCommand::Promote(args) => steer::promote(args),
        RolloutCommand::Abort(args) => steer::abort(args),
        RolloutCommand::Advance(args) => steer::advance(args),
        RolloutCommand::Set(args) => steer::set(args),
        RolloutCommand::History(args) => history::history(args),
        RolloutCommand::Override(args) => token::sign(args),
    }
}
