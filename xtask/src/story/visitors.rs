//! Who visits the edge: single requests of the story, and a steady stream in the background of which none may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

/// For one answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// Pause between two requests of the stream: enough of them to notice a gap of a tenth of a second, too few to be a load.
const PAUSE: Duration = Duration::from_millis(20);
/// Says which variant answered.
const VARIANT_HEADER: &str = "x-sluice-variant";

/// The edge as visitors see it.
#[derive(Clone)]
pub(super) struct Edge {
    address: String,
    agent: ureq::Agent,
}

impl Edge {
    /// At `http://HOST:PORT`.
    pub(super) fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).http_status_as_error(false);
        Self { address: address.to_owned(), agent: config.build().new_agent() }
    }

    /// Where it is.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The status of `GET path`.
    pub(super) fn status(&self, path: &str) -> Result<u16> {
        Ok(self.get(path, "ada")?.status().as_u16())
    }

    /// The body of `GET path`.
    pub(super) fn text(&self, path: &str) -> Result<String> {
        self.get(path, "ada")?.body_mut().read_to_string().with_context(|| format!("read {path}"))
    }

    /// How many of this many users the canary serves.
    pub(super) fn on_canary(&self, users: u32) -> Result<u32> {
        let mut canary = 0;
        for user in 0..users {
            let answer = self.get("/recent", &format!("user-{user}"))?;
            let variant = answer.headers().get(VARIANT_HEADER).and_then(|value| value.to_str().ok());
            canary += u32::from(variant == Some("canary"));
        }
        Ok(canary)
    }

    /// Uploads an image of this many bytes.
    pub(super) fn upload(&self, bytes: usize) -> Result<u16> {
        // By its first bytes it is a GIF, which is all that anybody looks at.
        let mut image = vec![0_u8; bytes];
        image.iter_mut().zip(*b"GIF89a").for_each(|(byte, magic)| *byte = magic);
        let sent = self.agent.post(format!("{}/upload", self.address)).content_type("image/gif").send(image);
        Ok(sent.context("upload an image")?.status().as_u16())
    }

    fn get(&self, path: &str, user: &str) -> Result<ureq::http::Response<ureq::Body>> {
        let request = self.agent.get(format!("{}{path}", self.address)).header("cookie", format!("uid={user}"));
        request.call().with_context(|| format!("GET {path} at the edge"))
    }
}

/// A steady stream of requests. None may fail, whatever the operators do.
pub(super) struct Stream {
    stop: Sender<()>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

impl Stream {
    /// Failures that are told one by one.
    const FAILURES_MAX: usize = 10;

    /// Begins.
    pub(super) fn start(edge: &Edge) -> Self {
        let (stop, stopped) = mpsc::channel();
        let sent = Arc::new(AtomicU64::new(0));
        let thread = thread::spawn({
            let (edge, sent) = (edge.clone(), Arc::clone(&sent));
            move || visit(&edge, &stopped, &sent)
        });
        Self { stop, sent, thread }
    }

    /// Ends it; the number of requests, and what went wrong with each that failed.
    pub(super) fn end(self) -> Result<(u64, Vec<String>)> {
        // The thread waits for this between two requests.
        drop(self.stop);
        let failures = self.thread.join().map_err(|_| anyhow!("the stream of visitors ended by itself"))?;
        Ok((self.sent.load(Ordering::Relaxed), failures))
    }
}

/// A request after each pause, until whoever holds the other end of `stopped` lets go of it.
fn visit(edge: &Edge, stopped: &Receiver<()>, sent: &AtomicU64) -> Vec<String> {
    let mut failures = Vec::new();
    while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) && failures.len() < Stream::FAILURES_MAX {
        let user = format!("visitor-{}", sent.fetch_add(1, Ordering::Relaxed) % 1_000);
        match edge.get("/recent", &user) {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => failures.push(format!("{user} got {}", answer.status())),
            Err(error) => failures.push(format!("{user}: {error:#}")),
        }
    }
    failures
}
