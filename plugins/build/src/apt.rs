//! Installing Debian packages, the last rung of every set-up ladder. Only as root, and no service is ever started.

use std::process::Command;

use crate::Progress;
use crate::process::{self, CommandError};

/// Why packages are not installed.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// Not a Debian.
    #[error("this machine has no apt-get")]
    Missing,
    /// Nothing was tried.
    #[error("not root, so `{command}` was not run")]
    NotRoot {
        /// What root may type instead.
        command: String,
    },
    /// No way to the package servers, mostly.
    #[error("refresh the package lists")]
    Refresh(#[source] CommandError),
    /// There are no such packages, or they do not fit.
    #[error(transparent)]
    Install(CommandError),
}

/// Installs packages.
///
/// # Errors
/// Why it did not, or may not.
pub fn install(packages: &[&str], progress: &dyn Progress) -> Result<(), AptError> {
    if process::find_on_path("apt-get").is_none() {
        return Err(AptError::Missing);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(AptError::NotRoot { command: install_line(packages) });
    }
    progress.note(&format_args!("installing {}", packages.join(", ")));
    process::run(apt().args(["update", "-qq"])).map_err(AptError::Refresh)?;
    let mut install = apt();
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    process::run(&mut install).map_err(AptError::Install)
}

/// What a user may type instead.
#[must_use]
pub fn install_line(packages: &[&str]) -> String {
    format!("apt-get install -y {}", packages.join(" "))
}

/// A package may come with a service that its installation starts: we want the program only. Both switches are needed,
/// `SYSTEMD_OFFLINE` where systemd runs and `RUNLEVEL` (read by invoke-rc.d) where it does not.
fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").env("SYSTEMD_OFFLINE", "1").env("RUNLEVEL", "1");
    command
}
