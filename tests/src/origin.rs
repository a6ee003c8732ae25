//! A server whose answers a test chooses while it runs, and an audience of many users that asks all the time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::client;

/// From one request of the audience to the next.
const PACE: Duration = Duration::from_millis(8);
/// Users of the audience: enough that each slot of a hundred has some.
const USERS: u64 = 2_000;

/// The server; gone with its drop.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    status: Arc<AtomicU16>,
    _accepting: JoinSet<()>,
}

impl Origin {
    /// Answers every request without a body with `status`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(status: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let status = Arc::new(AtomicU16::new(status));
        let (mut accepting, answers) = (JoinSet::new(), Arc::clone(&status));
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                // One that breaks off is the router's to notice.
                connections.spawn(async move { drop(serve(connection, &answers).await) });
            }
        });
        Ok(Self { address, status, _accepting: accepting })
    }

    /// Answers with this from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

async fn serve(mut connection: TcpStream, status: &AtomicU16) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        while let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            buffer.drain(..at + 4);
            let answer = format!("HTTP/1.1 {} -\r\ncontent-length: 2\r\n\r\nok", status.load(Ordering::Relaxed));
            connection.write_all(answer.as_bytes()).await?;
        }
        ensure!(connection.read_buf(&mut buffer).await? > 0, "closed");
    }
}

/// Users that ask again and again; they leave with its drop.
pub struct Audience {
    asked: Arc<AtomicU64>,
    _asking: JoinSet<()>,
}

impl Audience {
    /// Each of `urls` is asked every few milliseconds, each time by another user, known by `x-user`. What is answered does
    /// not matter.
    #[must_use]
    pub fn start(urls: Vec<String>) -> Self {
        let asked = Arc::new(AtomicU64::new(0));
        let mut asking = JoinSet::new();
        for url in urls {
            asking.spawn(ask(url, Arc::clone(&asked)));
        }
        Self { asked, _asking: asking }
    }

    /// Requests that were answered so far.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn ask(url: String, asked: Arc<AtomicU64>) {
    let client = client::keep_alive();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for user in (0..USERS).cycle() {
        pace.tick().await;
        if let Ok(answer) = client.get(&url).header("x-user", user.to_string()).send().await {
            drop(answer.bytes().await);
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}
