//! A real mail server for the tests: aiosmtpd, in a virtual environment of its own below `target`, unless some Python is
//! named that has it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use sluice_plugin_build::process;

use crate::python;
use crate::workspace::Workspace;

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
    python::environment(&folder, &[PACKAGE])?;
    ensure!(has_package(&python), "aiosmtpd was installed but cannot be imported");
    Ok(python)
}

fn has_package(python: &PathBuf) -> bool {
    process::succeeds(Command::new(python).args(["-c", "import aiosmtpd.smtp"]))
}
