//! A gate: one command of the pipeline, in the checkout, with its output live, a time limit, and nothing of ours in its
//! environment.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use sluice_infra_spec::Step;
use tokio::io::AsyncRead;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::checkout::Checkout;
use super::lines::Lines;
use super::record::Record;
use super::{DeployError, Order, file, seconds};
use crate::Say;

/// Lines of a failed gate that are shown again at the end: test runners print their summary after what failed.
const LAST_LINES: usize = 60;
/// Lines that wait to be shown; then the gate waits.
const LINES_WAITING_MAX: usize = 1_024;
/// Between SIGTERM and SIGKILL.
const END_WAIT: Duration = Duration::from_secs(5);
/// After its end: how long what it left running may hold its output open.
const REST_WAIT: Duration = Duration::from_secs(2);
/// What a gate gets of our environment, by name or by the beginning of the name.
const PASSED: [&str; 12] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TZ", "TMPDIR", "CC", "CXX", "JAVA_HOME"];
const PASSED_PREFIXES: [&str; 15] = [
    "LC_",
    "CARGO_",
    "RUST",
    "NPM_",
    "npm_config_",
    "NODE_",
    "PIP_",
    "UV_",
    "GO",
    "SSL_CERT_",
    "HTTP_",
    "HTTPS_",
    "http_",
    "https_",
    "NO_PROXY",
];
/// Names with these hold secrets, whoever's they are.
const SECRET_PARTS: [&str; 7] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH", "KEY"];

/// How long a gate took.
#[derive(Debug, Serialize)]
pub struct GateReport {
    /// Which.
    pub name: String,
    /// Its time.
    pub seconds: f64,
}

/// How a gate ended.
enum End {
    Status(ExitStatus),
    Late,
}

/// Runs all gates of the app, in order; the first that fails is the end.
pub(super) async fn run_all(
    order: &Order<'_>,
    commit: &str,
    checkout: &Checkout,
    folder: &Path,
    say: Say<'_>,
) -> Result<Vec<GateReport>, DeployError> {
    let mut record = Record::begin(folder, commit).map_err(|error| file("begin the record of the gates", error))?;
    let cache = folder.join("cache");
    std::fs::create_dir_all(&cache).map_err(|error| file("make the cache of the gates", error))?;
    let cache = cache.canonicalize().map_err(|error| file("find the cache of the gates", error))?;
    let mut environment = passed(std::env::vars(), order.secrets);
    environment.extend([
        ("CI".to_owned(), "true".to_owned()),
        ("SLUICE_APP".to_owned(), order.app.name.clone()),
        ("SLUICE_COMMIT".to_owned(), commit.to_owned()),
        ("SLUICE_CACHE".to_owned(), cache.display().to_string()),
    ]);
    let mut reports = Vec::new();
    for step in &order.app.pipeline.steps {
        say(&format!("[{}] {}", step.name, step.run));
        let begin = Instant::now();
        run(step, checkout.app_folder(), &environment, &mut record, say).await?;
        let took = begin.elapsed();
        say(&format!("[{}] passed in {}", step.name, seconds(took)));
        reports.push(GateReport { name: step.name.clone(), seconds: took.as_secs_f64() });
    }
    Ok(reports)
}

async fn run(
    step: &Step,
    folder: &Path,
    environment: &[(String, String)],
    record: &mut Record,
    say: Say<'_>,
) -> Result<(), DeployError> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(&step.run).current_dir(folder).env_clear().envs(environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| file(format!("start gate `{}`", step.name), error))?;
    let group = Group::of(&child);
    let (lines, mut shown) = mpsc::channel(LINES_WAITING_MAX);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let readers = async { tokio::join!(read(stdout, lines.clone()), read(stderr, lines)) };
    let mut last = VecDeque::new();
    let showing = async {
        while let Some(line) = shown.recv().await {
            let line = format!("[{}] {line}", step.name);
            say(&line);
            record.line(&line)?;
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
        Ok::<(), std::io::Error>(())
    };
    let (end, (), shown) = tokio::join!(ended(&mut child, &group, step.timeout), bounded(readers, &group), showing);
    shown.map_err(|error| file("keep what a gate printed", error))?;
    let how = match end.map_err(|error| file(format!("wait for gate `{}`", step.name), error))? {
        End::Status(status) if status.success() => return Ok(()),
        End::Status(status) => format!("failed ({status})"),
        End::Late => format!("took longer than {} and was ended", seconds(step.timeout)),
    };
    let kept = format!("all of it: {}", record.path().display());
    Err(DeployError::Gate { gate: step.name.clone(), how, last: last.into_iter().chain([kept]).collect() })
}

/// Its end, or the end that we make; nothing of it runs any more after this.
async fn ended(child: &mut Child, group: &Group, limit: Duration) -> std::io::Result<End> {
    let end = match timeout(limit, child.wait()).await {
        Ok(status) => End::Status(status?),
        Err(_elapsed) => {
            group.signal(Signal::TERM);
            if timeout(END_WAIT, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
                child.wait().await?;
            }
            End::Late
        }
    };
    group.ended.cancel();
    Ok(end)
}

