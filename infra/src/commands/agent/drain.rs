//! `agent drain`, `agent undrain`: this machine takes no new requests, or takes them again.

use std::process::ExitCode;
use std::time::Duration;

use sluice_infra_deploy::droplet::DropletError;

use super::receive::{droplet, say};
use crate::runtime::block_on;

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Longest wait for requests in flight [default: the app's `drain`]
    #[arg(long, value_name = "SECONDS")]
    wait_seconds: Option<u64>,
}

/// Returns once nobody is served here any more, or the wait is over. A machine without an app has nothing to drain.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let droplet = match droplet(None) {
            Ok(droplet) => droplet,
            Err(error) if matches!(error.downcast_ref(), Some(DropletError::NoApp)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let left = droplet.drain(args.wait_seconds.map(Duration::from_secs)).await?;
        if left > 0 {
            say(&format!("the wait is over, and {left} connections still stand"));
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Takes it back.
pub(crate) fn undo() -> anyhow::Result<ExitCode> {
    block_on(async { Ok(droplet(None)?.undrain().await?) })?;
    Ok(ExitCode::SUCCESS)
}
