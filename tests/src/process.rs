//! One child process: started, read, stopped by its own id.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;

/// Lines of output that are kept to explain a failure.
const OUTPUT_LINES_MAX: usize = 4_000;
/// How long the rest of the output of a process that has ended is waited for.
const OUTPUT_WAIT: Duration = Duration::from_secs(2);

/// A running child with what it printed so far. Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command`; its output is collected line by line.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("start {name}"))?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().map(|stdout| collect(stdout, Arc::clone(&output)));
        let stderr = child.stderr.take().map(|stderr| collect(stderr, Arc::clone(&output)));
        let readers = stdout.into_iter().chain(stderr).collect();
        Ok(Self { name: name.to_owned(), child, output, readers })
    }

    /// Everything printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits for a line that starts with `prefix` and returns what follows it.
    ///
    /// # Errors
    /// If the process ends before, or [`PATIENCE`] is over.
    pub async fn line(&mut self, prefix: &str) -> Result<String> {
        self.line_within(PATIENCE, prefix).await
    }

    /// [`Process::line`] with another bound.
    ///
    /// # Errors
    /// If the process ends before, or the bound is over.
    pub async fn line_within(&mut self, bound: Duration, prefix: &str) -> Result<String> {
        let end = tokio::time::Instant::now() + bound;
        loop {
            let found = {
                let lines = self.output.lock().unwrap_or_else(PoisonError::into_inner);
                lines.iter().find_map(|line| line.strip_prefix(prefix).map(ToOwned::to_owned))
            };
            if let Some(rest) = found {
                return Ok(rest);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.output());
            }
            if tokio::time::Instant::now() >= end {
                bail!("{} did not print `{prefix}`:\n{}", self.name, self.output());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Process id, while it runs.
    ///
    /// # Errors
    /// If it has ended.
    pub fn id(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has ended:\n{}", self.name, self.output()))
    }

    /// Sends a signal by name, e.g. `TERM`, `KILL`, `STOP`.
    ///
    /// # Errors
    /// If the process has ended.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        let id = self.id()?;
        let status = Command::new("kill").arg(format!("-{signal}")).arg(id.to_string()).status().await?;
        if !status.success() {
            bail!("cannot send {signal} to {}", self.name);
        }
        Ok(())
    }

    /// Waits for the end, and for what was printed until then.
    ///
    /// # Errors
    /// If it does not end within [`PATIENCE`].
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            bail!("{} does not end:\n{}", self.name, self.output());
        };
        for reader in self.readers.drain(..) {
            // Late: a child of the process holds its output open.
            let _late = timeout(OUTPUT_WAIT, reader).await;
        }
        Ok(status?)
    }

    /// SIGTERM, then waits for the end.
    ///
    /// # Errors
    /// If it had ended before, or does not end.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM").await?;
        self.wait().await
    }

    /// Resident memory now, in bytes.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        let id = i32::try_from(self.id()?)?;
        let statm = procfs::process::Process::new(id)?.statm()?;
        Ok(statm.resident * procfs::page_size())
    }

    /// Open file descriptors now.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn descriptors(&self) -> Result<usize> {
        let id = i32::try_from(self.id()?)?;
        Ok(procfs::process::Process::new(id)?.fd_count()?)
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's reader ends with its child; nothing waits for it")]
fn collect(stream: impl AsyncRead + Unpin + Send + 'static, output: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            if output.len() < OUTPUT_LINES_MAX {
                output.push(line);
            }
        }
    })
}

/// `sluice` with these arguments, to its end: its status, what it printed, what it complained of.
///
/// # Errors
/// If it cannot be started, or does not end.
pub async fn sluice(arguments: &[&str]) -> Result<(i32, String, String)> {
    let mut command = Command::new(binary("sluice")?);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.context("sluice ends")?.context("start sluice")?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code().context("no signal ended it")?, text(output.stdout), text(output.stderr)))
}

/// A binary of this workspace, built beside the test by `cargo xtask test`, or in the folder `SLUICE_BIN_DIR`.
///
/// # Errors
/// If it is not there.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SLUICE_BIN_DIR") {
        let path = PathBuf::from(folder).join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("the test binary lies in target/PROFILE/deps")?;
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is missing: run `cargo xtask test`, or `cargo build -p {name}`", path.display());
    }
    Ok(path)
}

/// Folder with the built plugins.
///
/// # Errors
/// If it is not there.
pub fn plugins() -> Result<PathBuf> {
    let path = std::env::var_os("SLUICE_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/plugins")), PathBuf::from);
    if !path.join("canary.wasm").is_file() {
        bail!("no plugins at {}: run `cargo xtask plugins`", path.display());
    }
    Ok(path)
}
