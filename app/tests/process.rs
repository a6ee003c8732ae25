//! The real process, from its line on stdout to its exit code: what only a running binary can show.

#![expect(clippy::unwrap_used, reason = "clippy sees no test in the helpers of an integration test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Generous: a loaded machine must not fail a test.
const EVENTUALLY_MAX: Duration = Duration::from_secs(30);

struct Meow {
    process: Child,
    /// `127.0.0.1:PORT`.
    address: String,
}

impl Meow {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_meow"))
            .arg("--data")
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening http://").expect("the line on stdout").to_owned();
        Self { process, address }
    }

    async fn get(&self, path: &str) -> reqwest::Result<(u16, String)> {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let answer = client.get(format!("http://{}{path}", self.address)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    async fn exit(&mut self) -> ExitStatus {
        let end = Instant::now() + EVENTUALLY_MAX;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it never exits");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Meow {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Sends the head of an upload of 10 bytes and the first 6, and leaves it there.
fn begin_upload(address: &str) -> TcpStream {
    let mut upload = TcpStream::connect(address).unwrap();
    upload.set_read_timeout(Some(EVENTUALLY_MAX)).unwrap();
    let head = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-type: image/gif\r\ncontent-length: 10\r\n\
                expect: 100-continue\r\n\r\n";
    upload.write_all(head.as_bytes()).unwrap();
    // The 100 says that the handler waits for the body.
    let mut line = String::new();
    BufReader::new(&upload).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 100"), "{line}");
    upload.write_all(b"GIF89a").unwrap();
    upload
}

#[tokio::test]
async fn two_processes_share_a_folder() {
    let data = tempfile::tempdir().unwrap();
    let stable = Meow::start(data.path(), &[]);
    let canary = Meow::start(data.path(), &["--release", "canary", "--id", "meow-2"]);
    assert_eq!(stable.get("/get").await.unwrap().0, 404);
    stable.get("/set").await.unwrap();
    let message = "this message will self-destruct in 10 seconds";
    assert_eq!(canary.get("/get").await.unwrap(), (200, message.to_owned()));
    assert_eq!(stable.get("/recent").await.unwrap().1, "/recent\n/get\n/set\n/get\n");
    assert!(canary.get("/version").await.unwrap().1.contains("\"id\":\"meow-2\""));
}

#[tokio::test]
async fn a_registry_that_is_away_does_not_keep_it_from_serving() {
    let data = tempfile::tempdir().unwrap();
    for registry in ["http://127.0.0.1:9", "redis://127.0.0.1:9"] {
        let meow = Meow::start(data.path(), &["--register", registry]);
        assert_eq!(meow.get("/healthz").await.unwrap(), (200, "ok\n".to_owned()));
    }
}

#[tokio::test]
async fn sigterm_lets_requests_in_flight_finish_and_exits_0() {
    let data = tempfile::tempdir().unwrap();
    let mut meow = Meow::start(data.path(), &[]);
    let mut upload = begin_upload(&meow.address);
    meow.signal(Signal::TERM);
    let end = Instant::now() + EVENTUALLY_MAX;
    while TcpStream::connect(&meow.address).is_ok() {
        assert!(Instant::now() < end, "it still accepts");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    upload.write_all(b"1234").unwrap();
    let answer = BufReader::new(&upload).lines().map_while(Result::ok).find(|line| line.starts_with("HTTP/1.1"));
    assert_eq!(answer.as_deref(), Some("HTTP/1.1 200 OK"));
    assert_eq!(meow.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let data = tempfile::tempdir().unwrap();
    let mut meow = Meow::start(data.path(), &[]);
    let _upload = begin_upload(&meow.address);
    let begun = Instant::now();
    meow.signal(Signal::INT);
    while TcpStream::connect(&meow.address).is_ok() {
        assert!(begun.elapsed() < EVENTUALLY_MAX, "it still accepts");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    meow.signal(Signal::TERM);
    assert_eq!(meow.exit().await.code(), Some(1));
}
