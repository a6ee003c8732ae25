//! What droplets of the local cloud need of this machine: OpenSSH's server, and, for namespaces and firewalls, root with
//! `ip` and `nft`. Programs of root are often not on `PATH`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sluice_plugin_build::{apt, process};

use crate::say::Say;

/// Tells the tests where sshd is.
pub(crate) const SSHD_VARIABLE: &str = "SLUICE_SSHD";
/// Names of the tests that bring up droplets begin so.
pub(crate) const SSHD_TESTS: &str = "infra_";
/// The packages of sshd, ssh and ssh-keygen.
const SSHD_PACKAGES: [&str; 2] = ["openssh-server", "openssh-client"];
/// Tells the tests where `ip` is.
pub(crate) const NAMESPACES_VARIABLE: &str = "SLUICE_IP";
/// Names of the tests that need namespaces and firewalls end so.
pub(crate) const NAMESPACES_TESTS: &str = "_in_namespaces";
/// The packages of `ip` and `nft`.
const NAMESPACES_PACKAGES: [&str; 2] = ["iproute2", "nftables"];
/// Where programs of root are.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// There where systemd runs: an installed sshd would be started with the next boot, which nobody asked for.
const SYSTEMD: &str = "/run/systemd/system";

/// What a user may type to have sshd.
pub(crate) fn sshd_install() -> String {
    format!("Debian, as root: `{}`", apt::install_line(&SSHD_PACKAGES))
}

/// What a user may do to have namespaces.
pub(crate) fn namespaces_install() -> String {
    format!("as root, with the right to make namespaces; Debian: `{}`", apt::install_line(&NAMESPACES_PACKAGES))
}

/// OpenSSH's server: named by the environment, found, or installed on demand.
///
/// # Errors
/// It is not there, and cannot or should not be installed.
pub(crate) fn sshd() -> Result<PathBuf> {
    if let Some(named) = env::var_os(SSHD_VARIABLE) {
        let sshd = PathBuf::from(named);
        ensure!(sshd.is_file(), "{SSHD_VARIABLE} names no file");
        return Ok(sshd);
    }
    if let Some(sshd) = find("sshd") {
        return Ok(sshd);
    }
    ensure!(!Path::new(SYSTEMD).exists(), "sshd is not installed, and would be started with the next boot if it were");
    apt::install(&SSHD_PACKAGES, &Say)?;
    find("sshd").context("sshd was installed but is not found")
}

/// `ip`, on a machine where it can make a namespace that `nft` can make rules in.
///
/// # Errors
/// Something of this is not so.
pub(crate) fn namespaces() -> Result<PathBuf> {
    ensure!(rustix::process::geteuid().is_root(), "namespaces need root");
    if find("ip").is_none() || find("nft").is_none() {
        apt::install(&NAMESPACES_PACKAGES, &Say)?;
    }
    let ip = env::var_os(NAMESPACES_VARIABLE).map(PathBuf::from).or_else(|| find("ip")).context("find ip")?;
    let nft = find("nft").context("find nft")?;
    let name = format!("sluice-xtask-{}", std::process::id());
    process::output(Command::new(&ip).args(["netns", "add", &name]))?;
    let rules = process::output(Command::new(&ip).args(["netns", "exec", &name]).arg(nft).args(["list", "ruleset"]));
    process::output(Command::new(&ip).args(["netns", "delete", &name]))?;
    rules?;
    Ok(ip)
}

fn find(name: &str) -> Option<PathBuf> {
    let system = || SYSTEM_FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|file| file.is_file());
    process::find_on_path(name).or_else(system)
}
