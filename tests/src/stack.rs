//! The system of the demo: a router, two stable and one canary `meow`, on either store.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Process, binary};
use crate::redis_server::RedisServer;
use crate::router::{Router, Setup};
use crate::{client, eventually};

/// The policy of `cargo xtask demo`.
pub const DEMO_POLICY: &str = include_str!("../../app/demo/routes.d/demo.toml");

/// Which store the system runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// In the router's process.
    Embedded,
    /// A real `redis-server`.
    Redis,
}

/// The whole system. Everything ends when it is dropped.
pub struct Stack {
    /// The router.
    pub router: Router,
    /// `stable-1`, `stable-2`, `canary-1`.
    pub servers: Vec<Meow>,
    /// The Redis of [`StoreKind::Redis`].
    pub redis: Option<RedisServer>,
    _data: TempDir,
}

/// One application server.
pub struct Meow {
    /// Its id in the store.
    pub id: String,
    /// The process.
    pub process: Process,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Stack {
    /// Starts it and waits until all three servers hold leases and the flag `featureFlags` is off.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start(kind: StoreKind) -> Result<Self> {
        Self::start_with(kind, DEMO_POLICY).await
    }

    /// [`Stack::start`] with another policy.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_with(kind: StoreKind, policy: &str) -> Result<Self> {
        let redis = match kind {
            StoreKind::Embedded => None,
            StoreKind::Redis => Some(RedisServer::start().await?),
        };
        let store = redis.as_ref().map_or_else(|| "embedded".to_owned(), RedisServer::url);
        Self::start_on(Setup::new(policy, &store)?, redis).await
    }

    /// [`Stack::start`] on the embedded store, with a router whom permissions stop: see [`Setup::unprivileged`].
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_unprivileged() -> Result<Self> {
        Self::start_on(Setup::new(DEMO_POLICY, "embedded")?.unprivileged()?, None).await
    }

    /// [`Stack::start`] on the store at this URL. Servers register through the router, and share a folder.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_at(store: &str) -> Result<Self> {
        Self::start_on(Setup::new(DEMO_POLICY, store)?, None).await
    }

    /// [`Stack::start_at`] with a router that was set up by the test.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_set_up(setup: Setup) -> Result<Self> {
        Self::start_on(setup, None).await
    }

    async fn start_on(setup: Setup, redis: Option<RedisServer>) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let router = setup.start().await?;
        let (data_url, register) = match &redis {
            Some(redis) => (redis.url(), redis.url()),
            None => (data.path().display().to_string(), router.admin.clone()),
        };
        let mut servers = Vec::new();
        for (id, release) in [("stable-1", "stable"), ("stable-2", "stable"), ("canary-1", "canary")] {
            servers.push(Meow::start(id, release, &data_url, &register).await?);
        }
        let stack = Self { router, servers, redis, _data: data };
        stack.settle().await?;
        Ok(stack)
    }

    async fn settle(&self) -> Result<()> {
        eventually("three servers hold leases", async || {
            let servers = self.router.get("/v1/servers").await?;
            anyhow::ensure!(servers.as_array().is_some_and(|servers| servers.len() == 3), "{servers}");
            Ok(())
        })
        .await;
        self.set_flag(false).await
    }

    /// `http://127.0.0.1:PORT/path` on the edge.
    #[must_use]
    pub fn edge(&self, path: &str) -> String {
        format!("{}{path}", self.router.edge)
    }

    /// Writes the flag `featureFlags` through the admin API.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn set_flag(&self, value: bool) -> Result<()> {
        let url = format!("{}/v1/flags/featureFlags", self.router.admin);
        client::json(client::http().put(url).json(&json!({ "value": value }))).await?;
        Ok(())
    }

    /// Sets the weight of the rollout `demo`, in percent.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn set_weight(&self, percent: f64) -> Result<Value> {
        let url = format!("{}/v1/rollouts/demo", self.router.admin);
        client::json(client::http().put(url).json(&json!({ "weight": percent }))).await
    }

    /// The rollout `demo` as the admin API shows it.
    ///
    /// # Errors
    /// If the admin port does not answer.
    pub async fn rollout(&self) -> Result<Value> {
        self.router.get("/v1/rollouts/demo").await
    }

    /// All alerts, newest first.
    ///
    /// # Errors
    /// If the admin port does not answer.
    pub async fn alerts(&self) -> Result<Vec<Value>> {
        self.router.get("/v1/alerts").await?.as_array().cloned().context("alerts are a list")
    }
}

impl Meow {
    /// Starts one server and waits until it listens.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(id: &str, release: &str, data: &str, register: &str) -> Result<Self> {
        let mut command = Command::new(binary("meow")?);
        command.args(["--listen", "127.0.0.1:0", "--release", release, "--data", data, "--register", register]);
        command.args(["--id", id, "--edge", "test"]);
        let mut process = Process::start(id, &mut command)?;
        let url = process.line("listening ").await?;
        Ok(Self { id: id.to_owned(), process, url })
    }
}
