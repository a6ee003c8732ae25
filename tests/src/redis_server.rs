//! A real `redis-server` of one test: own port, own folder, nothing persisted unless asked.

use anyhow::{Context, Result};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::eventually;
use crate::process::Process;

/// The running server.
pub struct RedisServer {
    /// The process.
    pub process: Process,
    port: u16,
    folder: TempDir,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If there is no `redis-server`, or it does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let process = launch(port, &folder)?;
        let server = Self { process, port, folder };
        server.ready().await;
        Ok(server)
    }

    /// Starts it again on the same port, after it was stopped.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = launch(self.port, &self.folder)?;
        self.ready().await;
        Ok(())
    }

    async fn ready(&self) {
        eventually("redis-server answers", async || {
            let pong: String = redis::cmd("PING").query_async(&mut self.connect().await?).await?;
            anyhow::ensure!(pong == "PONG", "{pong}");
            Ok(())
        })
        .await;
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection, as any other client would have.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        Ok(redis::Client::open(self.url())?.get_multiplexed_async_connection().await?)
    }

    /// `SET key value`, raw.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn set(&self, key: &str, value: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.set::<_, _, ()>(key, value).await?;
        Ok(())
    }
}

fn launch(port: u16, folder: &TempDir) -> Result<Process> {
    let binary = std::env::var("SLUICE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    let mut command = Command::new(binary);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(folder.path());
    Process::start("redis-server", &mut command).context("`cargo xtask test` finds or installs redis-server")
}
