//! A real mail server for the tests: aiosmtpd, in a virtual environment of its own below `target`, unless some Python is
//! named that has it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use sluice_plugin_build::process;

use crate::program::Program;
use crate::workspace::Workspace;

/// Found or installed on demand.
const PYTHON: Program = Program {
    name: "python3",
    variable: "SLUICE_PYTHON",
    packages: &["python3", "python3-venv"],
    // The oldest that our script is written for.
    major_min: 3,
    major,
};

/// Tells the tests which Python has aiosmtpd.
pub(crate) const VARIABLE: &str = "SLUICE_SMTP_PYTHON";
/// Names of the tests that need it begin so.
pub(crate) const TESTS: &str = "alerts_mail::";
/// What a user may type to see what is wrong.
pub(crate) const INSTALL: &str = "python3 -m venv target/smtp && target/smtp/bin/pip install aiosmtpd==1.4.6";
/// The version that the tests are written for.
const PACKAGE: &str = "aiosmtpd==1.4.6";

/// A Python that has aiosmtpd.
///
/// # Errors
/// There is no Python, or the package cannot be fetched.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        let python = PathBuf::from(named);
        ensure!(has_package(&python), "the Python that {VARIABLE} names has no aiosmtpd");
        return Ok(python);
    }
    let folder = workspace.smtp_folder();
    let python = folder.join("bin/python");
    if has_package(&python) {
        return Ok(python);
    }
    process::run(Command::new(PYTHON.find()?).args(["-m", "venv", "--clear"]).arg(&folder))?;
    process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]))?;
    ensure!(has_package(&python), "aiosmtpd was installed but cannot be imported");
    Ok(python)
}

fn has_package(python: &PathBuf) -> bool {
    process::succeeds(Command::new(python).args(["-c", "import aiosmtpd.smtp"]))
}

/// Reads `Python 3.11.2`.
fn major(line: &str) -> Option<u32> {
    line.strip_prefix("Python ")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_python_prints() {
        assert_eq!(major("Python 3.11.2"), Some(3));
        assert_eq!(major("pypy"), None);
    }
}
