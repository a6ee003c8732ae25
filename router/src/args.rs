//! The command line as typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Sluice, an edge HTTP router whose traffic rules are WebAssembly plugins.
///
/// Routes live in `routes.d/*.toml`, plugins in `plugins.d/*.wasm`; both are picked up as they change, without a restart
/// and without a failed request. What is wrong with a file never changes traffic: the last good revision goes on, and
/// `sluice status` says why.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, propagate_version = true)]
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
    Run(RunArgs),
    /// Check sluice.toml, the policy files and the plugin files without starting anything.
    ///
    /// Everything a router would check before it publishes: syntax, names, grants, and that each plugin starts with its
    /// configuration. Exits 0 if a router would take it all, else 1 with every fault.
    Check(CheckArgs),
    /// Ask a running router how it is. Exits 0 if all is well, 1 while any fault stands.
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The process' settings [default: ./sluice.toml, else built-in defaults].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// A sluice.toml, or the folder that holds it or its routes.d.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Admin address of the router.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9900")]
    pub(crate) admin: String,
    /// Token of the admin port, if it asks for one.
    #[arg(long, env = "SLUICE_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Print the JSON of /v1/status as it is.
    #[arg(long)]
    pub(crate) json: bool,
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
}
