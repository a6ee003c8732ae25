//! The supervisor with real services: what it starts, how it stops it, what it remembers, and whom it does not obey.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of a test fail it by a panic")]

use std::path::Path;
use std::time::Duration;

use sluice_infra_host::supervisor::{Server, ServerSettings};
use sluice_infra_host::{Init, InitError, Layout, ServiceStatus, ServiceUnit, Supervisor};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long something that should happen at once may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// `SERVICES_MAX` of the server.
const SERVICES_MAX: usize = 128;
/// `CLIENTS_MAX` of the server.
const CLIENTS_MAX: usize = 64;

struct Scene {
    root: TempDir,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Scene {
    fn new() -> Self {
        let mut scene =
            Self { root: tempfile::tempdir().unwrap(), stop: CancellationToken::new(), tasks: TaskTracker::new() };
        scene.switch_on();
        scene
    }

    fn layout(&self) -> Layout {
        Layout::new(self.root.path())
    }

    fn init(&self) -> Supervisor {
        Supervisor::new(self.layout())
    }

    fn switch_on(&mut self) {
        let environment = [("PATH".to_owned(), std::env::var("PATH").unwrap())].into();
        let server = Server::open(ServerSettings { layout: self.layout(), environment }).unwrap();
        server.run_built_in(shell("ssh", "sleep 1000")).unwrap();
        (self.stop, self.tasks) = (CancellationToken::new(), TaskTracker::new());
        self.tasks.spawn(server.serve(self.stop.clone()));
    }

    async fn switch_off(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn run(&self, unit: &ServiceUnit) -> u32 {
        assert!(self.init().install(unit).await.unwrap());
        self.init().start(&unit.name).await.unwrap();
        self.pid(&unit.name).await
    }

    async fn pid(&self, name: &str) -> u32 {
        match self.init().status(name).await.unwrap() {
            ServiceStatus::Running { pid } => pid,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Waits until its log has a line that begins so, and returns the rest of it.
    async fn line(&self, name: &str, begin: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let lines = self.init().log(name, 100).await.unwrap();
            if let Some(rest) = lines.iter().find_map(|line| line.strip_prefix(begin)) {
                return rest.to_owned();
            }
            assert!(Instant::now() < end, "no `{begin}` in {lines:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until(&self, name: &str, fit: impl Fn(&ServiceStatus) -> bool) -> ServiceStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.init().status(name).await.unwrap();
            if fit(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{name} is still {status:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn shell(name: &str, script: &str) -> ServiceUnit {
    ServiceUnit {
        name: name.into(),
        about: "a test".into(),
        exec: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: [("GREETING".to_owned(), "hello".to_owned())].into(),
        env_file: Some("/etc/app.env".into()),
        folder: None,
        user: "nobody".into(),
        restart: false,
        stop_seconds: 10,
        restart_on: Vec::new(),
    }
}

/// A process that has ended and waits to be reaped does not run.
fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

async fn gone(pid: u32) {
    let end = Instant::now() + PATIENCE;
    while runs(pid) {
        assert!(Instant::now() < end, "{pid} still runs");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_service_runs_in_the_machine_it_belongs_to() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.layout().at("/etc")).unwrap();
    std::fs::write(scene.layout().at("/etc/app.env"), "SECRET='a b'\n").unwrap();
    let unit = shell("app", "echo \"$GREETING $SECRET $SLUICE_ROOT $HOME $PWD\"; echo fault >&2; exec sleep 1000");
    let pid = scene.run(&unit).await;
    let root = scene.root.path().display().to_string();
    assert_eq!(scene.line("app", "hello ").await, format!("a b {root}  {root}"));
    assert_eq!(scene.line("app", "fault").await, "");
    assert_eq!(scene.init().installed("app").await.unwrap(), Some(unit));
    scene.init().start("app").await.unwrap();
    assert_eq!(scene.pid("app").await, pid, "what runs is not started twice");
    scene.init().stop("app").await.unwrap();
    assert_eq!(scene.init().status("app").await.unwrap(), ServiceStatus::Stopped);
    assert!(!runs(pid));
    scene.init().remove("app").await.unwrap();
    scene.init().remove("app").await.unwrap();
    assert_eq!(scene.init().status("app").await.unwrap(), ServiceStatus::Unknown);
    assert_eq!(scene.init().installed("app").await.unwrap(), None);
    scene.switch_off().await;
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_with_its_children() {
    let scene = Scene::new();
    let script = "trap '' TERM; sleep 1000 & echo child $!; while :; do wait; done";
    let unit = ServiceUnit { stop_seconds: 1, ..shell("app", script) };
    let pid = scene.run(&unit).await;
    let child = scene.line("app", "child ").await.parse().unwrap();
    scene.init().stop("app").await.unwrap();
    assert!(!runs(pid));
    gone(child).await;
    scene.line("app", "init: did not end within 1s of SIGTERM: killed").await;
    scene.switch_off().await;
}

#[tokio::test]
async fn who_left_its_service_does_not_hold_up_the_end() {
    let scene = Scene::new();
    scene.run(&shell("app", "setsid sh -c 'echo child $$; exec sleep 1000' & wait")).await;
    let child = scene.line("app", "child ").await;
    scene.switch_off().await;
    let killed = std::process::Command::new("kill").args(["-KILL", &child]).status().unwrap();
    assert!(killed.success(), "it is the guard's to end");
}

#[tokio::test]
async fn what_ends_by_itself_is_started_again_only_if_it_should_be() {
    let scene = Scene::new();
    scene.run(&shell("once", "sleep 0.1; exit 3")).await;
    let failed = scene.until("once", |status| matches!(status, ServiceStatus::Failed { .. })).await;
    assert_eq!(failed, ServiceStatus::Failed { reason: "ended by itself with exit status: 3".into() });
    let again = ServiceUnit { restart: true, ..shell("again", "sleep 1000 & echo child $!; wait") };
    let first = scene.run(&again).await;
    let child = scene.line("again", "child ").await.parse().unwrap();
    let killed = std::process::Command::new("kill").args(["-KILL", &first.to_string()]).status().unwrap();
    assert!(killed.success());
    let is_new = |status: &ServiceStatus| matches!(status, ServiceStatus::Running { pid } if *pid != first);
    scene.until("again", is_new).await;
    gone(child).await;
    scene.line("again", "init: ended by itself with signal: 9 (SIGKILL); started again in 200ms").await;
    scene.switch_off().await;
}

#[tokio::test]
async fn a_new_unit_disturbs_nothing_until_the_next_start() {
    let scene = Scene::new();
    let unit = shell("app", "exec sleep 1000");
    let pid = scene.run(&unit).await;
    assert!(!scene.init().install(&unit).await.unwrap());
    let other = ServiceUnit { about: "another".into(), ..unit };
    assert!(scene.init().install(&other).await.unwrap());
    assert_eq!(scene.pid("app").await, pid);
    assert_eq!(scene.init().installed("app").await.unwrap(), Some(other));
    let bad = ServiceUnit { exec: vec!["/no/such/program".into()], ..shell("bad", "") };
    assert!(scene.init().install(&bad).await.unwrap());
    let refused = scene.init().start("bad").await.unwrap_err();
    assert!(
        matches!(&refused, InitError::Refused { message, .. } if message.contains("/no/such/program")),
        "{refused}"
    );
    let homeless = ServiceUnit { folder: Some("/no/such/folder".into()), ..shell("homeless", "true") };
    assert!(scene.init().install(&homeless).await.unwrap());
    let refused = scene.init().start("homeless").await.unwrap_err().to_string();
    assert!(refused.ends_with("/no/such/folder"), "{refused}");
    scene.switch_off().await;
}

#[tokio::test]
async fn after_a_reboot_what_ran_runs_again() {
    let mut scene = Scene::new();
    let before = scene.run(&shell("runs", "exec sleep 1000")).await;
    scene.run(&shell("stopped", "exec sleep 1000")).await;
    scene.init().stop("stopped").await.unwrap();
    assert!(scene.init().install(&shell("never", "exec sleep 1000")).await.unwrap());
    scene.switch_off().await;
    assert!(!runs(before), "services end with their init");
    scene.switch_on();
    scene.until("runs", |status| matches!(status, ServiceStatus::Running { .. })).await;
    for name in ["stopped", "never"] {
        assert_eq!(scene.init().status(name).await.unwrap(), ServiceStatus::Stopped, "{name}");
    }
    scene.switch_off().await;
}

#[tokio::test]
async fn what_belongs_to_the_machine_cannot_be_touched() {
    let scene = Scene::new();
    let init = scene.init();
    scene.until("ssh", |status| matches!(status, ServiceStatus::Running { .. })).await;
    let refusals = [
        init.stop("ssh").await.unwrap_err(),
        init.remove("ssh").await.unwrap_err(),
        init.install(&shell("ssh", "true")).await.unwrap_err(),
        init.status("../../etc").await.unwrap_err(),
        init.start("nobody-knows").await.unwrap_err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, InitError::Refused { .. }), "{refusal:?}");
    }
    scene.pid("ssh").await;
    scene.switch_off().await;
}

#[tokio::test]
async fn there_are_so_many_services_and_not_one_more() {
    let scene = Scene::new();
    // One is there already: the built-in one.
    for number in 1..SERVICES_MAX {
        assert!(scene.init().install(&shell(&format!("app-{number}"), "true")).await.unwrap());
    }
    let refused = scene.init().install(&shell("one-more", "true")).await.unwrap_err();
    assert!(matches!(refused, InitError::Refused { .. }), "{refused:?}");
    scene.init().remove("app-1").await.unwrap();
    assert!(scene.init().install(&shell("one-more", "true")).await.unwrap());
    scene.switch_off().await;
}

#[tokio::test]
async fn so_many_clients_are_heard_and_the_next_one_waits() {
    let scene = Scene::new();
    let mut idle = Vec::new();
    for _ in 0..CLIENTS_MAX {
        idle.push(connect(scene.root.path()).await);
    }
    let init = scene.init();
    let mut next = std::pin::pin!(init.status("ssh"));
    assert!(timeout(Duration::from_millis(200), next.as_mut()).await.is_err());
    idle.pop();
    timeout(PATIENCE, next).await.unwrap().unwrap();
    scene.switch_off().await;
}

#[tokio::test]
async fn nonsense_ends_a_conversation_and_nothing_else() {
    let scene = Scene::new();
    let endless = vec![b'x'; 300 * 1024];
    for nonsense in [&b"{\"do\":\"stop\"}\n"[..], b"\n", b"{}\n", b"not json\n", &endless] {
        let mut stream = connect(scene.root.path()).await;
        // It may hang up while we still write.
        let _refused = stream.write_all(nonsense).await;
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
    scene.run(&shell("app", "exec sleep 1000")).await;
    scene.switch_off().await;
    let away = scene.init().status("app").await.unwrap_err();
    assert!(matches!(away, InitError::Away { .. }), "{away:?}");
}

async fn connect(root: &Path) -> UnixStream {
    UnixStream::connect(root.join("run/sluice/init.sock")).await.unwrap()
}
