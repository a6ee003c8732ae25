//! What is measured: three routers on one Redis, a stable and a canary server behind them, all in one temporary folder.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use super::origin;
use super::raw::RawClient;
use crate::demo::admin::Addresses;
use crate::demo::child::{self, Child};
use crate::demo::interrupts::Interrupts;
use crate::redis::REDIS;
use crate::say;

/// The plugins that the policy names.
pub(super) const PLUGINS: [&str; 3] = ["feature-flags", "canary", "upload-alert"];
/// Routers of the fleet.
pub(super) const ROUTERS: usize = 3;
/// Share of the canary, so that half of the load shows whether it is served.
const WEIGHT_PERCENT: f64 = 50.0;
/// For a program to come up, on a machine that is busy with a build.
const START_MAX: Duration = Duration::from_secs(60);
/// For one to end.
const STOP_MAX: Duration = Duration::from_secs(20);
/// For one answer of an admin port.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Everything that runs.
pub(super) struct Site {
    pub(super) routers: Vec<Addresses>,
    pub(super) redis: RawClient,
    agent: Agent,
    children: Vec<Child>,
    folder: TempDir,
}

impl Site {
    /// Starts it and waits until every router serves.
    pub(super) fn start(plugins: &Path, router: &Path, interrupts: &Interrupts) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluice-bench-").tempdir().context("create a folder")?;
        let mut children = Vec::new();
        let started = start(plugins, router, interrupts, folder.path(), &mut children);
        let (redis, routers) = match started {
            Ok(started) => started,
            Err(error) => {
                child::stop(&mut children, STOP_MAX, interrupts).ok();
                return Err(error);
            }
        };
        let config = Agent::config_builder().timeout_global(Some(ANSWER_MAX)).http_status_as_error(false).proxy(None);
        let mut site = Self { routers, redis, agent: config.build().into(), children, folder };
        site.redis.set("featureFlags", "false")?;
        let put = site.agent.put(format!("{}/v1/rollouts/bench", site.routers[0].admin));
        let answer = put.content_type("application/json").send(json!({ "weight": WEIGHT_PERCENT }).to_string())?;
        ensure!(answer.status() == 200, "the weight of the canary was not taken: {}", answer.status());
        site.await_state("running", interrupts)?;
        Ok(site)
    }

    /// Lifts an abort, and waits until every router knows.
    pub(super) fn resume(&self, interrupts: &Interrupts) -> Result<()> {
        let answer = self.agent.post(format!("{}/v1/rollouts/bench/resume", self.routers[0].admin)).send_empty()?;
        ensure!(answer.status() == 200, "the abort was not lifted: {}", answer.status());
        self.await_state("running", interrupts)
    }

    /// Until every router says that the rollout is in `state`.
    pub(super) fn await_state(&self, state: &str, interrupts: &Interrupts) -> Result<()> {
        for router in &self.routers {
            interrupts.wait("a router to follow the rollout", START_MAX, || {
                let url = format!("{}/v1/rollouts/bench", router.admin);
                let text = self.agent.get(url).call()?.body_mut().read_to_string()?;
                let rollout: Value = serde_json::from_str(&text).context("read a rollout")?;
                Ok((rollout["state"] == state).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Ends everything and removes the folder.
    pub(super) fn stop(mut self, interrupts: &Interrupts) -> Result<()> {
        let faults = child::stop(&mut self.children, STOP_MAX, interrupts)?;
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        self.folder.close().context("remove the temporary folder")
    }
}

fn start(
    plugins: &Path,
    router: &Path,
    interrupts: &Interrupts,
    folder: &Path,
    children: &mut Vec<Child>,
) -> Result<(RawClient, Vec<Addresses>)> {
    say::step(format_args!("starting Redis and {ROUTERS} routers"));
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut command = Command::new(REDIS.find()?);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder);
    children.push(Child::start("redis", command, "", folder)?);
    let redis = interrupts.wait("Redis to answer", START_MAX, || {
        let connected = RawClient::connect(port).and_then(|mut redis| redis.ping().map(|()| redis));
        Ok(connected.ok())
    })?;
    let policy = policy(&origin::start()?.to_string(), &origin::start()?.to_string());
    let mut routers = Vec::new();
    for number in 1..=ROUTERS {
        let home = folder.join(format!("router-{number}"));
        for name in ["routes.d", "plugins.d", "data"] {
            fs::create_dir_all(home.join(name)).with_context(|| format!("create {name}"))?;
        }
        fs::write(home.join("routes.d/bench.toml"), &policy)?;
        fs::write(home.join("sluice.toml"), process(port))?;
        for name in PLUGINS {
            let file = format!("{name}.wasm");
            fs::copy(plugins.join(&file), home.join("plugins.d").join(&file)).context("copy a plugin")?;
        }
        let mut command = Command::new(router);
        command.arg("run").arg("--config").arg(home.join("sluice.toml"));
        let mut child = Child::start(&format!("router-{number}"), command, "ready ", folder)?;
        let line = interrupts.wait("a router to listen", START_MAX, || match child.ended()? {
            Some(status) => anyhow::bail!("{}", child.obituary(status)),
            None => Ok(child.announced()),
        });
        children.push(child);
        let line = line?;
        routers.push(Addresses::from_line(&line).with_context(|| format!("read `{line}`"))?);
    }
    Ok((redis, routers))
}

fn process(redis_port: u16) -> String {
    format!(
        "access_log.to = \"off\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [store]\nurl = \"redis://127.0.0.1:{redis_port}\"\nedge = \"bench\"\n"
    )
}

/// The demo's plugins; `/set` is answered by the router itself, so that its gate is all that is asked.
fn policy(stable: &str, canary: &str) -> String {
    format!(
        r#"
[upstreams.stable]
servers = ["{stable}"]
[upstreams.canary]
servers = ["{canary}"]
[rollouts.bench]
key = "cookie:uid"
stable = "stable"
canary = "canary"
variants = {{ stable = "stable", canary = "canary" }}
[plugins.feature-flags]
file = "feature-flags.wasm"
grants = {{ state = ["flag:featureFlags"] }}
config = {{ gates = [{{ flag = "featureFlags", paths = ["/set"] }}] }}
[plugins.canary]
file = "canary.wasm"
grants = {{ state = ["rollout:bench"] }}
config = {{ rollout = "bench" }}
[plugins.upload-alert]
file = "upload-alert.wasm"
grants = {{ alerts = true, abort = true }}
config = {{ limit = "50000B", paths = ["/upload"], action = "abort_canary" }}
[[routes]]
name = "gated"
match = {{ path = {{ exact = "/set" }} }}
plugins = ["feature-flags"]
to = {{ builtin = "servers" }}
[[routes]]
name = "app"
rollout = "bench"
plugins = ["upload-alert", "canary"]
to = "stable"
"#
    )
}

#[cfg(test)]
mod tests {
    use sluice_policy::Source;

    use super::*;

    #[test]
    fn the_files_are_what_the_router_reads() {
        let source = |file: &str, text: String| Source { file: file.to_owned(), text };
        let policy = source("bench.toml", policy("127.0.0.1:1", "127.0.0.1:2"));
        sluice_policy::parse(&[policy]).unwrap_or_else(|faults| panic!("{faults}"));
        sluice_policy::parse_process(&source("sluice.toml", process(6379))).unwrap_or_else(|faults| panic!("{faults}"));
    }
}
