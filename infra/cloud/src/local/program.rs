//! Programs of this machine that the local cloud runs: `ip`, `nft`, `sshd`, `ssh-keygen`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::error::CloudError;

/// Where programs of root are, beside `PATH`, which leaves them out for everybody else.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// None of them takes a second; on a machine that is busy, some.
const RUN_MAX: Duration = Duration::from_secs(60);

/// Where a program is: named by this variable, on `PATH`, or among those of root.
pub(super) fn find(name: &str, variable: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Runs a program to its end, with this on its standard input.
///
/// # Errors
/// [`CloudError::Machine`] if it cannot be run, does not end, or fails: with what it says.
pub(super) async fn run<A: AsRef<OsStr> + Sync>(
    program: &Path,
    arguments: &[A],
    input: &str,
) -> Result<Output, CloudError> {
    let words = arguments.iter().map(|argument| format!(" {}", argument.as_ref().display()));
    let shown = format!("`{}{}`", program.display(), words.collect::<String>());
    let failed = |why: String| CloudError::Machine { message: format!("{shown} {why}") };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read says why by its end.
        let _unread = stdin.write_all(input.as_bytes()).await;
    }
    let output = timeout(RUN_MAX, child.wait_with_output()).await;
    let output = output.map_err(|_| failed(format!("does not end within {RUN_MAX:?}")))?;
    let output = output.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("ended with {}: {}", output.status, said.trim())))
}

/// For faults of files: what was done, with which file.
pub(super) fn file_fault(what: &str, path: &Path, error: &std::io::Error) -> CloudError {
    CloudError::Machine { message: format!("cannot {what} {}: {error}", path.display()) }
}
