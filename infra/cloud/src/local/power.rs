//! Switching a droplet on and off, and seeing which it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::book::Record;
use super::guard;
use super::machine::READY_FILE;
use super::network::Network;
use super::processes;
use super::program::{file_fault, find};
use crate::error::CloudError;
use crate::types::DropletStatus;

/// How long the first process may take to come up on a machine that is busy.
const ON_MAX: Duration = Duration::from_secs(60);
/// How long what was killed may take to be gone: only a process stuck in the kernel takes longer.
const OFF_MAX: Duration = Duration::from_secs(30);
/// Between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Variables that a droplet inherits; everything else of the operator's stays with the operator.
const INHERITED: [&str; 6] = ["PATH", "LANG", "TMPDIR", "RUST_LOG", "RUST_BACKTRACE", "SLUICE_SSHD"];
/// Most bytes of what a droplet that does not come up complains of.
const COMPLAINT_BYTES_MAX: u64 = 2048;
/// Where it goes.
const CONSOLE_FILE: &str = "console.log";

/// How the droplet in this folder fares.
pub(super) fn status(folder: &Path) -> DropletStatus {
    match (guard::holder(folder), folder.join(READY_FILE).exists()) {
        (None, _) => DropletStatus::Off,
        (Some(_), false) => DropletStatus::New,
        (Some(_), true) => DropletStatus::Active,
    }
}

/// Switches it on, detached from us; returns once it counts as on, which is long before it is ready.
pub(super) async fn on(folder: &Path, droplet: &Record, program: &Path, network: &Network) -> Result<(), CloudError> {
    let fault = |what: &str, error: &io::Error| file_fault(what, folder, error);
    match std::fs::remove_file(folder.join(READY_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault("prepare", &error)),
        _ => {}
    }
    let console = folder.join(CONSOLE_FILE);
    let console_file = File::create(&console).map_err(|error| file_fault("write", &console, &error))?;
    let setsid = find("setsid", "SLUICE_SETSID").ok_or_else(|| CloudError::Machine {
        message: "the program `setsid` is missing (Debian: package util-linux)".into(),
    })?;
    // With `--fork` it leaves at once, and the droplet is nobody's child but process 1's.
    let mut command = Command::new(setsid);
    command.arg("--fork").args(network.out()).arg(program).args(["local-droplet", "run"]).arg(folder);
    command.args(network.within(droplet));
    let kept: BTreeMap<&str, _> = INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))).collect();
    command.env_clear().envs(kept).env("SLUICE_ROOT", folder.join("root")).current_dir(folder);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(console_file)
        .spawn()
        .map_err(|error| fault("switch on", &error))?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = BufReader::new(stdout.take(64));
        // The end of the pipe without a word, and silence, mean the same.
        let _silent = timeout(ON_MAX, stdout.read_line(&mut said)).await;
    }
    let _forked = timeout(ON_MAX, child.wait()).await;
    if said.trim_end() == guard::ON {
        return Ok(());
    }
    Err(CloudError::Machine { message: format!("the droplet does not come up: {}", complaint(&console)) })
}

/// Cuts its power: everything that runs in it is killed, and gone on return.
pub(super) async fn off(folder: &Path, droplet: &Record, network: &Network) -> Result<(), CloudError> {
    let end = Instant::now() + OFF_MAX;
    loop {
        let mut running: Vec<Pid> = network.processes(droplet).await?.into_iter().filter_map(Pid::from_raw).collect();
        running.extend(guard::holder(folder));
        running.extend(processes::of_droplet(&folder.join("root")));
        if running.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            let message = format!("{} processes of droplet {} do not end", running.len(), droplet.id);
            return Err(CloudError::Machine { message });
        }
        for process in running {
            // One that ended meanwhile is what is wanted.
            let _gone = kill_process(process, Signal::KILL);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Ends everything that runs in the droplet with this root but ourselves: what its init does when its guard is gone.
pub(super) fn cut(root: &Path) {
    /// Looks until what was killed is gone; only a process stuck in the kernel needs more.
    const ROUNDS_MAX: usize = 10_000;
    for _ in 0..ROUNDS_MAX {
        let running = processes::of_droplet(root);
        if running.is_empty() {
            return;
        }
        for process in running {
            // One that ended meanwhile is what is wanted.
            let _gone = kill_process(process, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// What it complained of, in short.
fn complaint(console: &Path) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    let read = File::open(console).and_then(|file| file.take(COMPLAINT_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(read) if read > 0 => text.trim().to_owned(),
        _ => "it says nothing".to_owned(),
    }
}
