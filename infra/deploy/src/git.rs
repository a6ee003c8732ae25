//! Running git: its own environment, a bound on what it says, and no question to anybody.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// Most that is read from one command: the list of the largest tree that is taken, with room.
const OUTPUT_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Longest that a command may take; pushes have their own bound.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(300);
/// Lines of its complaint that are shown.
const COMPLAINT_LINES_MAX: usize = 8;
/// What hooks are run with, and what would make git look elsewhere than it is told (git(1), ENVIRONMENT VARIABLES).
const FOREIGN: [&str; 14] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_DATE",
];
/// Where objects of a push lie before it is accepted (git-receive-pack(1), QUARANTINE ENVIRONMENT).
const QUARANTINE: [&str; 3] = ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"];

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It cannot be run.
    #[error("git cannot be run")]
    Start(#[source] std::io::Error),
    /// It takes too long.
    #[error("git {command} takes longer than {} s", COMMAND_TIME_MAX.as_secs())]
    Late {
        /// Which command.
        command: String,
    },
    /// It refused.
    #[error("git {command}: {complaint}")]
    Failed {
        /// Which command.
        command: String,
        /// Its status.
        status: i32,
        /// The end of what it said.
        complaint: String,
    },
    /// It says more than anybody asked for.
    #[error("git {command} says more than {OUTPUT_BYTES_MAX} bytes")]
    TooMuch {
        /// Which command.
        command: String,
    },
}

/// Git in one folder.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    folder: PathBuf,
    environment: Vec<(String, OsString)>,
    sees_quarantine: bool,
}

impl Git {
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), environment: Vec::new(), sees_quarantine: false }
    }

    /// Sees what a push brings, before it is accepted: for a pre-receive hook.
    pub(crate) const fn in_quarantine(mut self) -> Self {
        self.sees_quarantine = true;
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command whose streams are not set yet.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new("git");
        // Owners differ where root pushes and another user serves; it is our repository all the same.
        command.arg("-c").arg("safe.directory=*").arg("-C").arg(&self.folder).args(arguments);
        FOREIGN.iter().for_each(|name| _ = command.env_remove(name));
        if !self.sees_quarantine {
            QUARANTINE.iter().for_each(|name| _ = command.env_remove(name));
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
        command
    }

    /// What it prints, without white space around it.
    pub(crate) async fn text<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String, GitError> {
        let bytes = self.bytes(arguments, &[]).await?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// What it prints when it is given this.
    pub(crate) async fn bytes<A: AsRef<OsStr>>(&self, arguments: &[A], input: &[u8]) -> Result<Vec<u8>, GitError> {
        let name = arguments.first().map(|name| name.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
        let (status, stdout, stderr) = self.run(&name, arguments, input).await?;
        if status == 0 {
            return Ok(stdout);
        }
        let complaint = String::from_utf8_lossy(&stderr);
        let lines: Vec<&str> = complaint.trim().lines().collect();
        let complaint = lines[lines.len().saturating_sub(COMPLAINT_LINES_MAX)..].join("; ");
        Err(GitError::Failed { command: name, status, complaint })
    }

    /// True if it says yes (0), false if it says no (1).
    pub(crate) async fn says_yes<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<bool, GitError> {
        match self.bytes(arguments, &[]).await {
            Ok(_printed) => Ok(true),
            Err(GitError::Failed { status: 1, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn run<A: AsRef<OsStr>>(
        &self,
        name: &str,
        arguments: &[A],
        input: &[u8],
    ) -> Result<(i32, Vec<u8>, Vec<u8>), GitError> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(GitError::Start)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let talk = async {
            let feeding = async move {
                if let Some(mut stdin) = stdin {
                    // One that ends without reading says why by its status.
                    drop(stdin.write_all(input).await);
                }
            };
            let ((), stdout, stderr) = tokio::join!(feeding, read(stdout), read(stderr));
            let status = child.wait().await?;
            Ok((status.code().unwrap_or(-1), stdout?, stderr?))
        };
        let command = name.to_owned();
        match timeout(COMMAND_TIME_MAX, talk).await {
            Ok(Ok((_, stdout, _))) if stdout.len() as u64 > OUTPUT_BYTES_MAX => Err(GitError::TooMuch { command }),
            Ok(said) => said.map_err(GitError::Start),
            Err(_elapsed) => Err(GitError::Late { command }),
        }
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
