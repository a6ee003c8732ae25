//! Running other programs: cargo, apt, rustup. Failures name the command as one would type it.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::string::FromUtf8Error;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not there, or may not be run.
    #[error("start {command}")]
    Start {
        /// As one would type it.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ran, and what it had to say is printed already.
    #[error("{command} failed ({status})")]
    Failed {
        /// As one would type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It ran, and said why not.
    #[error("{command} failed: {reason}")]
    Refused {
        /// As one would type it.
        command: String,
        /// What it printed.
        reason: String,
    },
    /// What it printed is no text.
    #[error("read the output of {command}")]
    NotText {
        /// As one would type it.
        command: String,
        /// Where it stops being text.
        #[source]
        source: FromUtf8Error,
    },
}

/// The cargo that runs us, so that every step uses the same toolchain; else the one on `PATH`.
#[must_use]
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end with the output on our stderr: stdout stays free for what a script reads.
///
/// # Errors
/// It does not start, or fails.
pub fn run(command: &mut Command) -> Result<(), CommandError> {
    command.stdout(io::stderr());
    run_as_is(command)
}

/// Runs to the end with the output where it belongs, for test runners whose stdout is read by others.
///
/// # Errors
/// It does not start, or fails.
pub fn run_as_is(command: &mut Command) -> Result<(), CommandError> {
    let status = command.stdin(Stdio::null()).status().map_err(|source| start(command, source))?;
    if status.success() { Ok(()) } else { Err(CommandError::Failed { command: describe(command), status }) }
}

/// What a command prints, without the surrounding white space.
///
/// # Errors
/// It does not start, fails, or prints no text.
pub fn output(command: &mut Command) -> Result<String, CommandError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| start(command, source))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(CommandError::Refused { command: describe(command), reason });
    }
    match String::from_utf8(output.stdout) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(CommandError::NotText { command: describe(command), source }),
    }
}

/// Whether a command runs and succeeds; its output is dropped.
#[must_use]
pub fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Looks a program up in `PATH`.
#[must_use]
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// The command as one would type it.
#[must_use]
pub fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let words = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let line: Vec<String> = std::iter::once(name).chain(words).collect();
    format!("`{}`", line.join(" "))
}

fn start(command: &Command, source: io::Error) -> CommandError {
    CommandError::Start { command: describe(command), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_as_typed() {
        let error = run_as_is(Command::new("/bin/false").args(["--a", "b"])).unwrap_err().to_string();
        assert!(error.starts_with("`false --a b` failed"), "{error}");
        let error = output(Command::new("/no/such/program").arg("-v")).unwrap_err().to_string();
        assert_eq!(error, "start `program -v`");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_on_path("sh").is_some());
        assert_eq!(find_on_path("no-such-program-of-sluice"), None);
    }
}
