//! A real `redis-server` of one test, with its own folder, and its own address: a port that is free while the server
//! restarts could be taken by the server of another test, but nobody else has its loopback address.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::eventually;

/// Names the binary, if it is not in PATH.
const BINARY_VARIABLE: &str = "SLUICE_REDIS_SERVER";
/// Where the node of a Cluster listens to others: below the ports that the system gives out.
const CLUSTER_PORT: &str = "16379";
/// Servers that this process started; each process has fewer than 250 tests.
static STARTED: AtomicU8 = AtomicU8::new(0);

/// A server that ends with the test.
pub(crate) struct RedisServer {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
    arguments: &'static [&'static str],
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A Cluster of one node: it refuses what spans slots as any other.
    pub(crate) async fn start_cluster() -> Self {
        // Its second port is 10,000 above the first one by default, where there may be none.
        let server = Self::start_with(&["--cluster-enabled", "yes", "--cluster-port", CLUSTER_PORT]).await;
        let mut client = server.client().await;
        let () = client.send("CLUSTER ADDSLOTSRANGE 0 16383").await;
        eventually("the Cluster serves", async || {
            let info: String = client.send("CLUSTER INFO").await;
            info.contains("cluster_state:ok")
        })
        .await;
        server
    }

    async fn start_with(arguments: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind((own_address(), 0)).unwrap().local_addr().unwrap();
        let child = spawn(address, &folder, arguments);
        let mut server = Self { child, address, folder, arguments };
        server.answers().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// SIGKILL: nothing is saved.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGSTOP: connections stand, nothing answers.
    pub(crate) fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).unwrap()
    }

    /// Starts again on the same port; empty, unless it saved.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.address, &self.folder, self.arguments);
        self.answers().await;
    }

    /// Another client, as `redis-cli` would be.
    pub(crate) async fn client(&self) -> Client {
        let client = redis::Client::open(self.url()).unwrap();
        Client(client.get_multiplexed_async_connection().await.unwrap())
    }

    async fn answers(&mut self) {
        let client = redis::Client::open(self.url()).unwrap();
        let child = &mut self.child;
        eventually("redis-server answers", async || {
            assert!(child.try_wait().unwrap().is_none(), "redis-server ended");
            let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
            redis::cmd("PING").exec_async(&mut connection).await.is_ok()
        })
        .await;
    }
}

/// A client that knows nothing of Sluice.
pub(crate) struct Client(MultiplexedConnection);

impl Client {
    /// Sends a command as one would type it.
    pub(crate) async fn send<T: FromRedisValue>(&mut self, line: &str) -> T {
        let mut command = Cmd::new();
        for word in line.split(' ') {
            command.arg(word);
        }
        command.query_async(&mut self.0).await.unwrap()
    }

    /// Likewise, of any bytes.
    pub(crate) async fn send_bytes<T: FromRedisValue>(&mut self, words: &[&[u8]]) -> T {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.0).await.unwrap()
    }
}

/// An address in 127.0.0.0/8 that no other test has.
fn own_address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high, low, 1 + STARTED.fetch_add(1, Ordering::Relaxed))
}

fn spawn(address: SocketAddr, folder: &TempDir, arguments: &[&str]) -> Child {
    let binary = std::env::var(BINARY_VARIABLE).unwrap_or_else(|_unset| "redis-server".to_owned());
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let command = Command::new(&binary)
        .args(["--port", &port, "--bind", &host, "--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(folder.path())
        .args(arguments)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    command.unwrap_or_else(|error| {
        panic!("cannot start `{binary}` ({error}): `apt-get install redis-server`, or name it in {BINARY_VARIABLE}")
    })
}
