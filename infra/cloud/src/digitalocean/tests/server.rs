//! A server that does one scripted thing per connection, sane or not, and keeps what it was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::digitalocean::DigitalOcean;

/// No secret of anyone.
pub(super) const TOKEN: &str = "canary-token-0123456789";

/// What is done with one request.
pub(super) enum Step {
    /// It is answered: status, further header lines, body.
    Answer(u16, String, String),
    /// Status and the first half of the body, then the connection ends.
    Half(u16, String),
    /// The request is read, and the connection ends.
    Reset,
    /// The request is read, and nothing ever comes.
    Silence,
}

pub(super) fn answer(status: u16, body: &str) -> Step {
    Step::Answer(status, String::new(), body.to_owned())
}

/// Runs as long as it is held.
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// One step per connection; after the last one, connections end at once.
    pub(super) async fn start(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::with(|_| steps.into_iter().collect()).await
    }

    /// The same; steps may name the server's own address.
    pub(super) async fn with(steps: impl FnOnce(&str) -> VecDeque<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (steps, seen) = (steps(&url), Arc::<Mutex<Vec<String>>>::default());
        let mut task = JoinSet::new();
        task.spawn(run(listener, steps, Arc::clone(&seen)));
        Self { url, seen, _task: task }
    }

    pub(super) fn client(&self) -> DigitalOcean {
        DigitalOcean::simulator(self.url.clone(), TOKEN.to_owned()).unwrap()
    }

    /// Every request so far, as it came.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn run(listener: TcpListener, mut steps: VecDeque<Step>, seen: Arc<Mutex<Vec<String>>>) {
    // Connections that stay silent stay open.
    let mut silent = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let request = request(&mut stream).await;
        if request.is_empty() {
            continue;
        }
        seen.lock().unwrap().push(request);
        match steps.pop_front() {
            Some(Step::Answer(status, headers, body)) => {
                respond(&mut stream, status, &headers, &body, body.len()).await
            }
            Some(Step::Half(status, body)) => respond(&mut stream, status, "", &body, body.len() / 2).await,
            Some(Step::Silence) => silent.push(stream),
            Some(Step::Reset) | None => {}
        }
    }
}

async fn respond(stream: &mut TcpStream, status: u16, headers: &str, body: &str, sent_bytes: usize) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Word\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    let bytes = [head.as_bytes(), &body.as_bytes()[..sent_bytes]].concat();
    // The client may leave before the end of a body that is too long for it.
    drop(stream.write_all(&bytes).await);
}

/// Head and body of a request.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap_or(0);
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return String::new();
            }
            continue;
        };
        let lines = head.lines().map(str::to_lowercase);
        let length = lines.filter_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).next();
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}
