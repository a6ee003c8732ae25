//! What the unit tests share: waiting for an outcome, and a real Redis server of their own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::args::RedisUrl;

/// Generous: a loaded machine must not fail a test.
const EVENTUALLY_MAX: Duration = Duration::from_secs(20);
const POLL_PAUSE: Duration = Duration::from_millis(10);

/// Waits until `holds`; panics if it never does.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + EVENTUALLY_MAX;
    while !holds().await {
        assert!(Instant::now() < end, "it never came true");
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// A redis-server on a port of its own, without files; gone when dropped.
pub(crate) struct RedisServer {
    process: Child,
    port: u16,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        // The port may be taken between choosing and using it: then the server ends, and another port is tried.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut server = Self { process: spawn(port), port };
            if server.is_up().await {
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> RedisUrl {
        format!("redis://127.0.0.1:{}", self.port).parse().unwrap()
    }

    pub(crate) async fn connect(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url().as_str()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts again, empty, on the same port.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(self.port);
        assert!(self.is_up().await);
    }

    /// Waits until our own process answers; false if it ended.
    async fn is_up(&mut self) -> bool {
        let client = redis::Client::open(self.url().as_str()).unwrap();
        let own_pid = format!("process_id:{}\r\n", self.process.id());
        let mut up = false;
        eventually(async || {
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                let info: Result<String, _> = redis::cmd("INFO").arg("server").query_async(&mut connection).await;
                up = info.is_ok_and(|info| info.contains(&own_pid));
            }
            up || self.process.try_wait().unwrap().is_some()
        })
        .await;
        up
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(port: u16) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need redis-server: apt-get install redis-server")
}
