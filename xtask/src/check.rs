//! `cargo xtask check`: what needs no test run. Every step runs even if one fails; the summary comes last.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use sluice_plugin_build::{process, toolchain};

use crate::program::under_ci;
use crate::say;
use crate::workspace::Workspace;

/// The version whose settings `deny.toml` uses.
const DENY_VERSION: &str = "0.20.2";

/// A cargo subcommand that does not come with every toolchain.
struct Tool {
    /// Succeeds if it is there.
    probe: &'static [&'static str],
    /// Gets it.
    install: (&'static str, &'static [&'static str]),
}

const FORMATTER: Tool = Tool { probe: &["fmt", "--version"], install: ("rustup", &["component", "add", "rustfmt"]) };
const LINTER: Tool = Tool { probe: &["clippy", "--version"], install: ("rustup", &["component", "add", "clippy"]) };
const DENY: Tool = Tool {
    probe: &["deny", "--version"],
    install: ("cargo", &["install", "cargo-deny", "--locked", "--version", DENY_VERSION]),
};

/// One thing that must hold.
struct Step {
    name: &'static str,
    tool: Option<Tool>,
    arguments: &'static [&'static str],
    environment: Option<(&'static str, &'static str)>,
}

const STEPS: [Step; 4] = [
    Step { name: "format", tool: Some(FORMATTER), arguments: &["fmt", "--all", "--check"], environment: None },
    Step {
        name: "lints",
        tool: Some(LINTER),
        arguments: &["clippy", "--workspace", "--all-targets", "--keep-going", "--", "-D", "warnings"],
        environment: None,
    },
    Step {
        name: "documentation",
        tool: None,
        arguments: &["doc", "--workspace", "--no-deps", "--keep-going"],
        environment: Some(("RUSTDOCFLAGS", "-D warnings")),
    },
    // Advisories need a fetch, so they are not asked here: a check must mean the same tomorrow.
    Step {
        name: "dependencies",
        tool: Some(DENY),
        arguments: &["deny", "--log-level", "error", "check", "bans", "licenses", "sources"],
        environment: None,
    },
];

enum Outcome {
    Passed,
    Failed(String),
    /// The tool is missing; only outside of CI.
    Skipped(String),
}

/// Runs all steps.
pub(crate) fn run() -> Result<()> {
    toolchain::check()?;
    let workspace = Workspace::load()?;
    let outcomes = STEPS.map(|step| (step.name, run_step(&step, workspace.root())));
    say::step("summary");
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed => say::note(format_args!("{name}: ok")),
            Outcome::Skipped(reason) => say::note(format_args!("{name}: SKIPPED, {reason}")),
            Outcome::Failed(reason) => {
                say::note(format_args!("{name}: FAILED, {reason}"));
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("checks failed: {}", failed.join(", ")) }
}

fn run_step(step: &Step, root: &Path) -> Outcome {
    say::step(format_args!("checking {}", step.name));
    if let Some(reason) = step.tool.as_ref().and_then(|tool| ensure(tool).err()) {
        let reason = format!("{reason:#}");
        return if under_ci() { Outcome::Failed(reason) } else { Outcome::Skipped(reason) };
    }
    let mut cargo = process::cargo();
    cargo.current_dir(root).args(step.arguments).envs(step.environment);
    match process::run(&mut cargo) {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(format!("{:#}", anyhow::Error::from(reason))),
    }
}

/// Finds a tool or installs it.
fn ensure(tool: &Tool) -> Result<()> {
    let there = || process::succeeds(process::cargo().args(tool.probe));
    if there() {
        return Ok(());
    }
    let (program, arguments) = tool.install;
    let mut install = if program == "cargo" { process::cargo() } else { Command::new(program) };
    install.args(arguments);
    say::note(format_args!("`cargo {}` is not installed: {}", tool.probe[0], process::describe(&install)));
    let installed = process::run(&mut install);
    if there() {
        return Ok(());
    }
    match installed {
        Ok(()) => bail!("`cargo {}` is missing although it was installed", tool.probe[0]),
        Err(reason) => Err(reason).with_context(|| format!("`cargo {}` is missing", tool.probe[0])),
    }
}
