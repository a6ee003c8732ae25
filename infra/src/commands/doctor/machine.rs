//! Programs of this machine.

use std::path::PathBuf;

use super::report::Report;

/// Where programs of root are; `PATH` of other users leaves them out.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// What every command needs: releases travel by git over ssh.
pub(super) fn everywhere(report: &mut Report) {
    for (program, package) in [("git", "git"), ("ssh", "openssh-client"), ("ssh-keygen", "openssh-client")] {
        needed(report, program, package);
    }
}

/// What droplets on this machine need.
pub(super) fn local_cloud(report: &mut Report) {
    needed(report, "sshd", "openssh-server");
    needed(report, "redis-server", "redis-server");
    let namespaces = [("ip", "iproute2"), ("nft", "nftables")];
    let missing: Vec<&str> =
        namespaces.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if !rustix::process::geteuid().is_root() {
        let hint = "as root, each droplet gets a network namespace and firewalls hold";
        report.warn("firewalls", "droplets are processes on 127.0.0.x: firewalls are not enforced", hint);
    } else if !missing.is_empty() {
        let text = format!("{} missing: firewalls are not enforced", missing.join(" and "));
        report.warn("firewalls", text, format!("apt install {}", missing.join(" ")));
    } else {
        report.ok("firewalls", "droplets get network namespaces: firewalls are enforced");
    }
}

/// What opens the file of secrets.
pub(super) fn age(report: &mut Report) {
    needed(report, "age", "age");
}

fn needed(report: &mut Report, program: &str, package: &str) {
    match find(program) {
        Some(file) => report.ok("program", file.display().to_string()),
        None => report.fail("program", format!("{program} is missing"), format!("apt install {package}")),
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
