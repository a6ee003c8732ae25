//! The access log: what a line says, where lines go, and what becomes of them when they cannot go there.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_policy::AccessLog;
use sluice_proxy::Settings;
use tempfile::TempDir;

use crate::client::{Client, eventually};
use crate::origin::{Origin, Plan};
use crate::router::{Router, everything_to, settings};
use crate::schema;

/// The same policy with a second server that nobody listens on.
fn beside_a_dead_server(origin: &Origin) -> String {
    everything_to(&[origin]).replace("servers = [", "servers = [\"127.0.0.1:1\", ")
}

struct Logged {
    router: Router,
    file: PathBuf,
    _folder: TempDir,
}

impl Logged {
    fn start(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.log");
        Self { router: logging_to(policy, &file), file, _folder: folder }
    }

    /// The lines so far, once there are as many.
    async fn lines(&self, count: usize) -> Vec<Value> {
        eventually("the lines are written", || lines(&self.file).len() >= count).await;
        lines(&self.file)
    }

    fn dropped(&self) -> u64 {
        self.router.shared.traffic.access_log_dropped()
    }
}

fn logging_to(policy: &str, file: &Path) -> Router {
    Router::start_with(policy, Settings { access_log: AccessLog::File(file.to_owned()), ..settings() })
}

/// Every line of a file, each held against the schema.
fn lines(file: &Path) -> Vec<Value> {
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/schema/access-log.schema.json")).unwrap();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let read = whole.map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        schema::check(&schema, &line, "line").unwrap_or_else(|error| panic!("{error} in {line}"));
        line
    });
    read.collect()
}

#[tokio::test]
async fn b28_a_line_says_what_became_of_a_request() {
    let origin = Origin::saying("hello").await;
    let log = Logged::start(&everything_to(&[&origin]));
    let mut client = log.router.client().await;
    let request = "POST /a/../cats?token=secret HTTP/1.1\r\nhost: Test:80\r\ncontent-length: 3\r\n\r\nabc";
    let reply = client.ask(request).await;
    let line = &log.lines(1).await[0];
    for (field, expected) in [
        ("client", Value::from("127.0.0.1")),
        ("protocol", "HTTP/1.1".into()),
        ("method", "POST".into()),
        ("host", "test".into()),
        ("path", "/cats".into()),
        ("status", 200.into()),
        ("reason", Value::Null),
        ("route", "app".into()),
        ("variant", Value::Null),
        ("upstream", "app".into()),
        ("server", origin.address.to_string().into()),
        ("attempts", 1.into()),
        ("bytes_in", 3.into()),
        ("bytes_out", 5.into()),
        ("revision", 1.into()),
        ("worker", 0.into()),
        ("request_id", reply.header("x-sluice-request-id").unwrap().into()),
        ("trace_id", origin.request().header("traceparent").unwrap()[3..35].into()),
    ] {
        assert_eq!(line[field], expected, "{field} in {line}");
    }
    assert!(line["upstream_us"].as_u64() <= line["duration_us"].as_u64(), "{line}");
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[tokio::test]
async fn b28_reasons_and_refused_heads_are_told() {
    let origin = Origin::saying("hello").await;
    let log =
        Logged::start(&everything_to(&[&origin]).replace("to = \"app\"", "hosts = [\"only.test\"]\nto = \"app\""));
    let mut client = log.router.client().await;
    assert_eq!(client.get("/nowhere").await.status, 404);
    assert_eq!(client.ask("GET /%00 HTTP/1.1\r\nhost: test\r\n\r\n").await.status, 400);
    let lines = log.lines(2).await;
    assert_eq!((&lines[0]["reason"], &lines[0]["path"]), (&"no_route".into(), &"/nowhere".into()));
    assert_eq!((&lines[1]["reason"], &lines[1]["path"]), (&"invalid_path".into(), &Value::Null));
    assert_eq!(lines[1]["trace_id"], Value::Null);
    let mut stranger = log.router.client().await;
    assert_eq!(stranger.ask("\x16\x03\x01 no HTTP\r\n\r\n").await.status, 400);
    let unread = &log.lines(3).await[2];
    assert_eq!((&unread["reason"], &unread["status"]), (&"malformed_head".into(), &400.into()));
    assert_eq!((&unread["request_id"], &unread["client"]), (&"".into(), &"127.0.0.1".into()));
    let reasons = &log.router.shared.traffic.worker(0).reasons;
    assert_eq!(reasons.of(sluice_snapshot::Reason::NoRoute), 1);
}

#[tokio::test]
async fn b28_hostile_bytes_stay_inside_their_text_and_long_ones_are_cut() {
    let origin = Origin::saying("hello").await;
    let log = Logged::start(&everything_to(&[&origin]));
    let mut client = log.router.client().await;
    client.ask("GET /%22\"'\\{}|\u{e9},\u{9b}2J HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client.ask(format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", "x".repeat(8_000))).await;
    client.ask(format!("{} / HTTP/1.1\r\nhost: test\r\n\r\n", "M".repeat(2_000))).await;
    let lines = log.lines(3).await;
    assert!(lines[1]["path"].as_str().unwrap().ends_with("x…"));
    assert!(lines[2]["method"].as_str().unwrap().ends_with("M…"));
}

