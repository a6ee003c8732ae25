//! `agent traffic`: what the router of this machine has counted, as JSON: what the controller asks for over ssh. The admin port
//! that tells it is on the loopback of this machine and stays there.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sluice_infra_host::{AgentConfig, Layout};
use sluice_infra_monitor::traffic;

use crate::print;
use crate::runtime::block_on;

/// Longest wait for the router on this same machine.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Most that is read of its metrics, in bytes; those of 100 routes with two variants each are 500 KiB.
const METRICS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Prints what the router counted.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let file = Layout::of_this_machine().agent_config();
    let text = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let config: AgentConfig =
        serde_json::from_slice(&text).with_context(|| format!("understand {}", file.display()))?;
    let source = config.traffic.context("this machine is no router")?;
    let url = format!("http://{}/metrics", source.admin);
    let metrics = block_on(metrics(&url))?;
    let counted = traffic::read(&metrics, &source, sluice_infra_plan::state::now_ms());
    print::line(&counted.context("what answers there is no router")?)?;
    Ok(ExitCode::SUCCESS)
}

async fn metrics(url: &str) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().context("make an HTTP client")?;
    let mut answer = client.get(url).send().await.context("ask the router")?;
    ensure!(answer.status().is_success(), "the router answers {}", answer.status());
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.context("read the router's metrics")? {
        ensure!(body.len() + part.len() <= METRICS_BYTES_MAX, "its metrics are more than {METRICS_BYTES_MAX} bytes");
        body.extend_from_slice(&part);
    }
    String::from_utf8(body).context("read the router's metrics as text")
}