/// Reads to the end of the output, which what a gate left running must not hold open for ever.
async fn bounded(readers: impl Future<Output = ((), ())>, group: &Group) {
    tokio::pin!(readers);
    tokio::select! {
        ((), ()) = &mut readers => return,
        () = group.ended.cancelled() => {}
    }
    if timeout(REST_WAIT, &mut readers).await.is_err() {
        group.signal(Signal::KILL);
        let _still_open = timeout(REST_WAIT, &mut readers).await;
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, lines: mpsc::Sender<String>) {
    let mut printed = Lines::of(stream);
    while let Some(line) = printed.next().await {
        if lines.send(text(&line)).await.is_err() {
            return;
        }
    }
}

/// What a terminal shows of a line: what moves its cursor is left out, and of a line that was overwritten, the last state.
fn text(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    let last = text.rsplit('\r').next().unwrap_or(text);
    last.chars().filter(|letter| !letter.is_control() || *letter == '\t' || *letter == '\u{1b}').collect()
}

/// Of our environment, what a gate may see.
fn passed(ours: impl Iterator<Item = (String, String)>, secrets: &[String]) -> Vec<(String, String)> {
    let is_passed = |name: &str| {
        let known = PASSED.contains(&name) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let upper = name.to_uppercase();
        known && !SECRET_PARTS.iter().any(|part| upper.contains(part)) && !secrets.iter().any(|secret| secret == name)
    };
    ours.filter(|(name, _)| is_passed(name)).collect()
}

/// The process group of a gate; killed when this is dropped, e.g. when the operator gives up.
struct Group {
    leader: Option<Pid>,
    ended: tokio_util::sync::CancellationToken,
}

impl Group {
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { leader, ended: tokio_util::sync::CancellationToken::new() }
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // None left is what we want.
            let _gone = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::sleep;

    use super::super::lines::LINE_BYTES_MAX;
    use super::*;

    async fn gate(run_line: &str, limit: Duration) -> (Result<(), DeployError>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::begin(folder.path(), "0123456789abcdef").unwrap();
        let step = Step { name: "test".into(), run: run_line.into(), timeout: limit };
        let said = Mutex::new(Vec::new());
        let say = |line: &str| said.lock().unwrap().push(line.to_owned());
        let environment = passed(std::env::vars(), &[]);
        let outcome = run(&step, folder.path(), &environment, &mut record, &say).await;
        (outcome, said.into_inner().unwrap())
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn both_streams_are_shown_with_the_name_of_the_gate() {
        let (outcome, said) = gate("echo out; echo err >&2; printf 'half'", MINUTE).await;
        outcome.unwrap();
        let mut said = said;
        said.sort();
        assert_eq!(said, ["[test] err", "[test] half", "[test] out"]);
    }

    #[tokio::test]
    async fn a_gate_that_fails_says_how_and_what_it_printed_last() {
        let (outcome, _) = gate("for i in $(seq 100); do echo line $i; done; exit 3", MINUTE).await;
        let Err(DeployError::Gate { gate, how, last }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((&*gate, &*how), ("test", "failed (exit status: 3)"));
        assert_eq!(last.len(), LAST_LINES + 1);
        assert_eq!(last[LAST_LINES - 1], "[test] line 100");
        assert!(last[LAST_LINES].starts_with("all of it: "), "{last:?}");
    }

    #[tokio::test]
    async fn a_late_gate_is_ended_with_all_that_it_started() {
        let begin = Instant::now();
        let (outcome, said) = gate("sleep 1000 & echo $!; sleep 1000", Duration::from_millis(500)).await;
        let Err(DeployError::Gate { how, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(how, "took longer than 0.5 s and was ended");
        assert!(begin.elapsed() < MINUTE);
        let child = said[0].trim_start_matches("[test] ").parse().unwrap();
        assert!(!lives(child).await, "the child of the gate lives on");
    }

    #[tokio::test]
    async fn what_a_gate_leaves_running_does_not_hold_it_up() {
        let (outcome, said) = gate("sleep 1000 & echo $!", MINUTE).await;
        outcome.unwrap();
        let child = said[0].trim_start_matches("[test] ").parse().unwrap();
        assert!(!lives(child).await, "it lives on");
    }

    /// An orphan is a zombie until somebody reaps it.
    async fn lives(pid: i32) -> bool {
        for _look in 0..100 {
            match procfs::process::Process::new(pid).and_then(|process| process.stat()) {
                Ok(stat) if stat.state != 'Z' => sleep(Duration::from_millis(20)).await,
                _gone => return false,
            }
        }
        true
    }

    #[tokio::test]
    async fn a_long_line_is_cut_at_its_bound() {
        let (outcome, said) =
            gate(&format!("head -c {} /dev/zero | tr '\\0' x; echo; echo next", LINE_BYTES_MAX + 1), MINUTE).await;
        outcome.unwrap();
        assert_eq!(said[0].len(), "[test] ".len() + LINE_BYTES_MAX);
        assert_eq!(said[1], "[test] next");
    }

    #[test]
    fn no_secret_reaches_a_gate() {
        let ours = [
            "PATH",
            "CARGO_HOME",
            "LC_ALL",
            "DIGITALOCEAN_TOKEN",
            "CARGO_REGISTRY_TOKEN",
            "NODE_AUTH",
            "GOOGLE_API_KEY",
            "SLUICE_X",
            "RUST_PW",
            "GIT_DIR",
        ];
        let ours = ours.iter().map(|name| ((*name).to_owned(), "x".to_owned()));
        let names: Vec<String> = passed(ours, &["RUST_PW".to_owned()]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "CARGO_HOME", "LC_ALL"]);
    }

    #[test]
    fn a_line_that_was_overwritten_shows_its_last_state() {
        assert_eq!(text(b"10 %\r50 %\r100 %\r"), "100 %");
        assert_eq!(text(b"a\x07b\tc"), "ab\tc");
    }
}
