//! The system of the demo under a steady stream of requests while its store fails: what must be so before, during and
//! after, whatever the fault.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::Value;

use crate::load::Load;
use crate::router::Setup;
use crate::stack::{DEMO_POLICY, Stack};
use crate::{client, eventually, metrics};

/// Requests that are answered in each phase of a fault, at least.
const ANSWERS: u64 = 200;
/// The weight of the rollout, other than the one that the policy begins with.
const WEIGHT: f64 = 40.0;

/// The running system, with the flag on, the rollout at 40 % and three servers.
pub struct Scene {
    /// The system.
    pub stack: Stack,
    /// Runs while the router does.
    load: Option<Load>,
}

impl Scene {
    /// Starts it on the store at this URL.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start(store: &str) -> Result<Self> {
        Self::start_set_up(Setup::new(DEMO_POLICY, store)?).await
    }

    /// [`Scene::start`] with a router that was set up by the test.
    ///
    /// # Errors
    /// If a part does not start.
    pub async fn start_set_up(setup: Setup) -> Result<Self> {
        let stack = Stack::start_set_up(setup).await?;
        stack.set_flag(true).await?;
        stack.set_weight(WEIGHT).await?;
        let load = Some(Load::start(&stack.edge("/version")));
        let scene = Self { stack, load };
        scene.stands().await?;
        Ok(scene)
    }

    /// Waits until the outage is told by `/v1/status`, the metrics and the board, and checks that everything stands.
    ///
    /// # Errors
    /// If something does not stand.
    pub async fn away(&self) -> Result<()> {
        eventually("the outage is told", async || {
            let store = self.store().await?;
            ensure!(store["connected"] == false && store["age_ms"].as_u64() > Some(0), "{store}");
            ensure!(store["error"].is_string() && store["confirmed_ms"].is_u64(), "{store}");
            let connected = self.metric("sluice_store_connected").await?;
            let age = self.metric("sluice_store_state_age_seconds").await?;
            ensure!(connected.abs() < f64::EPSILON && age > 0.0, "connected {connected}, age {age}");
            Ok(())
        })
        .await;
        self.stack.router.fault("the store is away").await;
        self.stands().await
    }

    /// Waits until the router is well again, and checks that everything stands and that a write reaches the store.
    ///
    /// # Errors
    /// If something does not stand.
    pub async fn heals(&self) -> Result<()> {
        self.connected().await;
        self.stands().await?;
        self.writes().await
    }

    /// Waits until the store answers the router, and no fault stands.
    pub async fn connected(&self) {
        eventually("the store is back", async || {
            let store = self.store().await?;
            ensure!(store["connected"] == true && store["age_ms"] == 0, "{store}");
            Ok(())
        })
        .await;
        self.stack.router.healthy().await;
    }

    /// The router writes to the store and acts on it, both ways.
    ///
    /// # Errors
    /// If it does not act on it at once.
    pub async fn writes(&self) -> Result<()> {
        for (on, status) in [(false, StatusCode::NOT_FOUND), (true, StatusCode::OK)] {
            eventually("the store takes a write", async || self.stack.set_flag(on).await).await;
            self.set_is(status).await?;
        }
        Ok(())
    }

    /// Flag, rollout and servers are as they were, and requests are answered.
    ///
    /// # Errors
    /// If not.
    pub async fn stands(&self) -> Result<()> {
        self.answers().await?;
        self.set_is(StatusCode::OK).await?;
        let rollout = self.stack.rollout().await?;
        ensure!(rollout["weight"] == WEIGHT && rollout["state"] == "running", "{rollout}");
        let servers = self.stack.router.get("/v1/servers").await?;
        ensure!(servers.as_array().is_some_and(|servers| servers.len() == 3), "{servers}");
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// If a request has failed.
    pub async fn finish(mut self) -> Result<()> {
        self.end_load().await
    }

    /// Ends the router and starts it again on its folders and ports; the stream of requests pauses.
    ///
    /// # Errors
    /// If a request had failed before, or it does not start.
    pub async fn restart_router(&mut self) -> Result<()> {
        self.end_load().await?;
        let router = &mut self.stack.router;
        router.keep_ports()?;
        router.process.terminate().await?;
        router.restart().await?;
        self.load = Some(Load::start(&self.stack.edge("/version")));
        Ok(())
    }

    async fn end_load(&mut self) -> Result<()> {
        self.answers().await?;
        self.load.take().context("requests are sent")?.finish().await.context("traffic noticed")?;
        Ok(())
    }

    async fn answers(&self) -> Result<()> {
        self.load.as_ref().context("requests are sent")?.answers(ANSWERS).await;
        Ok(())
    }

    /// What `/set` answers: 200 while the flag is on, else 404.
    ///
    /// # Errors
    /// If it is answered otherwise.
    pub async fn set_is(&self, wanted: StatusCode) -> Result<()> {
        let found = client::http().get(self.stack.edge("/set")).send().await?.status();
        ensure!(found == wanted, "/set answers {found}, not {wanted}");
        Ok(())
    }

    /// The store as `/v1/status` shows it.
    ///
    /// # Errors
    /// If the admin port does not answer.
    pub async fn store(&self) -> Result<Value> {
        Ok(self.stack.router.get("/v1/status").await?["store"].clone())
    }

    async fn metric(&self, name: &str) -> Result<f64> {
        let text = client::http().get(format!("{}/metrics", self.stack.router.admin)).send().await?.text().await?;
        let sample = metrics::parse(&text)?.into_iter().find(|sample| sample.name == name);
        Ok(sample.with_context(|| format!("no {name}"))?.value)
    }
}
