//! `sluice plugin`: from an empty folder to a plugin that serves, and back. One file per subcommand: its arguments, and what
//! it prints.

mod bench;
mod build;
mod cases;
mod history;
mod inspect;
mod list;
mod new;
mod pack;
mod show;
mod steer;
mod test;
mod told;

use std::process::ExitCode;

use clap::Subcommand;

use super::ask::AskArgs;

/// What of plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Write a plugin's crate that builds and tests at once. Overwrites nothing.
    ///
    /// The SDK is inside, so nothing but a Rust toolchain is needed. The plugin is a small example to edit: configuration,
    /// field, flag, response, edit, unit tests.
    #[command(after_help = "\
Examples:
  sluice plugin new hello && cd hello && sluice plugin build
  sluice plugin new hello --dir plugins/hello")]
    New(new::NewArgs),
    /// Test a plugin natively and build it: NAME.wasm, replaced in one step and only if it changed.
    ///
    /// Needs a Rust toolchain; the standard library of wasm32-unknown-unknown is looked for in it, asked of rustup, or
    /// built by Debian's own compiler, whatever works first. Prints the path of each file on stdout, the rest on stderr.
    #[command(after_help = "\
Examples:
  sluice plugin build                       the crate you stand in
  sluice plugin build hello --install edge  a running router of that folder has it at once
  sluice plugin build --no-test --out dist")]
    Build(build::BuildArgs),
    /// Write the static manifest into a component that another language's tools made.
    ///
    /// The manifest is JSON: {\"name\",\"version\",\"contract\",\"needs\"}, as the head of plugin.wit has it. It is checked by the
    /// reader that the router uses.
    #[command(after_help = "\
Examples:
  sluice plugin pack component.wasm --manifest manifest.json
  sluice plugin pack component.wasm --manifest manifest.json -o plugins.d/hello.wasm")]
    Pack(pack::PackArgs),
    /// Say what a file is and wants, and whether a router would take it. Nothing of it runs without --init.
    ///
    /// Kind, size, digest, contract, imports with what becomes of them, exports, needs; against the policy, what is not
    /// granted and the line to write. Works on broken files too. Exits 0 if a router would take it, 1 if not, 2 if that
    /// cannot be said.
    #[command(after_help = "\
Examples:
  sluice plugin inspect canary.wasm                    what it needs, and what ./routes.d grants
  sluice plugin inspect canary.wasm --policy /etc/sluice --init
  sluice plugin inspect hello.wasm --init --config '{\"header\":\"x-hello\"}'
  sluice plugin inspect canary.wasm --json | jq .plugin.needs")]
    Inspect(inspect::InspectArgs),
    /// Show a plugin described requests and hold what comes against what must come.
    ///
    /// Phases, fields, limits and grants are those of the request path; effects are told and do not happen, and clock and
    /// chance are what the case says. docs/plugin-tests.md has every key. Exits 0 if all cases hold, 1 if one does not, 2
    /// if there is nothing to hold.
    #[command(after_help = "\
Examples:
  sluice plugin test hello.wasm --cases tests.toml
  sluice plugin test hello.wasm --cases tests.toml --golden golden --update
  sluice plugin test hello.wasm --cases tests.toml --json | jq '.[] | select(.ok | not) | .name'

A file of cases:
  grants = { edits = true }

  [[case]]
  name = \"greets\"
  request = { url = \"http://example.org/hello?x=1\", headers = { cookie = \"uid=7\" } }
  expect = { verdict = \"next\", edits = [\"set x-hello: 1\"] }")]
    Test(test::TestArgs),
    /// Measure what a plugin costs on this machine: compiling, starting, and a call of each phase.
    ///
    /// Medians of several rounds after a warm-up. The empty native call shows what the clock itself costs, which is in each
    /// P50 and P99; CALLS/S has no clock between the calls.
    #[command(after_help = "\
Examples:
  sluice plugin bench canary.wasm
  sluice plugin bench canary.wasm --cases tests.toml --seconds 5
  sluice plugin bench canary.wasm --json | jq '.phases[] | {phase, p50_ns}'")]
    Bench(bench::BenchArgs),
    /// List the plugins of a running router: what serves, what it costs, and what is out of the ordinary.
    ///
    /// P50 and P99 are the time of a call, of the phase that is called most. GEN counts how often a plugin was loaded since
    /// the router started. A NOTE says what keeps a file from serving, or how long a trial lasts.
    #[command(after_help = "\
Examples:
  sluice plugin list
  sluice plugin list --json | jq '.[] | select(.fault) | {name, fault}'")]
    List(AskArgs),
    /// Show one plugin of a running router: rights, calls, verdicts and times by phase, failures, its trial.
    #[command(after_help = "\
Examples:
  sluice plugin show canary
  sluice plugin show canary --json | jq .trial.comparisons.recent")]
    Show(show::NameArgs),
    /// List the digests of a plugin that served, newest first; `*` marks the one that serves, `?` one on trial.
    #[command(after_help = "\
Examples:
  sluice plugin history canary
  sluice plugin history canary --json | jq -r '.digests[1].digest'")]
    History(show::NameArgs),
    /// Let an earlier digest of a plugin serve again, in place of the file in the folder.
    ///
    /// The file is not touched: its digest is held back until `sluice plugin release`, or until another file takes its
    /// place. A restart changes nothing about it. Refused if that digest no longer loads under the present policy.
    #[command(after_help = "\
Examples:
  sluice plugin rollback canary                back to the digest that served before
  sluice plugin rollback canary 51bc07         to one of `sluice plugin history canary`")]
    Rollback(steer::RollbackArgs),
    /// End the trial of a new digest: it serves from now on.
    #[command(after_help = "\
Examples:
  sluice plugin promote canary")]
    Promote(show::NameArgs),
    /// End the trial of a new digest: it is held back, and the one that serves goes on.
    #[command(after_help = "\
Examples:
  sluice plugin abort canary")]
    Abort(show::NameArgs),
    /// Let a digest that is held back or quarantined try again.
    #[command(after_help = "\
Examples:
  sluice plugin release canary && sluice plugin list")]
    Release(show::NameArgs),
}

impl PluginCommand {
    /// True if its exit code is a judgement, so that trouble needs another one.
    pub(crate) const fn judges(&self) -> bool {
        matches!(self, Self::Inspect(_) | Self::Test(_))
    }
}

/// Does it.
pub(crate) fn plugin(command: &PluginCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::New(args) => new::new(args),
        PluginCommand::Build(args) => build::build(args),
        PluginCommand::Pack(args) => pack::pack(args),
        PluginCommand::Inspect(args) => inspect::inspect(args),
        PluginCommand::Test(args) => test::test(args),
        PluginCommand::Bench(args) => bench::bench(args),
        PluginCommand::List(args) => list::list(args),
        PluginCommand::Show(args) => show::show(args),
        PluginCommand::History(args) => history::history(args),
        PluginCommand::Rollback(args) => steer::rollback(args),
        PluginCommand::Promote(args) => steer::promote(args),
        PluginCommand::Abort(args) => steer::abort(args),
        PluginCommand::Release(args) => steer::release(args),
    }
}
