//! Programs of the machine that resources are brought about with: apt-get, useradd, git, nft.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::report::Fault;
use crate::child::{converse, last_line};
use crate::remote::Output;

/// Longest that one may take: packages come from a mirror that may be slow.
const TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// Runs it with this environment beside ours; its status may be anything.
pub(super) async fn run(words: &[&str], environment: &[(&str, &str)]) -> Result<Output, Fault> {
    let (program, arguments) = words.split_first().unwrap_or((&"true", &[]));
    let absent = |reason: String| Fault::NoProgram { program: (*program).to_owned(), reason };
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).kill_on_drop(true);
    // Set in hooks of git, where they would lead git to another repository.
    command.env_remove("GIT_DIR").env_remove("GIT_QUARANTINE_PATH").env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| absent(error.to_string()))?;
    match tokio::time::timeout(TIME_MAX, converse(child, &mut tokio::io::empty())).await {
        Ok(output) => output.map_err(|error| absent(error.to_string())),
        Err(_elapsed) => Err(absent(format!("it takes longer than {} s", TIME_MAX.as_secs()))),
    }
}

/// Runs it; its status must be 0. What it printed.
pub(super) async fn succeed(words: &[&str], environment: &[(&str, &str)]) -> Result<String, Fault> {
    let output = run(words, environment).await?;
    if output.status != 0 {
        let program = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        return Err(Fault::Program { program, status: output.status, reason: last_line(&output.stderr) });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// True if it is on the PATH, or where Debian keeps what only root needs.
pub(super) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_carries_its_last_line() {
        let fault = succeed(&["sh", "-c", "echo first >&2; echo last >&2; exit 7"], &[]).await.unwrap_err();
        assert_eq!(fault.to_string(), "`sh -c` ended with 7: last");
        let fault = succeed(&["no-such-program-of-ours"], &[]).await.unwrap_err();
        assert!(matches!(fault, Fault::NoProgram { .. }), "{fault}");
        assert!(is_there("sh") && !is_there("no-such-program-of-ours"));
    }
}
