//! One droplet: what it has, a push to it, and what it says of that.

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use sluice_infra_host::{Releases, Remote as _, RemoteError, Ssh};
use sluice_infra_spec::App;
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use super::lines::Lines;
use super::{DeployError, PRODUCTION};
use crate::git::Git;
use crate::{RELEASE_REF, Say};

/// Beyond what the app says of its own times: connecting, sending, unpacking, two notices to routers.
const PUSH_TIME_BESIDE: Duration = Duration::from_secs(10 * 60);
/// What droplets say on stderr of a push begins with this (git-receive-pack's side band).
const REMOTE: &str = "remote:";
/// Lines of stdout that are kept: git prints one for the branch, and a few around it.
const PRINTED_LINES_MAX: usize = 100;
/// How a droplet begins the line with the reason.
pub(super) const FAULT: &str = "error: ";

/// A droplet of the app.
#[derive(Debug)]
pub struct Target {
    /// Its pool.
    pub pool: String,
    /// Its variant.
    pub variant: String,
    /// How it is reached.
    pub ssh: Ssh,
}

impl Target {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.ssh.name()
    }

    /// True if it is tried before production.
    #[must_use]
    pub fn is_canary(&self) -> bool {
        self.variant != PRODUCTION
    }

    /// The program of ours there.
    pub(super) fn program(&self) -> String {
        self.ssh.layout().programs().join("sluice-infra").display().to_string()
    }

    /// The repository there, as git names it.
    fn url(&self, app: &str) -> String {
        let host = &self.ssh.settings().host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("{host}:{}", self.ssh.layout().repository(app).display())
    }

    /// How git is called there. The repository is ours, whoever owns its files.
    fn git_there(&self, command: &str) -> String {
        let root = self.ssh.layout().root().display();
        format!("{}='{root}' git -c 'safe.directory=*' {command}", sluice_infra_host::layout::ROOT_VARIABLE)
    }
}

/// What became of one droplet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum TargetOutcome {
    /// It serves the release.
    Serves,
    /// It did before.
    ServedAlready,
    /// It does not; what served before serves on.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was not asked, for another one failed before it, or `promote` is to.
    Skipped,
}

/// What became of one droplet, for a table.
#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    /// Its name.
    pub droplet: String,
    /// Its pool.
    pub pool: String,
    /// Its variant.
    pub variant: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: TargetOutcome,
    /// How long it took.
    pub seconds: f64,
}

/// The newest release commit on a droplet.
pub(super) struct Tip {
    pub(super) droplet: String,
    pub(super) commit: Option<String>,
}

