//! `cargo xtask`: all set-up, tests and checks of Sluice, so that a fresh machine needs nothing but a Rust toolchain.
//!
//! One module per command (`plugins`, `test`, `check`, `demo` with `story`, `bench`); below them what they share: the set-up ladders of
//! programs that are not ours (`ansible`, `redis`, `chromedriver`, `promtool`, `droplets`, `javascript`, `pydo`, `python` over `program`), the repository
//! (`workspace`) and printing (`say`). How a plugin is built, and how other programs are run, is `sluice-plugin-build`.
//! Nothing here is part of the router.

mod age;
mod ansible;
mod bench;
mod check;
mod chromedriver;
mod demo;
mod droplets;
mod javascript;
mod oracles;
mod plugins;
mod program;
mod promtool;
mod pydo;
mod python;
mod redis;
mod say;
mod smtp;
mod story;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, demo, tests and checks of Sluice.
///
/// Every command does its own set-up: the wasm32-unknown-unknown standard library for the plugins, a real redis-server
/// and a browser for what needs one. If something cannot be had, one message names the command that installs it.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Start with `cargo xtask demo`. Before a commit: `cargo xtask check && cargo xtask test`."
)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a router, two stable servers and one canary, and say what to try.
    Demo(demo::Options),
    /// Run every test: units, end to end with real binaries, Redis and browser, documentation.
    Test(test::Options),
    /// Build the plugins into target/plugins/NAME.wasm.
    Plugins(plugins::Options),
    /// Check format, lints, documentation and dependencies; all four run even if one fails.
    Check,
    /// Measure flags and rollouts on real routers: shares, propagation, aborts, evaluation.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    say::start_clock();
    let outcome = match Arguments::parse().command {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Plugins(options) => plugins::run(&options),
        Task::Check => check::run(),
        Task::Bench(options) => bench::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
