//! A receiver of webhooks, as small as one can be: keeps what it was sent, answers what it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::eventually;

/// What the receiver answers when its script is over.
const FINE: u16 = 204;

/// One request that it was sent.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its head, in lower case but for values.
    head: String,
    /// Its body.
    pub body: String,
}

impl Received {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The id of the notice.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header("idempotency-key").unwrap_or_default()
    }

    /// The notice.
    ///
    /// # Errors
    /// If it is no JSON.
    pub fn notice(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| self.body.clone())
    }
}

/// What it does with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This status.
    Status(u16),
    /// Nothing, for as long as the sender waits.
    Silence,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    script: VecDeque<Answer>,
}

/// The running receiver.
pub struct Receiver {
    /// Where it is.
    pub url: String,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that answers as `script` says, and 204 after that.
    ///
    /// # Errors
    /// If it cannot listen.
    #[expect(clippy::disallowed_methods, reason = "ends with the receiver")]
    pub async fn start(script: &[Answer]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State { received: Vec::new(), script: script.iter().copied().collect() }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    // The sender may be killed in the middle: that is what some tests are about.
                    let _broken = serve(stream, &state).await;
                });
            }
        });
        Ok(Self { url, state, accepting })
    }

    /// Everything so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).received.clone()
    }

    /// Waits until it was sent so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually(&format!("{count} notices"), async || {
            let received = self.received();
            ensure!(received.len() >= count, "{received:?}");
            Ok(received)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Result<()> {
    let received = read(&mut stream).await?;
    let answer = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.received.push(received);
        state.script.pop_front().unwrap_or(Answer::Status(FINE))
    };
    match answer {
        Answer::Status(status) => {
            let text = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).await?;
        }
        Answer::Silence => {
            // Until the sender leaves.
            let _end = stream.read(&mut [0]).await?;
        }
    }
    Ok(())
}

async fn read(stream: &mut TcpStream) -> Result<Received> {
    let mut text = String::new();
    let mut part = [0; 4_096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let received = Received { head: head.to_owned(), body: body.to_owned() };
            let length: usize = received.header("content-length").context("a length")?.parse()?;
            if body.len() >= length {
                return Ok(received);
            }
        }
        let count = stream.read(&mut part).await?;
        ensure!(count > 0, "the request ends early");
        text.push_str(std::str::from_utf8(&part[..count])?);
    }
}
