//! Running other programs: cargo, apt, rustup. Failures name the command as one would type it.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The cargo that runs xtask, so that every step uses the same toolchain.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end with the output on our stderr: stdout stays free for [`crate::say::result`].
pub(crate) fn run(command: &mut Command) -> Result<()> {
    command.stdout(io::stderr());
    run_as_is(command)
}

/// Runs to the end with the output where it belongs, for test runners whose stdout is read by others.
pub(crate) fn run_as_is(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("start {}", describe(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", describe(command));
    }
    Ok(())
}

/// What a command prints, without the surrounding white space.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {}", describe(command)))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", describe(command), reason.trim());
    }
    let text = String::from_utf8(output.stdout).with_context(|| format!("read the output of {}", describe(command)))?;
    Ok(text.trim().to_owned())
}

/// Whether a command runs and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Looks a program up in `PATH`.
pub(crate) fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// Under CI a missing tool is a failure, elsewhere it is listed as skipped.
pub(crate) fn under_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// The command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let words = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let line: Vec<String> = std::iter::once(name).chain(words).collect();
    format!("`{}`", line.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_as_typed() {
        let error = run_as_is(Command::new("/bin/false").args(["--a", "b"])).unwrap_err().to_string();
        assert!(error.starts_with("`false --a b` failed"), "{error}");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_on_path("sh").is_some());
        assert_eq!(find_on_path("no-such-program-of-sluice"), None);
    }
}
