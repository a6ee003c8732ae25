//! Installing Debian packages, the last rung of every set-up ladder. Only as root, and no service is ever started.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, say};

/// Why packages are not simply installed, or `Ok` if they are now.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let command = install_line(packages);
    if process::find_on_path("apt-get").is_none() {
        bail!("this machine has no apt-get");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("not root, so `{command}` was not run");
    }
    say::note(format_args!("installing {}", packages.join(", ")));
    process::run(apt().args(["update", "-qq"])).context("refresh the package lists")?;
    process::run(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
}

/// What a user may type instead.
pub(crate) fn install_line(packages: &[&str]) -> String {
    format!("apt-get install -y {}", packages.join(" "))
}

/// A package may come with a service that its installation starts: we want the program only. Both switches are needed,
/// `SYSTEMD_OFFLINE` where systemd runs and `RUNLEVEL` (read by invoke-rc.d) where it does not.
fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").env("SYSTEMD_OFFLINE", "1").env("RUNLEVEL", "1");
    command
}
