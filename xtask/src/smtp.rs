//! A real mail server for the tests: aiosmtpd, in a virtual environment of its own below `target`, unless some Python is
//! named that has it.

use std::path::PathBuf;

use anyhow::Result;

use crate::python::Package;
use crate::workspace::Workspace;

/// Tells the tests which Python has aiosmtpd.
pub(crate) const VARIABLE: &str = "SLUICE_SMTP_PYTHON";
/// Names of the tests that need it begin so.
pub(crate) const TESTS: &str = "alerts_mail::";
/// What a user may type to see what is wrong.
pub(crate) const INSTALL: &str = "python3 -m venv target/smtp && target/smtp/bin/pip install aiosmtpd==1.4.6";
/// The version that the tests are written for.
const PACKAGE: Package = Package { variable: VARIABLE, pinned: "aiosmtpd==1.4.6", module: "aiosmtpd.smtp" };

/// A Python that has aiosmtpd.
///
/// # Errors
/// There is no Python, or the package cannot be fetched.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    PACKAGE.python(&workspace.smtp_folder())
}
