//! `agent run`: the daemon of a droplet. It measures the machine, shows that as metrics, and holds the leases of its releases.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use sluice_infra_deploy::droplet::{Beat, Droplet, DropletError, Heart};
use sluice_infra_host::{AgentConfig, Layout, init};
use sluice_infra_monitor::exposition::Agent;
use sluice_infra_monitor::{Measures, Sampler, serve};
use sluice_model::lease::HEARTBEAT;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::runtime::block_on;

/// Measures, shows and holds until SIGTERM. Services belong to the init and stay as they are.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let layout = Layout::of_this_machine();
    let file = layout.agent_config();
    let text = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let config: AgentConfig =
        serde_json::from_slice(&text).with_context(|| format!("understand {}", file.display()))?;
    block_on(async {
        let stop = CancellationToken::new();
        let (figures, shown) = watch::channel(None);
        let address = SocketAddr::new(config.address, config.metrics_port);
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        info!(droplet = config.droplet, %address, "watching");
        tokio::select! {
            served = serve(address, shown, stop.clone()) => served?,
            beaten = beat(&layout, &config, &figures) => beaten?,
            _terminate = terminate.recv() => {}
        }
        stop.cancel();
        Ok(ExitCode::SUCCESS)
    })
}

/// Round after round. A release that comes later is found by the next round; an app that comes later starts us anew.
async fn beat(
    layout: &Layout,
    config: &AgentConfig,
    figures: &watch::Sender<Option<(Measures, Agent)>>,
) -> anyhow::Result<()> {
    let droplet = match &config.app {
        Some(_) => Some(Droplet::open(layout.clone(), init::of_this_machine(layout))?),
        None => None,
    };
    let heart = droplet.as_ref().map(Droplet::heart).transpose()?;
    let mut sampler = Sampler::new(layout.clone(), config);
    let mut said = Said::default();
    let mut pace = interval(HEARTBEAT);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let (back, measures) = tokio::task::spawn_blocking(move || {
            let measures = sampler.sample();
            (sampler, measures)
        })
        .await
        .context("measure the machine")?;
        sampler = back;
        let measures = match measures {
            Ok(measures) => measures,
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "not measured");
                continue;
            }
        };
        let beat = match (&droplet, &heart) {
            (Some(droplet), Some(heart)) => said.note(renew(droplet, heart, &measures).await),
            _ => Beat::default(),
        };
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let agent = Agent {
            droplet: config.droplet.clone(),
            pool: config.pool.clone(),
            serving: count(beat.renewed.len()),
            unfit: count(beat.unfit.len()),
        };
        figures.send_replace(Some((measures, agent)));
    }
}

async fn renew(droplet: &Droplet, heart: &Heart, measures: &Measures) -> Result<Beat, DropletError> {
    #[expect(clippy::cast_possible_truncation, reason = "percent, of which a lease shows some digits")]
    let percent = |percent: f64| percent as f32;
    droplet.beat(heart, measures.cpu.map(percent), Some(percent(measures.memory))).await
}

/// What was logged last, so that each change is said once.
#[derive(Default)]
struct Said {
    fault: Option<String>,
    unfit: Vec<(String, String)>,
}

impl Said {
    fn note(&mut self, beat: Result<Beat, DropletError>) -> Beat {
        match beat {
            Ok(beat) => {
                if self.fault.take().is_some() {
                    info!("leases are renewed again");
                }
                if self.unfit != beat.unfit {
                    beat.unfit
                        .iter()
                        .for_each(|(lease, reason)| warn!(lease, reason, "not fit: its lease is not renewed"));
                    self.unfit.clone_from(&beat.unfit);
                }
                beat
            }
            Err(error) => {
                let fault = error.to_string();
                if self.fault.as_ref() != Some(&fault) {
                    warn!(error = &error as &dyn std::error::Error, "leases are not renewed, trying on");
                    self.fault = Some(fault);
                }
                Beat::default()
            }
        }
    }
}
