//! The command line as typed. What belongs to one command stands beside it in `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands::alerts::AlertsCommand;
use crate::commands::check::CheckArgs;
use crate::commands::completions::CompletionsArgs;
use crate::commands::diff::DiffArgs;
use crate::commands::explain::ExplainArgs;
use crate::commands::flags::FlagsCommand;
use crate::commands::init::InitArgs;
use crate::commands::plugin::PluginCommand;
use crate::commands::policy::PolicyCommand;
use crate::commands::requests::{RequestsArgs, WhyArgs};
use crate::commands::rollout::RolloutCommand;
use crate::commands::shadow::ShadowArgs;
use crate::commands::status::StatusArgs;

/// Status where a check or a comparison could not be made at all, as `diff(1)` has it and clap for a command line without sense.
const TROUBLE: u8 = 2;

/// Sluice, an edge HTTP router whose traffic rules are WebAssembly plugins.
///
/// Routes live in `routes.d/*.toml`, plugins in `plugins.d/*.wasm`; both are picked up as they change, without a restart
/// and without a failed request. What is wrong with a file never changes traffic: the last good revision goes on, and
/// `sluice status` says why.
#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version,
    propagate_version = true,
    after_help = "\
A first edge:
  sluice init edge            write a commented start into the folder edge
  sluice check edge           every fault of it, with file, line and hint
  sluice explain GET http://example.org/ edge
                              what would become of this request, and why
  sluice run --config edge/sluice.toml"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How to log. Logs go to stderr.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Form of the log lines.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// What to log: `warn`, `debug`, or by part such as `info,sluice_control=debug` [default: RUST_LOG, else info].
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log_level: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Route traffic until SIGTERM or SIGINT, then drain and exit; a second signal exits at once.
    ///
    /// Prints one line on stdout as soon as it serves: `ready edge=http://ADDRESS admin=http://ADDRESS`.
    #[command(after_help = "\
Examples:
  sluice run                              with ./sluice.toml, if there is one
  sluice run --config /etc/sluice/sluice.toml --log-format json")]
    Run(RunArgs),
    /// Write a commented start: sluice.toml, a policy with its tests, and the plugin folder. Overwrites nothing.
    #[command(after_help = "\
Examples:
  sluice init edge && sluice check edge
  sluice init /etc/sluice")]
    Init(InitArgs),
    /// Check sluice.toml, the policy files and the plugin files without starting anything.
    ///
    /// Everything a router would check before it publishes: syntax, names, grants, the `[[tests]]` of the policy, and that
    /// each plugin starts with its configuration. Exits 0 if a router would take it all, 1 with every fault, 2 if there
    /// is nothing to check.
    #[command(after_help = "\
Examples:
  sluice check                            the folder you stand in
  sluice check /etc/sluice && systemctl reload-or-restart sluice
  sluice check --json edge | jq '.checked.faults[] | {file, line, message, hint}'")]
    Check(CheckArgs),
    /// Say what would become of a request, and why: route, plugins, variant, server.
    ///
    /// Asks the files of a folder, or with --admin a running router with its live state. Plugins really run, on
    /// instances of their own; what they would cause is told and does not happen, and nothing is sent anywhere.
    #[command(after_help = "\
Examples:
  sluice explain GET http://example.org/set
  sluice explain GET http://example.org/ edge -H 'cookie: uid=42' --rollout demo=50
  sluice explain POST http://example.org/upload --body-bytes 60000 -H 'content-type: image/gif'
  sluice explain GET http://example.org/ --admin http://127.0.0.1:9900 --client 192.0.2.7
  sluice explain GET /set -H 'host: example.org' --flag featureFlags=on --json | jq .outcome")]
    Explain(ExplainArgs),
    /// Compare two policies by what they mean. Exits 0 if they are the same, 1 if they differ, 2 if that cannot be said.
    ///
    /// Items that come, go or change, field by field, plugin files by digest, and changes of order where the first listed
    /// route wins. A comment, a default spelled out or an item that moved to another file is no difference.
    #[command(after_help = "\
Examples:
  sluice diff edge edge.new
  sluice diff --live /etc/sluice          what would change if the router took these files
  sluice diff --live --json | jq '.items[] | select(.kind == \"route\")'")]
    Diff(DiffArgs),
    /// Ask a running router how it is. Exits 0 if all is well, 1 while any fault stands.
    #[command(after_help = "\
Examples:
  sluice status
  SLUICE_ADMIN_TOKEN=... sluice status --admin https://edge-1.internal:9900 --json")]
    Status(StatusArgs),
    /// List the last requests of a running router, newest first.
    #[command(after_help = "\
