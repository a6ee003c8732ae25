//! `sluice alerts`: what was raised, who was told, and what is kept quiet. One file for looking, one for silences, one for
//! what sinks do.

mod list;
mod silence;
mod sinks;

use std::process::ExitCode;

use clap::Subcommand;

use super::ask::AskArgs;

/// What of alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// List the newest alerts: when, which rule, of what, and who was told.
    ///
    /// TOLD is what the router that answers knows; another router of the fleet may have told the sinks.
    #[command(after_help = "\
Examples:
  sluice alerts list
  sluice alerts list --watch
  sluice alerts list --newest 5 --json | jq -r '.[].message'")]
    List(list::ListArgs),
    /// List the alerts that are up: seen, and not resolved yet.
    #[command(after_help = "\
Examples:
  sluice alerts firing
  sluice alerts firing --watch")]
    Firing(list::FiringArgs),
    /// Tell a sink, or all, of something that did not happen, and say what each answered. Exits 1 if one did not take it.
    #[command(after_help = "\
Examples:
  sluice alerts test
  sluice alerts test mail
  sluice alerts test --json | jq '.[] | select(.ok | not)'")]
    Test(sinks::TestArgs),
    /// Tell nobody of alerts that match, for a while. They are stored and listed all the same, and no abort is held back.
    #[command(after_help = "\
Examples:
  sluice alerts silence --rule upload-size --for 2h --reason 'known, is being fixed'
  sluice alerts silence --rule many-errors --route app --for 30m
  sluice alerts silence --all --for 10m --reason 'moving the mail server'")]
    Silence(silence::SilenceArgs),
    /// End a silence.
    #[command(after_help = "\
Examples:
  sluice alerts silences
  sluice alerts unsilence 1f00ba11")]
    Unsilence(silence::UnsilenceArgs),
    /// List the silences that count now.
    Silences(AskArgs),
    /// List notices that were given up: whom they were for, why they failed, how often they were tried.
    #[command(after_help = "\
Examples:
  sluice alerts dead
  sluice alerts dead --json | jq -r '.[] | [.entry, .sink, .error] | @tsv'")]
    Dead(AskArgs),
    /// Let notices that were given up be told again, to those who do not have them.
    #[command(after_help = "\
Examples:
  sluice alerts replay 17
  sluice alerts replay --all")]
    Replay(sinks::ReplayArgs),
}

/// Carries one out.
pub(crate) fn alerts(command: &AlertsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AlertsCommand::List(args) => list::list(args),
        AlertsCommand::Firing(args) => list::firing(args),
        AlertsCommand::Test(args) => sinks::test(args),
        AlertsCommand::Silence(args) => silence::silence(args),
        AlertsCommand::Unsilence(args) => silence::unsilence(args),
        AlertsCommand::Silences(args) => silence::silences(args),
        AlertsCommand::Dead(args) => sinks::dead(args),
        AlertsCommand::Replay(args) => sinks::replay(args),
    }
}
