//! A real `redis-server` of one test: own address, own folder, nothing persisted unless asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::eventually;
use crate::process::Process;

/// Servers that this process started; each process has fewer than 250 of them.
static STARTED: AtomicU8 = AtomicU8::new(0);

/// The running server.
pub struct RedisServer {
    /// The process.
    pub process: Process,
    /// Where it listens in the clear.
    pub address: SocketAddr,
    arguments: Vec<String>,
    folder: TempDir,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If there is no `redis-server`, or it does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// [`RedisServer::start`] with more arguments.
    ///
    /// # Errors
    /// If there is no `redis-server`, or it does not start.
    pub async fn start_with(arguments: &[&str]) -> Result<Self> {
        // Nobody else has this address, so its ports stay free while the server restarts.
        let address = TcpListener::bind((own_address(), 0)).await?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let process = launch(address, &arguments, &folder)?;
        let server = Self { process, address, arguments, folder };
        server.ready().await;
        Ok(server)
    }

    /// Starts it again on the same port, after it was stopped.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = launch(self.address, &self.arguments, &self.folder)?;
        self.ready().await;
        Ok(())
    }

    /// Stops it and starts it again with these arguments beside those it had.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart_with(&mut self, arguments: impl IntoIterator<Item = String>) -> Result<()> {
        self.arguments.extend(arguments);
        self.kill().await?;
        self.restart().await
    }

    /// SIGKILL, to its end.
    ///
    /// # Errors
    /// If it had ended before.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.signal("KILL").await?;
        self.process.wait().await.map(drop)
    }

    async fn ready(&self) {
        eventually("redis-server answers", async || {
            let pong: String = self.ask("PING").await?;
            anyhow::ensure!(pong == "PONG", "{pong}");
            Ok(())
        })
        .await;
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// A connection, as any other client would have.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        Ok(redis::Client::open(self.url())?.get_multiplexed_async_connection().await?)
    }

    /// A command as one would type it into `redis-cli`, and its answer.
    ///
    /// # Errors
    /// If it is not answered, or with an error.
    pub async fn ask<T: FromRedisValue>(&self, line: &str) -> Result<T> {
        let mut words = line.split_whitespace();
        let mut command = redis::cmd(words.next().context("a command")?);
        words.for_each(|word| _ = command.arg(word));
        command.query_async(&mut self.connect().await?).await.with_context(|| format!("{line} at {}", self.address))
    }

    /// [`RedisServer::ask`], where only an error would be news.
    ///
    /// # Errors
    /// If it is not answered, or with an error.
    pub async fn tell(&self, line: &str) -> Result<()> {
        self.ask::<redis::Value>(line).await.map(drop)
    }

    /// `SET key value`, raw.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn set(&self, key: &str, value: &str) -> Result<()> {
        self.tell(&format!("SET {key} {value}")).await
    }
}

/// An address in 127.0.0.0/8 that no other test has.
pub(crate) fn own_address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high, low, 2 + STARTED.fetch_add(1, Ordering::Relaxed))
}

/// The program that `cargo xtask test` found, or the one on `PATH`.
pub(crate) fn program() -> Command {
    Command::new(std::env::var("SLUICE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned()))
}

fn launch(address: SocketAddr, arguments: &[String], folder: &TempDir) -> Result<Process> {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = program();
    command.args(["--port", &port, "--bind", &host, "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(folder.path()).args(arguments);
    Process::start("redis-server", &mut command).context("`cargo xtask test` finds or installs redis-server")
}
