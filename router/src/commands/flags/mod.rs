//! `sluice flags`: every flag of a fleet, seen and changed through one of its routers. One file per subcommand: its
//! arguments, what it asks, and what it prints.

mod change;
mod explain;
mod export;
mod history;
mod import;
mod list;
mod set;
mod told;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;

use super::ask::AskArgs;

/// What of flags.
#[derive(Debug, Subcommand)]
pub(crate) enum FlagsCommand {
    /// List every flag: switches, which are raw keys of the store, and flags that a set defines.
    ///
    /// VALUE is what everyone gets; where a rule decides it is `by rule`. NOTE says why a flag cannot be evaluated.
    #[command(after_help = "\
Examples:
  sluice flags list
  sluice flags list --json | jq -r '.[] | select(.targeting) | .name'")]
    List(AskArgs),
    /// Show one flag: its variants, which one counts without a rule, and what its rule looks at.
    #[command(after_help = "\
Examples:
  sluice flags get new-checkout
  sluice flags get featureFlags --json | jq .value")]
    Get(list::GetArgs),
    /// Set what a flag is where no rule says otherwise. The rest of its document stays as it is, byte for byte.
    ///
    /// A switch is true or false. For a flag of a set, VALUE names a variant, or is the value of one (JSON). Its rule, if it
    /// has one, still decides for those whom it chooses; --state DISABLED takes the flag out altogether.
    #[command(after_help = "\
Examples:
  sluice flags set featureFlags true
  sluice flags set theme dark --reason 'asked for by design'
  sluice flags set new-checkout --state DISABLED --reason 'errors in checkout'")]
    Set(set::SetArgs),
    /// Turn a switch or a boolean flag on.
    #[command(after_help = "\
Examples:
  sluice flags on featureFlags --reason 'launch'")]
    On(set::SwitchArgs),
    /// Turn a switch or a boolean flag off.
    #[command(after_help = "\
Examples:
  sluice flags off featureFlags --reason 'errors since 14:02'")]
    Off(set::SwitchArgs),
    /// Write a file of flag definitions, flagd's format, into the store as one set. All of it counts at once, or nothing.
    ///
    /// Shows what changes, flag by flag. A file with any fault is refused with file, line, column and the line itself. What
    /// somebody else wrote since it was compared is not overwritten. docs/flags.md has the format and a whole example.
    #[command(after_help = "\
Examples:
  sluice flags import shop.json --dry-run       only shows what would change
  sluice flags import shop.json --reason 'release 42'
  sluice flags import build/flags.json --set shop")]
    Import(import::ImportArgs),
    /// Print the document of a set as the store has it, byte for byte.
    #[command(after_help = "\
Examples:
  sluice flags export shop > shop.json
  sluice flags export shop | jq '.flags | keys'")]
    Export(export::ExportArgs),
    /// Say why a flag is what it is for one caller: every rule that was carried out, the parts before the whole.
    #[command(after_help = "\
Examples:
  sluice flags explain new-checkout --key u42 -c country=NL
  sluice flags explain new-checkout --context '{\"targetingKey\": \"u42\", \"plan\": {\"seats\": 7}}'
  sluice flags explain new-checkout -c email=a@b.c --json | jq -r .variant")]
    Explain(explain::ExplainArgs),
    /// Follow changes as they happen: who, what, from what to what, and why. Ends with the router, or with ctrl-c.
    ///
    /// What a client of the store writes by itself, such as `redis-cli SET featureFlags true`, is shown too.
    #[command(after_help = "\
Examples:
  sluice flags watch
  sluice flags watch featureFlags
  sluice flags watch --json | jq -c '{by, key, new, reason}'")]
    Watch(watch::WatchArgs),
    /// List what was changed, newest first: when, by whom, from what to what, and why.
    #[command(after_help = "\
Examples:
  sluice flags history
  sluice flags history featureFlags --newest 5
  sluice flags history --json | jq -r '.[].by'")]
    History(history::HistoryArgs),
}

/// Carries one out.
pub(crate) fn flags(command: &FlagsCommand) -> anyhow::Result<ExitCode> {
    match command {
        FlagsCommand::List(args) => list::list(args),
        FlagsCommand::Get(args) => list::get(args),
        FlagsCommand::Set(args) => set::set(args),
        FlagsCommand::On(args) => set::switch(args, true),
        FlagsCommand::Off(args) => set::switch(args, false),
        FlagsCommand::Import(args) => import::import(args),
        FlagsCommand::Export(args) => export::export(args),
        FlagsCommand::Explain(args) => explain::explain(args),
        FlagsCommand::Watch(args) => watch::watch(args),
        FlagsCommand::History(args) => history::history(args),
    }
}

/// A name as a part of a path.
fn part(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_one_part_of_a_path() {
        assert_eq!(part("new-ui.v2"), "new-ui.v2");
        assert_eq!(part("a/b ?é"), "a%2Fb%20%3F%C3%A9");
    }
}
