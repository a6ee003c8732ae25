//! A master, its replica, and three Sentinels that watch them: real processes, on addresses of their own.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::eventually;
use crate::process::Process;
use crate::redis_server::{RedisServer, own_address, program};

/// The name that the Sentinels know the master by.
pub const MASTER: &str = "sluice";
const SENTINELS: usize = 3;

/// The running five.
pub struct SentinelTrio {
    /// The first master, then its replica.
    pub servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl SentinelTrio {
    /// Starts all and waits until every Sentinel knows the others and the replica.
    ///
    /// # Errors
    /// If one does not start.
    pub async fn start() -> Result<Self> {
        let master = RedisServer::start().await?;
        let replica = RedisServer::start().await?;
        for server in [&master, &replica] {
            // Else the other side sees the address that the kernel chose for the connection.
            server.tell(&format!("CONFIG SET replica-announce-ip {}", server.address.ip())).await?;
        }
        let (host, port) = (master.address.ip(), master.address.port());
        replica.tell(&format!("REPLICAOF {host} {port}")).await?;
        eventually("the replica follows", async || {
            let state: String = replica.ask("INFO replication").await?;
            ensure!(state.contains("master_link_status:up"), "{state}");
            Ok(())
        })
        .await;
        let mut sentinels = Vec::new();
        for _ in 0..SENTINELS {
            sentinels.push(Sentinel::start(master.address).await?);
        }
        let trio = Self { servers: [master, replica], sentinels };
        for sentinel in &trio.sentinels {
            sentinel.knows_all().await;
        }
        Ok(trio)
    }

    /// The URL of the store.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|sentinel| sentinel.address.to_string()).collect();
        format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
    }

    /// A failover that an operator asks for.
    ///
    /// # Errors
    /// If the Sentinel refuses.
    pub async fn fail_over(&self) -> Result<()> {
        let mut connection = self.sentinels[0].connect().await?;
        Ok(redis::cmd("SENTINEL").arg("FAILOVER").arg(MASTER).exec_async(&mut connection).await?)
    }

    /// Waits until every Sentinel names the server with this number.
    pub async fn leads(&self, server: usize) {
        let wanted = self.servers[server].address;
        for sentinel in &self.sentinels {
            eventually("the Sentinels agree on the master", async || {
                let (host, port): (String, u16) = sentinel.ask("GET-MASTER-ADDR-BY-NAME").await?;
                ensure!(format!("{host}:{port}") == wanted.to_string(), "{host}:{port}");
                Ok(())
            })
            .await;
        }
    }
}

impl Sentinel {
    async fn start(master: SocketAddr) -> Result<Self> {
        let address = TcpListener::bind((own_address(), 0)).await?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, configuration(address, master, folder.path()))?;
        let process = Process::start("redis-sentinel", program().arg(&file).arg("--sentinel"))
            .context("`cargo xtask test` finds or installs redis-server")?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    async fn connect(&self) -> Result<MultiplexedConnection> {
        let client = redis::Client::open(format!("redis://{}", self.address))?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    async fn ask<T: redis::FromRedisValue>(&self, question: &str) -> Result<T> {
        Ok(redis::cmd("SENTINEL").arg(question).arg(MASTER).query_async(&mut self.connect().await?).await?)
    }

    async fn knows_all(&self) {
        eventually("a Sentinel knows the others and the replica", async || {
            let (others, replicas): (Vec<redis::Value>, Vec<redis::Value>) =
                (self.ask("SENTINELS").await?, self.ask("REPLICAS").await?);
            ensure!(others.len() == SENTINELS - 1 && replicas.len() == 1, "{} and {}", others.len(), replicas.len());
            Ok(())
        })
        .await;
    }
}

/// A master that does not answer for a second is down when two say so.
fn configuration(address: SocketAddr, master: SocketAddr, folder: &Path) -> String {
    let (host, port, folder) = (address.ip(), address.port(), folder.display());
    let (master_host, master_port) = (master.ip(), master.port());
    format!(
        "bind {host}\nport {port}\ndir {folder}\nsentinel announce-ip {host}\n\
         sentinel monitor {MASTER} {master_host} {master_port} 2\n\
         sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 5000\n"
    )
}
