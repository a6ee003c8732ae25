//! `cargo xtask test`: set-up, then every test of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use sluice_plugin_build::{apt, process, toolchain};

use crate::chromedriver::CHROMEDRIVER;
use crate::program::{Program, under_ci};
use crate::promtool::PROMTOOL;
use crate::redis::REDIS;
use crate::workspace::Workspace;
use crate::{age, ansible, droplets, javascript, oracles, plugins, pydo, say, smtp};

/// Tells the tests where the built plugins are.
const PLUGINS_VARIABLE: &str = "SLUICE_PLUGINS_DIR";
/// What the names of the long tests begin with. nextest leaves them out by its default profile.
const LONG_TESTS: &str = "long::";
/// Programs that some tests need, and what the names of those tests begin with. Without one they are skipped, and said to
/// be; under CI that is a failure.
const OPTIONAL: [(&Program, &str); 5] = [
    (&CHROMEDRIVER, "browser::"),
    (&PROMTOOL, "observe::promtool"),
    (&javascript::NPM, "infra_deploy::"),
    (&ansible::ANSIBLE, ansible::TESTS),
    (&age::AGE, age::TESTS),
];

/// Tests of the example plugin in JavaScript.
const JAVASCRIPT_TESTS: &str = "plugin_javascript::";

/// Which tests to run.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test\n  cargo xtask test canary       only tests with `canary` in the name\n  cargo xtask test --long"
)]
pub(crate) struct Options {
    /// Run the long tests too, some minutes: 10,000 idle clients, bodies of a GiB, reloads under full load.
    #[arg(long)]
    long: bool,
    /// Run only tests whose name contains this text; documentation tests are left out then.
    filter: Option<String>,
    #[command(flatten)]
    plugins: plugins::Options,
}

/// Sets up, builds once, runs the tests. Test output goes to stdout, progress to stderr.
pub(crate) fn run(options: &Options) -> Result<()> {
    toolchain::check()?;
    let workspace = Workspace::load()?;
    let plugins = plugins::build(&workspace, &workspace.plugins(), &options.plugins)?;
    say::step("looking for redis-server");
    let redis = REDIS.find()?;
    say::note(redis.display());
    let found = look_for_what_some_tests_need(&workspace)?;
    say::step("building programs and tests");
    process::run(cargo(&workspace).args(["build", "--workspace", "--bins", "--tests"]))?;

    let settings = Settings { plugins: &plugins, redis: &redis, optional: &found };
    let mut failures = Vec::new();
    if options.filter.is_none() {
        say::step("running the documentation tests");
        let doc = &mut cargo(&workspace);
        doc.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
        failures.extend(process::run_as_is(settings.apply(doc)).err());
    }
    // Last, so that its summary closes the output.
    say::step("running the tests");
    let mut runner = runner(&workspace, options);
    let missing: Vec<&Optional> = found.iter().filter(|optional| optional.path.is_none()).collect();
    let left_out =
        (!options.long).then_some(LONG_TESTS).into_iter().chain(missing.iter().map(|optional| optional.tests));
    runner.arg("--").args(left_out.flat_map(|tests| ["--skip", tests]));
    failures.extend(process::run_as_is(settings.apply(&mut runner)).err());
    for Optional { name, tests, install, .. } in missing {
        say::note(format_args!("tests with `{tests}` in their names: SKIPPED, there is no {name} ({install})"));
    }
    if failures.is_empty() {
        say::step("all tests passed");
        return Ok(());
    }
    let lines: Vec<String> =
        failures.into_iter().map(|failure| format!("{:#}", anyhow::Error::from(failure))).collect();
    bail!("{}", lines.join("; "))
}

/// Finds, installs or builds it, or says why not.
fn look_for_what_some_tests_need(workspace: &Workspace) -> Result<Vec<Optional>> {
    let mut found = Vec::new();
    for (program, tests) in OPTIONAL {
        let Program { name, variable, packages, .. } = program;
        say::step(format_args!("looking for {name}"));
        let install = format!("Debian, as root: `{}`", apt::install_line(packages));
        found.push(Optional { name, variable, tests, install, path: optional(program.find())? });
    }
    say::step("building the plugin in JavaScript");
    found.push(Optional {
        name: "plugin in JavaScript",
        variable: javascript::PLUGIN_VARIABLE,
        tests: JAVASCRIPT_TESTS,
        install: format!("`{}`", javascript::INSTALL),
        path: optional(javascript::build(workspace))?,
    });
    say::step("looking for the mail server of the tests");
    found.push(Optional {
        name: "aiosmtpd",
        variable: smtp::VARIABLE,
        tests: smtp::TESTS,
        install: format!("`{}`", smtp::INSTALL),
        path: optional(smtp::python(workspace))?,
    });
    say::step("looking for DigitalOcean's Python client");
    found.push(Optional {
        name: "pydo",
        variable: pydo::VARIABLE,
        tests: pydo::TESTS,
        install: format!("`{}`", pydo::INSTALL),
        path: optional(pydo::python(workspace))?,
    });
    say::step("looking for what droplets of the local cloud need");
    found.push(Optional {
        name: "sshd",
        variable: droplets::SSHD_VARIABLE,
        tests: droplets::SSHD_TESTS,
        install: droplets::sshd_install(),
        path: optional(droplets::sshd())?,
    });
    found.push(Optional {
        name: "right to make namespaces",
        variable: droplets::NAMESPACES_VARIABLE,
        tests: droplets::NAMESPACES_TESTS,
        install: droplets::namespaces_install(),
        path: optional(droplets::namespaces())?,
    });
    for oracles in oracles::ALL {
        say::step(format_args!("setting up the {}", oracles.name));
        found.push(Optional {
            name: oracles.name,
            variable: oracles.variable,
            tests: oracles.tests,
            install: format!("`{}`", oracles.install),
            path: optional(oracles.set_up(workspace))?,
        });
    }
    Ok(found)
}

/// What some tests need.
struct Optional {
    name: &'static str,
    /// Tells the tests where it is.
    variable: &'static str,
    tests: &'static str,
    /// What a user may do to have it.
    install: String,
    path: Option<PathBuf>,
}

/// Where it is; `None` if it cannot be had, which is an error only under CI.
fn optional(found: Result<PathBuf>) -> Result<Option<PathBuf>> {
    match found {
        Ok(path) => {
            say::note(path.display());
            Ok(Some(path))
        }
        Err(reason) if under_ci() => Err(reason),
        Err(reason) => {
            say::note(format_args!("{reason:#}"));
            Ok(None)
        }
    }
}

/// What the tests are told by their environment.
struct Settings<'a> {
    plugins: &'a Path,
    redis: &'a Path,
    optional: &'a [Optional],
}

impl Settings<'_> {
    fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env(PLUGINS_VARIABLE, self.plugins).env(REDIS.variable, self.redis);
        for optional in self.optional {
            command.envs(optional.path.iter().map(|path| (optional.variable, path)));
        }
        command
    }
}

/// nextest where it is installed (one process per test, retries none), else cargo's own runner.
fn runner(workspace: &Workspace, options: &Options) -> Command {
    let mut command = cargo(workspace);
    if process::succeeds(process::cargo().args(["nextest", "--version"])) {
        command.args(["nextest", "run", "--workspace"]);
        if options.long {
            command.args(["--profile", "long"]);
        }
    } else {
        say::note("cargo-nextest is not installed: using cargo test");
        command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]);
    }
    command.args(&options.filter);
    command
}

fn cargo(workspace: &Workspace) -> Command {
    let mut command = process::cargo();
    command.current_dir(workspace.root());
    command
}
