//! `controller`: watches the fleet, raises alerts, scales, until it is ended.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::{controller, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Needs ssh to the droplets, nothing else: figures and the store are reached through it. Run it where infra.toml and its
`.sluice-infra` are. Several may run: one leads, and another one goes on if it ends.

  sluice-infra controller &
  sluice-infra scale explain production        what it decided, and why")]
pub(crate) struct Args {}

/// Runs it.
pub(crate) fn run(_args: &Args, context: Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let controlling = controller::run(Arc::new(context), stop.clone());
        tokio::pin!(controlling);
        tokio::select! {
            ended = &mut controlling => ended?,
            _signal = async { tokio::select! { _term = terminate.recv() => {}, _int = interrupt.recv() => {} } } => {
                stop.cancel();
                controlling.await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}