Examples:
  sluice requests --newest 50
  sluice requests --json | jq -r '.[] | select(.status >= 500) | .request_id'")]
    Requests(RequestsArgs),
    /// Say what became of a request, step by step and with times.
    ///
    /// A router keeps the last few hundred requests of each worker, and those that it answered itself for longer.
    #[command(after_help = "\
Examples:
  sluice why 019b0f2e5a7c...              the x-sluice-request-id of a response
  sluice why 019b0f2e5a7c... --json | jq .attempts")]
    Why(WhyArgs),
    /// Show how the answers of mirrors compare with those that clients got: counts, and the last differences.
    ///
    /// Mirrors that have `compare` in their policy are compared, for safe methods only.
    #[command(after_help = "\
Examples:
  sluice shadow
  sluice shadow --json | jq -r '.differences[].request_id'")]
    Shadow(ShadowArgs),
    /// Look at the revisions that a running router has published, and go back to one of them.
    #[command(
        subcommand,
        after_help = "\
Examples:
  sluice policy history
  sluice policy show 12
  sluice policy rollback 12
  sluice policy unpin"
    )]
    Policy(PolicyCommand),
    /// Write, build, test and look at plugins; roll one back.
    #[command(
        subcommand,
        after_help = "\
Examples:
  sluice plugin new hello                 a crate that builds and tests at once
  sluice plugin build hello --install edge
  sluice plugin list
  sluice plugin rollback canary
  sluice plugin pack component.wasm --manifest manifest.json"
    )]
    Plugin(PluginCommand),
    /// Steer releases: steps, weights, aborts, and what the canary is held to.
    ///
    /// A rollout is declared in a policy file ([rollouts.NAME]); the store holds where it stands. docs/rollouts.md has states,
    /// plans and analysis.
    #[command(
        subcommand,
        after_help = "\
Examples:
  sluice rollout status demo --watch
  sluice rollout start demo --release v42
  sluice rollout advance demo --reason 'looks good'
  sluice rollout set demo 25
  sluice rollout abort demo --reason 'checkout looks odd'
  sluice rollout history demo"
    )]
    Rollout(RolloutCommand),
    /// Look at flags and change them; import definitions in flagd's format; say why a flag is what it is.
    #[command(
        subcommand,
        after_help = "\
Examples:
  sluice flags list
  sluice flags on featureFlags --reason 'launch'
  sluice flags import shop.json --dry-run
  sluice flags explain new-checkout --key u42 -c country=NL
  sluice flags watch"
    )]
    Flags(FlagsCommand),
    /// Look at alerts and who was told; try sinks out; keep some quiet; tell again what was given up.
    #[command(
        subcommand,
        after_help = "\
Examples:
  sluice alerts list --watch
  sluice alerts test
  sluice alerts silence --rule upload-size --for 2h --reason 'known'
  sluice alerts dead && sluice alerts replay --all"
    )]
    Alerts(AlertsCommand),
    /// Print what a shell needs to complete this command line.
    #[command(after_help = "\
Examples:
  sluice completions bash > ~/.local/share/bash-completion/completions/sluice
  sluice completions fish > ~/.config/fish/completions/sluice.fish")]
    Completions(CompletionsArgs),
}

impl Command {
    /// The status of a command that could not do its work.
    pub(crate) fn trouble(&self) -> ExitCode {
        match self {
            Self::Check(_) | Self::Diff(_) => ExitCode::from(TROUBLE),
            Self::Plugin(command) if command.judges() => ExitCode::from(TROUBLE),
            Self::Run(_)
            | Self::Init(_)
            | Self::Explain(_)
            | Self::Status(_)
            | Self::Requests(_)
            | Self::Why(_)
            | Self::Shadow(_)
            | Self::Policy(_)
            | Self::Plugin(_)
            | Self::Alerts(_)
            | Self::Flags(_)
            | Self::Rollout(_)
            | Self::Completions(_) => ExitCode::FAILURE,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The process' settings [default: ./sluice.toml, else built-in defaults].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn log_options_stand_before_or_after_the_command() {
        let args = Args::try_parse_from(["sluice", "run", "--log-format", "json", "--config", "a.toml"]).unwrap();
        assert_eq!(args.log.log_format, LogFormat::Json);
        assert!(matches!(args.command, Command::Run(RunArgs { config: Some(_) })));
        let args = Args::try_parse_from(["sluice", "--log-level", "debug", "check"]).unwrap();
        assert_eq!(args.log.log_level.as_deref(), Some("debug"));
    }

    #[test]
    fn every_command_teaches_by_examples() {
        for command in Args::command().get_subcommands() {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("sluice {}", command.get_name())), "{}", command.get_name());
        }
    }
}
