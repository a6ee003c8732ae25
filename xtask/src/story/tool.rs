//! Running the tools of the story, `sluice-infra` and `git`, so that what they print appears below the step.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::say;

/// `sluice-infra` for one fleet.
pub(super) struct Tool {
    program: PathBuf,
    file: PathBuf,
    /// Secrets, which reach it by the environment alone.
    secrets: Vec<(&'static str, String)>,
    /// Folder of the built programs that it brings to droplets.
    path: PathBuf,
}

impl Tool {
    /// For the fleet of this `infra.toml`.
    pub(super) fn new(program: PathBuf, file: PathBuf, secrets: Vec<(&'static str, String)>) -> Self {
        let path = program.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        Self { program, file, secrets, path }
    }

    /// A call of it, for who runs it by himself.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--file").arg(&self.file).args(arguments);
        self.surround(&mut command);
        command
    }

    /// What hooks need to call it, too.
    pub(super) fn surround(&self, command: &mut Command) {
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(self.path.clone()).chain(std::env::split_paths(&system)));
        command.env("PATH", path.unwrap_or(system));
        command.envs(self.secrets.iter().map(|(name, value)| (name, value)));
    }

    /// Runs it to its end and shows what it says.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<()> {
        shown(self.command(arguments), &format!("sluice-infra {}", arguments.join(" ")))
    }

    /// Runs it to its end and reads the document that it prints.
    pub(super) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = self.command(arguments);
        let what = format!("sluice-infra {}", arguments.join(" "));
        let output = command.arg("--json").stdin(Stdio::null()).output().with_context(|| format!("run {what}"))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{what} ended with {}:\n{}", output.status, complaint.trim_end());
        serde_json::from_slice(&output.stdout).with_context(|| format!("read what {what} printed"))
    }
}

/// `git` in this folder, to its end, silently.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = git_command(folder, arguments).output().context("run git")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), complaint.trim_end());
    Ok(())
}

/// A call of `git` by somebody whom this machine need not know.
pub(super) fn git_command(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end; what it prints appears line by line, below the step.
pub(super) fn shown(mut command: Command, what: &str) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {what}"))?;
    let stdout = child.stdout.take().context("its output is piped")?;
    let stderr = child.stderr.take().context("its errors are piped")?;
    thread::scope(|scope| {
        scope.spawn(|| show(stdout));
        show(stderr);
    });
    let status = child.wait().with_context(|| format!("wait for {what}"))?;
    ensure!(status.success(), "{what} ended with {status}; what it said stands above");
    Ok(())
}

fn show(stream: impl Read) {
    BufReader::new(stream).lines().map_while(Result::ok).for_each(say::note);
}
