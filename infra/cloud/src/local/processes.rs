//! Which processes are of a droplet: by what they carry in their environment, and by whose children they are.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rustix::process::{Pid, getpid};

/// Everything that runs in the droplet with this root, but ourselves.
pub(super) fn of_droplet(root: &Path) -> HashSet<Pid> {
    let parents = parents();
    let variable = [b"SLUICE_ROOT=", root.as_os_str().as_encoded_bytes()].concat();
    // sshd writes its title over its environment; the listener's has its configuration in it.
    let config = root.join("etc/ssh/sshd_config").into_os_string().into_encoded_bytes();
    let carries = |process: &Pid| {
        // What ended, and what belongs to others, cannot be read, and is none of ours.
        let read = |file| std::fs::read(format!("/proc/{}/{file}", process.as_raw_nonzero())).unwrap_or_default();
        read("environ").split(|byte| *byte == 0).any(|pair| pair == variable) || {
            let title = read("cmdline");
            title.starts_with(b"sshd:") && title.windows(config.len()).any(|part| part == config)
        }
    };
    let mut found: HashSet<Pid> = parents.keys().copied().filter(carries).collect();
    // What runs in a session of ssh is a child of what was found, or of its child.
    loop {
        let is_child = |(child, parent): (&Pid, &Pid)| found.contains(parent).then_some(*child);
        let children: Vec<Pid> = parents.iter().filter_map(is_child).filter(|child| !found.contains(child)).collect();
        if children.is_empty() {
            break;
        }
        found.extend(children);
    }
    found.remove(&getpid());
    found
}

/// Our own children.
pub(super) fn children() -> Vec<Pid> {
    parents().into_iter().filter(|(_, parent)| *parent == getpid()).map(|(child, _)| child).collect()
}

/// Every process, with its parent.
fn parents() -> HashMap<Pid, Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    processes.filter_map(|process| Some((process, parent_of(process)?))).collect()
}

/// `None` for one that ended, be it reaped or not.
fn parent_of(process: Pid) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("State:")?.starts_with('Z') {
        return None;
    }
    Pid::from_raw(field("PPid:")?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_by_its_environment_and_its_children_by_it() {
        let root = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        // The child has nothing in its environment, and waits as long as we keep its standard input open.
        shell.args(["-c", "env -i cat; true"]).env("SLUICE_ROOT", root.path()).stdin(std::process::Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let started = std::time::Instant::now();
        while of_droplet(root.path()).len() < 2 {
            assert!(started.elapsed().as_secs() < 30, "{:?}", of_droplet(root.path()));
            std::thread::yield_now();
        }
        assert!(children().contains(&Pid::from_child(&shell)));
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(of_droplet(root.path()).is_empty());
    }
}