/// What the droplets have, fetched into this repository. One that is not reached counts as having nothing; the push to it
/// will say so again.
pub(super) async fn tips(git: &Git, targets: &[Target], app: &str, say: Say<'_>) -> Result<Vec<Tip>, DeployError> {
    let mut tips = Vec::new();
    for target in targets {
        match tip(git, target, app).await {
            Ok(commit) => tips.push(Tip { droplet: target.name().to_owned(), commit }),
            Err(error) if !target.is_canary() => say(&format!("[{}] is not reached: {error}", target.name())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(tips)
}

/// The newest release commit on a droplet, fetched into this repository.
pub(super) async fn tip(git: &Git, target: &Target, app: &str) -> Result<Option<String>, crate::GitError> {
    let git = git.clone().with("GIT_SSH_COMMAND", target.ssh.git_command());
    let (url, there) = (target.url(app), format!("--upload-pack={}", target.git_there("upload-pack")));
    let listed = git.text(&["ls-remote", &there, &url, RELEASE_REF]).await?;
    let Some(commit) = listed.split_whitespace().next().map(ToOwned::to_owned) else { return Ok(None) };
    if !git.says_yes(&["cat-file", "-e", &format!("{commit}^{{tree}}")]).await.unwrap_or(false) {
        git.text(&["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &there, &url, RELEASE_REF]).await?;
    }
    Ok(Some(commit))
}

/// Pushes a release commit of this repository to a droplet and says what became of it there.
pub(super) async fn deliver(
    git: &Git,
    commit: &str,
    source: &str,
    app: &App,
    target: &Target,
    say: Say<'_>,
) -> TargetReport {
    let begin = Instant::now();
    let outcome = match attempt(git, commit, source, app, target, say).await {
        Ok(outcome) => outcome,
        Err(error) => TargetOutcome::Failed { reason: crate::described(&error) },
    };
    report(target, outcome, begin.elapsed())
}

pub(super) fn report(target: &Target, outcome: TargetOutcome, took: Duration) -> TargetReport {
    let (droplet, pool, variant) = (target.name().to_owned(), target.pool.clone(), target.variant.clone());
    TargetReport { droplet, pool, variant, outcome, seconds: took.as_secs_f64() }
}

async fn attempt(
    git: &Git,
    commit: &str,
    source: &str,
    app: &App,
    target: &Target,
    say: Say<'_>,
) -> Result<TargetOutcome, DeployError> {
    let before = releases(target).await?;
    let served = before.current.as_deref() == Some(source);
    let pushed = push(git, commit, app, target, say).await?;
    if let Some(reason) = pushed.fault {
        return Ok(TargetOutcome::Failed { reason });
    }
    // The branch was there already, so no hook ran: after a rollback, or a hook that was killed.
    let hooks_ran = pushed.hooks_ran;
    let fault = if hooks_ran { None } else { release(commit, app, target, say).await? };
    let after = releases(target).await?;
    let serves = after.current.as_deref() == Some(source);
    let last = after.last.filter(|last| last.commit == source).and_then(|last| last.fault);
    Ok(match (serves, fault.or(last)) {
        (true, None) if served && !hooks_ran => TargetOutcome::ServedAlready,
        (true, None) => TargetOutcome::Serves,
        (_, Some(reason)) => TargetOutcome::Failed { reason },
        (false, None) => TargetOutcome::Failed { reason: "its hook broke off; deploy again".to_owned() },
    })
}

/// What runs there.
pub(super) async fn releases(target: &Target) -> Result<Releases, DeployError> {
    let said = ask(target, &["release", "--status"]).await?;
    serde_json::from_slice(&said).map_err(|source| DeployError::Answer { droplet: target.name().to_owned(), source })
}

/// What `sluice-infra agent` there says.
async fn ask(target: &Target, arguments: &[&str]) -> Result<Vec<u8>, DeployError> {
    let program = target.program();
    let words: Vec<&str> = [program.as_str(), "agent"].into_iter().chain(arguments.iter().copied()).collect();
    let output = target.ssh.run(&words, &[]).await?;
    if output.status == 0 {
        return Ok(output.stdout);
    }
    let (host, command) = (target.name().to_owned(), format!("sluice-infra agent {}", arguments.join(" ")));
    let stderr = output.stderr.trim().lines().next_back().unwrap_or_default().to_owned();
    Err(RemoteError::Failed { host, command, status: output.status, stderr }.into())
}

struct Pushed {
    hooks_ran: bool,
    fault: Option<String>,
}

async fn push(git: &Git, commit: &str, app: &App, target: &Target, say: Say<'_>) -> Result<Pushed, DeployError> {
    let git = git.clone().with("GIT_SSH_COMMAND", target.ssh.git_command());
    let there = format!("--receive-pack={}", target.git_there("receive-pack"));
    let what = format!("{commit}:{RELEASE_REF}");
    let command = git.command(&["push", "--porcelain", "--no-verify", &there, &target.url(&app.name), &what]);
    let said = listen(command, app, target, say).await?;
    // `=` before a reference: up to date (git-push(1), OUTPUT).
    let up_to_date = said.printed.iter().any(|line| line.starts_with("=\t"));
    let fault = said.fault.filter(|_| !said.succeeded);
    let fault = fault.or_else(|| (!said.succeeded).then(|| said.last.unwrap_or_else(|| "the push failed".to_owned())));
    Ok(Pushed { hooks_ran: !up_to_date, fault })
}

/// Releases a commit that is there already; why it does not serve.
async fn release(commit: &str, app: &App, target: &Target, say: Say<'_>) -> Result<Option<String>, DeployError> {
    let program = target.program();
    let command = target.ssh.command(&[&program, "agent", "release", "--commit", commit]);
    let said = listen(command, app, target, say).await?;
    Ok((!said.succeeded).then(|| said.fault.or(said.last).unwrap_or_else(|| "it did not say why".to_owned())))
}

/// Goes back there: to the release before, or to the one whose source commit begins with this.
pub(super) async fn roll_back(wanted: Option<&str>, app: &App, target: &Target, say: Say<'_>) -> TargetReport {
    let begin = Instant::now();
    let program = target.program();
    let mut words = vec![program.as_str(), "agent", "release", "--rollback"];
    words.extend(wanted);
    let outcome = match listen(target.ssh.command(&words), app, target, say).await {
        Ok(said) if said.succeeded => TargetOutcome::Serves,
        Ok(said) => TargetOutcome::Failed {
            reason: said.fault.or(said.last).unwrap_or_else(|| "it did not say why".to_owned()),
        },
        Err(error) => TargetOutcome::Failed { reason: crate::described(&error) },
    };
    report(target, outcome, begin.elapsed())
}

/// What a command said.
struct Said {
    succeeded: bool,
    printed: Vec<String>,
    /// The line with the reason, if there was one.
    fault: Option<String>,
    last: Option<String>,
}

/// Runs it to its end and shows what it says, line by line.
async fn listen(mut command: Command, app: &App, target: &Target, say: Say<'_>) -> Result<Said, DeployError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let away = |message: String| RemoteError::Away { host: target.name().to_owned(), message };
    let mut child = command.spawn().map_err(|error| away(error.to_string()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let talk = async {
        let (complaints, printed) = tokio::join!(complaints(stderr, target, say), all(stdout));
        child.wait().await.map(|status| (status, complaints, printed))
    };
    let limit = PUSH_TIME_BESIDE + app.health.deadline + app.drain * 2;
    let said = timeout(limit, talk).await.map_err(|_elapsed| away("it takes too long".to_owned()))?;
    let (status, (fault, last), printed) = said.map_err(|error| away(error.to_string()))?;
    Ok(Said { succeeded: status.success(), printed, fault, last })
}

/// Shows what a droplet says to who waits: the reason that is in it, if there is one, and the last line.
async fn complaints(stderr: Option<ChildStderr>, target: &Target, say: Say<'_>) -> (Option<String>, Option<String>) {
    let (mut lines, mut fault, mut last) = (Lines::of(stderr), None, None);
    while let Some(line) = lines.next().await {
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_prefix(REMOTE).unwrap_or(&line).trim_end();
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        say(&format!("[{}] {line}", target.name()));
        // The first one is the droplet's; git's own come after it.
        fault = fault.or_else(|| line.strip_prefix(FAULT).map(ToOwned::to_owned));
        last = Some(line.to_owned());
    }
    (fault, last)
}

async fn all(stdout: Option<ChildStdout>) -> Vec<String> {
    let (mut lines, mut all) = (Lines::of(stdout), Vec::new());
    while let Some(line) = lines.next().await {
        if all.len() < PRINTED_LINES_MAX {
            all.push(String::from_utf8_lossy(&line).into_owned());
        }
    }
    all
}
