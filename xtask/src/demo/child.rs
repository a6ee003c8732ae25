//! One program that the demo started: its log, the line by which it announces itself, and its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::interrupts::Interrupts;

/// Lines shown when a program ends unexpectedly: enough for an error with its causes.
const TAIL_LINES: usize = 20;
/// Longest line kept whole; a longer one is cut in pieces.
const LINE_BYTES_MAX: u64 = 8 * 1024;
/// A log file that grows beyond this starts again: a load test must not fill the disk.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A running program of the demo.
pub(crate) struct Child {
    name: String,
    process: process::Child,
    log: Arc<Mutex<Log>>,
    reader: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts it in its own process group: ctrl-c reaches only us, and we stop things in order.
    /// The first line that begins with `announcement` is kept; every line begins with an empty one.
    pub(crate) fn start(name: &str, mut command: Command, announcement: &'static str, logs: &Path) -> Result<Self> {
        let file = logs.join(format!("{name}.log"));
        let file = File::create(&file).with_context(|| format!("create {}", file.display()))?;
        let log = Log { file, tail: VecDeque::new(), announcement, announced: None };
        let log = Arc::new(Mutex::new(log));
        // One pipe for both outputs keeps the lines in their order.
        let (output, writer) = io::pipe().context("create a pipe")?;
        let twin = writer.try_clone().context("share a pipe")?;
        // A log file is no terminal.
        command.env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(writer).stderr(twin).process_group(0);
        let process = command.spawn().with_context(|| format!("start {name}"))?;
        // The command holds our ends of the pipe: as long as they are open, the reader sees no end.
        drop(command);
        let reader = Some(read(output, Arc::clone(&log)));
        Ok(Self { name: name.to_owned(), process, log, reader, ended: None })
    }

    /// The line by which it announced itself, once it did.
    pub(crate) fn announced(&self) -> Option<String> {
        lock(&self.log).announced.clone()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().with_context(|| format!("look after {}", self.name))?;
        }
        Ok(self.ended)
    }

    /// What to say of an end that nobody asked for: the status and the last lines of the log.
    pub(crate) fn obituary(&mut self, status: ExitStatus) -> String {
        self.join_reader();
        let tail = &lock(&self.log).tail;
        let lines: String = tail.iter().map(|line| format!("\n  {} | {line}", self.name)).collect();
        format!("{} ended unexpectedly ({status}); its last lines:{lines}", self.name)
    }

    fn terminate(&self) {
        // It may have ended meanwhile; until we wait for it, it stays a zombie and its number is still its own.
        kill_process(Pid::from_child(&self.process), Signal::TERM).ok();
    }

    /// With all that it started: the reader would wait for whoever still holds the pipe.
    fn kill(&self) {
        kill_process_group(Pid::from_child(&self.process), Signal::KILL).ok();
    }

    fn join_reader(&mut self) {
        self.reader.take().map(JoinHandle::join).transpose().ok();
    }
}

/// Ends several programs at once: SIGTERM, then patience, then SIGKILL; a second signal of the user ends the patience.
/// Answers what did not end well, one sentence each.
pub(crate) fn stop(children: &mut [Child], patience: Duration, interrupts: &Interrupts) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut running: Vec<&mut Child> = Vec::new();
    for child in children {
        if child.ended()?.is_none() {
            child.terminate();
            running.push(child);
        }
    }
    let started = Instant::now();
    let mut patient = true;
    while !running.is_empty() {
        if patient && (started.elapsed() >= patience || interrupts.pause().is_err()) {
            patient = false;
            for child in &running {
                faults.push(format!("{} did not stop by itself and was killed", child.name));
                child.kill();
            }
        }
        let mut still = Vec::new();
        for child in running {
            match child.ended()? {
                None => still.push(child),
                // No code: ended by our signal before it could handle it.
                Some(status) if patient && status.code().is_some_and(|code| code != 0) => {
                    faults.push(child.obituary(status));
                }
                Some(_) => child.join_reader(),
            }
        }
        running = still;
    }
    Ok(faults)
}

/// What a program said.
struct Log {
    file: File,
    tail: VecDeque<String>,
    announcement: &'static str,
    announced: Option<String>,
}

impl Log {
    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.announced.is_none() && line.starts_with(self.announcement) {
            self.announced = Some(line.to_owned());
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        if self.file.stream_position()? > LOG_BYTES_MAX {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
        }
        writeln!(self.file, "{line}")
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows the output of a program to its end.
fn read(output: PipeReader, log: Arc<Mutex<Log>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            // A full disk must not stop the program: it would block on a pipe that nobody reads.
            lock(&log).append(String::from_utf8_lossy(&line).trim_end()).ok();
            line.clear();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn shell(script: &str, folder: &Path) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("shell", command, "ready ", folder).unwrap()
    }

    #[test]
    fn an_announcement_is_heard_and_a_polite_program_stops_without_fault() {
        let folder = tempfile::tempdir().unwrap();
        let interrupts = Interrupts::listen().unwrap();
        let script = "trap 'exit 0' TERM; echo hello; echo ready 1; echo ready 2; while :; do sleep 0.05; done";
        let mut children = [shell(script, folder.path())];
        let line = interrupts.wait("the announcement", PATIENCE, || Ok(children[0].announced())).unwrap();
        assert_eq!(line, "ready 1");
        assert_eq!(stop(&mut children, PATIENCE, &interrupts).unwrap(), Vec::<String>::new());
        let logged = std::fs::read_to_string(folder.path().join("shell.log")).unwrap();
        assert_eq!(logged, "hello\nready 1\nready 2\n");
    }

    #[test]
    fn a_stubborn_program_is_killed_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let interrupts = Interrupts::listen().unwrap();
        let mut children = [shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", folder.path())];
        interrupts.wait("output", PATIENCE, || Ok(lock(&children[0].log).tail.pop_back())).unwrap();
        let faults = stop(&mut children, Duration::ZERO, &interrupts).unwrap();
        assert_eq!(faults, ["shell did not stop by itself and was killed"]);
    }

    #[test]
    fn an_unexpected_end_shows_the_last_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let interrupts = Interrupts::listen().unwrap();
        let mut child = shell("seq 1 30; echo why >&2; exit 3", folder.path());
        let status = interrupts.wait("its end", PATIENCE, || child.ended()).unwrap();
        let obituary = child.obituary(status);
        assert!(obituary.contains("exit status: 3") && obituary.contains("shell | why"), "{obituary}");
        assert_eq!(obituary.lines().count(), 1 + TAIL_LINES);
    }
}
