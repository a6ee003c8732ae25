//! `cargo xtask bench`: the figures of flags and rollouts, measured on real routers, one Redis and the built plugins.
//!
//! Nothing here gates anything: figures are for reading, beside the machine and the command that made them.

mod abort;
mod http;
mod origin;
mod propagation;
mod raw;
mod site;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use sluice_plugin_build::{process, toolchain};

use self::site::Site;
use crate::demo::interrupts::Interrupts;
use crate::workspace::Workspace;
use crate::{plugins, say};

/// How a benchmark of a crate says a figure.
const FIGURE: &str = "figure: ";
/// How criterion says one: `name  time:   [1.0 ns 1.1 ns 1.2 ns]`, with the estimate in the middle.
const CRITERION_TIME: &str = "time:";

/// What to measure, and with which build.
#[derive(Args)]
#[command(
    after_help = "A minute or two once everything is built. Results go to stdout as a Markdown table; docs/bench/delivery.md says how to read them.\n\n\
                  Examples:\n  \
                  cargo xtask bench\n  \
                  cargo xtask bench --profile dev --only propagation     with the programs that tests use"
)]
pub(crate) struct Options {
    /// The build of the routers: `dist` is what releases are, `dev` is what tests and demo run.
    #[arg(long, value_enum, default_value_t = Profile::Dist)]
    profile: Profile,
    /// Only these; everything without it.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    #[command(flatten)]
    plugins: plugins::Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    Dist,
    Dev,
}

impl Profile {
    const fn folder(self) -> &'static str {
        match self {
            Self::Dist => "dist",
            Self::Dev => "debug",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dist => "dist",
            Self::Dev => "dev",
        }
    }
}

/// A part of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Share and monotonicity of the compiled canary plugin over 200,000 users.
    Shares,
    /// From a raw `SET featureFlags` to the answers of three routers.
    Propagation,
    /// Requests that reach the canary after an upload has ended it.
    Abort,
    /// What an evaluation of a flag costs.
    Flags,
}

/// One line of the table.
pub(crate) struct Figure {
    name: String,
    value: String,
}

impl Figure {
    fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    toolchain::check()?;
    let workspace = Workspace::load()?;
    let parts = if options.only.is_empty() { Part::value_variants() } else { &options.only };
    let built = plugins::build(&workspace, &site::PLUGINS.map(str::to_owned), &options.plugins)?;
    let router = workspace.target_folder().join(options.profile.folder()).join("sluice");
    if parts.contains(&Part::Propagation) || parts.contains(&Part::Abort) {
        say::step(format_args!("building the router ({})", options.profile.name()));
        let build = ["build", "--package", "sluice", "--bins", "--profile", options.profile.name()];
        process::run(process::cargo().current_dir(workspace.root()).args(build))?;
    }
    let own = |part: &str| format!("cargo xtask bench --profile {} --only {part}", options.profile.name());
    let interrupts = Interrupts::listen()?;
    let mut table = vec!["| figure | value | command |\n|---|---|---|".to_owned()];
    for &part in parts {
        interrupts.pause()?;
        let (command, figures) = match part {
            Part::Shares => crate_figures(&workspace, ["sluice-wasm", "shares"])?,
            Part::Flags => crate_figures(&workspace, ["sluice-flagd", "evaluate"])?,
            Part::Propagation => (own("propagation"), on_site(&built, &router, &interrupts, propagation::measure)?),
            Part::Abort => (own("abort"), on_site(&built, &router, &interrupts, abort::measure)?),
        };
        table.extend(figures.iter().map(|Figure { name, value }| format!("| {name} | {value} | `{command}` |")));
    }
    say::result(table.join("\n"));
    Ok(())
}

/// Three routers on a Redis of their own, for one measurement.
fn on_site(
    plugins: &Path,
    router: &Path,
    interrupts: &Interrupts,
    measure: fn(&mut Site, &Interrupts) -> Result<Vec<Figure>>,
) -> Result<Vec<Figure>> {
    let mut site = Site::start(plugins, router, interrupts)?;
    say::step("measuring");
    let figures = measure(&mut site, interrupts);
    let stopped = site.stop(interrupts);
    let figures = figures?;
    stopped.map(|()| figures)
}

/// The figures that a benchmark of a crate prints.
fn crate_figures(workspace: &Workspace, [package, bench]: [&str; 2]) -> Result<(String, Vec<Figure>)> {
    let arguments = ["bench", "--package", package, "--bench", bench];
    say::step(format_args!("cargo {}", arguments.join(" ")));
    let mut command: Command = process::cargo();
    let output = command.current_dir(workspace.root()).args(arguments).output().context("run cargo bench")?;
    ensure!(output.status.success(), "cargo bench failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let figures = read_figures(&String::from_utf8_lossy(&output.stdout));
    ensure!(!figures.is_empty(), "{package} said no figure");
    Ok((format!("cargo bench -p {package} --bench {bench}"), figures))
}

/// Lines with [`FIGURE`], and the estimates of criterion, whose names stand on the line or on the one before.
fn read_figures(text: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut before = "";
    for line in text.lines() {
        if let Some((name, value)) = line.strip_prefix(FIGURE).and_then(|figure| figure.rsplit_once(": ")) {
            figures.push(Figure::new(name, value));
        } else if let Some((name, times)) = line.split_once(CRITERION_TIME) {
            let name = if name.trim().is_empty() { before } else { name.trim() };
            let words: Vec<&str> = times.trim().trim_matches(['[', ']']).split_whitespace().collect();
            if let [_, _, estimate, unit, ..] = words.as_slice() {
                figures.push(Figure::new(name, format!("{estimate} {unit}")));
            }
        }
        before = line.trim();
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_both_kinds_of_benchmarks() {
        let text = "noise\nfigure: users: at 5 %: 12\nevaluate/static   time:   [1.0 ns 1.1 ns 1.2 ns]\n\
                    evaluate/a-very-long-name-of-a-flag\n                  time:   [1.0 us 2.5 us 3.0 us]\n";
        let figures: Vec<(String, String)> =
            read_figures(text).into_iter().map(|figure| (figure.name, figure.value)).collect();
        let expected =
            [("users: at 5 %", "12"), ("evaluate/static", "1.1 ns"), ("evaluate/a-very-long-name-of-a-flag", "2.5 us")];
        assert_eq!(figures, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