#[tokio::test]
async fn a_client_that_leaves_is_told_and_so_is_a_retry() {
    let origin = Origin::raw(|stream, _| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let log = Logged::start(&everything_to(&[&origin]));
    let mut client = log.router.client().await;
    client.send("GET /left HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("it is on its way", || log.router.in_flight() == 1).await;
    drop(client);
    let line = &log.lines(1).await[0];
    assert_eq!((&line["reason"], &line["status"]), (&"client_gone".into(), &Value::Null));

    let origin = Origin::saying("hello").await;
    let log = Logged::start(&beside_a_dead_server(&origin));
    let mut client = log.router.client().await;
    let mut asked = 0;
    // The dead server is the first choice of some request before long.
    let retried = loop {
        assert_eq!(client.get("/").await.status, 200);
        asked += 1;
        let lines = log.lines(asked).await;
        if lines[asked - 1]["attempts"] == 2 {
            break lines[asked - 1].clone();
        }
    };
    assert_eq!(retried["retries"], serde_json::json!(["connection_refused"]));
    assert_eq!(retried["server"], origin.address.to_string());
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_opened_anew() {
    let origin = Origin::saying("hello").await;
    let log = Logged::start(&everything_to(&[&origin]));
    let mut client = log.router.client().await;
    client.get("/before").await;
    log.lines(1).await;
    let moved = log.file.with_extension("1");
    std::fs::rename(&log.file, &moved).unwrap();
    let mut asked = 1;
    while !log.file.exists() {
        client.get("/after").await;
        asked += 1;
        let in_both = || lines(&moved).len() + lines(&log.file).len();
        eventually("no line is lost", || in_both() == asked).await;
    }
    assert_eq!(log.dropped(), 0);
}

#[tokio::test]
async fn a_full_disk_drops_and_counts_and_heals_by_itself() {
    let origin = Origin::saying("hello").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    symlink("/dev/full", &file).unwrap();
    let router = logging_to(&everything_to(&[&origin]), &file);
    let mut client = router.client().await;
    client.get("/").await;
    let dropped = || router.shared.traffic.access_log_dropped();
    eventually("the line is counted as lost", || dropped() == 1).await;
    std::fs::remove_file(&file).unwrap();
    client.get("/again").await;
    eventually("the next one is written", || lines(&file).len() == 1).await;
    assert_eq!(dropped(), 1);
}

#[tokio::test]
async fn a_destination_that_stands_still_holds_no_request_and_no_shutdown() {
    let origin = Origin::start(|_| Plan::ok("x")).await;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    // Nobody reads the pipe: opening it blocks the writer for good.
    let router = logging_to(&everything_to(&[&origin]), &pipe);
    let mut client = router.client().await;
    let path = "x".repeat(1_000);
    let dropped = || router.shared.traffic.access_log_dropped();
    while dropped() == 0 {
        assert_eq!(client.get(&format!("/{path}")).await.status, 200);
    }
    drop(client);
    router.proxy.drain().await;
}

#[tokio::test]
async fn a_shutdown_writes_what_is_left() {
    let origin = Origin::saying("hello").await;
    let Logged { router, file, _folder } = Logged::start(&everything_to(&[&origin]));
    let mut client = Client::connect(router.address).await;
    for _ in 0..50 {
        client.get("/").await;
    }
    drop(client);
    router.proxy.drain().await;
    assert_eq!(lines(&file).len(), 50);
}
