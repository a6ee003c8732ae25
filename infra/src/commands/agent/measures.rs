//! `agent measures`: the last figures of this machine, as JSON: what the controller asks for over ssh, so that no port of a machine need
//! be open for it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sluice_infra_host::{AgentConfig, Layout};

use crate::print;
use crate::runtime::block_on;

/// Longest wait for the daemon on this same machine.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Prints what the daemon measured last.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let file = Layout::of_this_machine().agent_config();
    let text = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let config: AgentConfig =
        serde_json::from_slice(&text).with_context(|| format!("understand {}", file.display()))?;
    let url = format!("http://{}/measures", std::net::SocketAddr::new(config.address, config.metrics_port));
    let body = block_on(async {
        let client =
            reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().context("make an HTTP client")?;
        let answer = client.get(&url).send().await.context("ask the agent's daemon")?;
        ensure!(answer.status().is_success(), "the agent's daemon answers {}", answer.status());
        answer.text().await.context("read what the agent's daemon measured")
    })?;
    print::text(&body)?;
    Ok(ExitCode::SUCCESS)
}
