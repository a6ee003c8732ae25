//! What the demo asks of the router: whether it is ready, its admin API, and one request through the edge.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use ureq::Agent;

use crate::say;

/// For one answer on the same machine, a slow first request included.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The rollout of the demo's policy and the weight it starts with, in percent.
const ROLLOUT: &str = "demo";
const WEIGHT_PERCENT: f64 = 25.0;
/// Says which variant answered.
const VARIANT_HEADER: &str = "x-sluice-variant";

/// Where a running router listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// `http://127.0.0.1:8080`
    pub(crate) edge: String,
    /// `http://127.0.0.1:9900`
    pub(crate) admin: String,
}

impl Addresses {
    /// Reads `ready edge=http://127.0.0.1:8080 admin=http://127.0.0.1:9900`.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let part = |name| line.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        Some(Self { edge: part("edge=")?, admin: part("admin=")? })
    }
}

/// A client of one router.
pub(super) struct Router<'a> {
    agent: Agent,
    addresses: &'a Addresses,
}

impl<'a> Router<'a> {
    /// Connects when it asks.
    pub(super) fn new(addresses: &'a Addresses) -> Self {
        let config = Agent::config_builder().timeout_global(Some(ANSWER_MAX)).http_status_as_error(false).proxy(None);
        Self { agent: config.build().into(), addresses }
    }

    /// Whether it takes traffic; one that does not answer yet is not ready.
    pub(super) fn is_ready(&self) -> bool {
        let answer = self.agent.get(format!("{}/readyz", self.addresses.admin)).call();
        answer.is_ok_and(|response| response.status() == 200)
    }

    /// Whether a request through the edge reaches a server.
    pub(super) fn serves(&self) -> bool {
        let answer = self.agent.get(format!("{}/get", self.addresses.edge)).call();
        answer.is_ok_and(|response| {
            !response.status().is_server_error() && response.headers().contains_key(VARIANT_HEADER)
        })
    }

    /// The addresses of all servers that hold a lease.
    pub(super) fn servers(&self) -> Result<Vec<String>> {
        let servers = self.get("/v1/servers")?;
        let servers = servers.as_array().context("read the list of servers")?;
        Ok(servers.iter().filter_map(|server| server["addr"].as_str()).map(str::to_owned).collect())
    }

    /// `featureFlags` off, the rollout running at its first weight: also on a store that remembers an earlier demo.
    pub(super) fn reset(&self) -> Result<()> {
        self.put("/v1/flags/featureFlags", &json!({ "value": false }))?;
        let path = format!("/v1/rollouts/{ROLLOUT}");
        let before = self.get(&path)?;
        let state = before["state"].as_str().with_context(|| format!("read the state of rollout {ROLLOUT}"))?;
        if state == "aborted" || state == "paused" {
            self.post(&format!("{path}/resume"))?;
        }
        let after = self.put(&path, &json!({ "weight": WEIGHT_PERCENT }))?;
        ensure!(after["state"] == "running", "rollout {ROLLOUT} is {} and not running", after["state"]);
        if before["state"] != after["state"] || before["weight"] != after["weight"] {
            say::note(format_args!(
                "rollout {ROLLOUT} was {state} with {} % in this store: running with {WEIGHT_PERCENT} % again",
                before["weight"]
            ));
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Result<Value> {
        answer(path, self.agent.get(self.admin(path)).call())
    }

    fn put(&self, path: &str, body: &Value) -> Result<Value> {
        answer(path, self.agent.put(self.admin(path)).content_type("application/json").send(body.to_string()))
    }

    fn post(&self, path: &str) -> Result<Value> {
        answer(path, self.agent.post(self.admin(path)).send_empty())
    }

    fn admin(&self, path: &str) -> String {
        format!("{}{path}", self.addresses.admin)
    }
}

fn answer(path: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
    let mut response = answer.with_context(|| format!("ask the router for {path}"))?;
    let body = response.body_mut().read_to_string().with_context(|| format!("read the answer of {path}"))?;
    ensure!(response.status().is_success(), "the router answers {} to {path}: {body}", response.status());
    serde_json::from_str(&body).with_context(|| format!("read the answer of {path}: {body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_ready_line() {
        let addresses = Addresses::from_line("ready edge=http://127.0.0.1:1 admin=http://127.0.0.1:2");
        let expected = Addresses { edge: "http://127.0.0.1:1".to_owned(), admin: "http://127.0.0.1:2".to_owned() };
        assert_eq!(addresses, Some(expected));
        assert_eq!(Addresses::from_line("ready edge=http://127.0.0.1:1"), None);
    }
}
