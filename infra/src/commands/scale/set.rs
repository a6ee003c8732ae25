//! `scale set`, `scale auto`: an operator's word on how many droplets a pool has, until taken back.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use sluice_infra_plan::State;
use sluice_infra_plan::lock::who;

use crate::context::Context;
use crate::controller::fix;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The controller brings it about with its next round, drained and within `min` and `max`.

  sluice-infra scale set production 4
  sluice-infra scale auto production        the controller decides again")]
pub(crate) struct SetArgs {
    /// The pool
    pool: String,

    /// How many droplets
    droplets: u32,
}

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct AutoArgs {
    /// The pool
    pool: String,
}

/// Sets it.
pub(crate) fn set(args: &SetArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let spec = context.spec()?;
    let scale = spec.pool(&args.pool).and_then(|pool| pool.scale.as_ref());
    let scale = scale.with_context(|| format!("no pool `{}` with `scale` is in the file", args.pool))?;
    let (min, max) = (scale.min, scale.max);
    ensure!(
        (min..=max).contains(&args.droplets),
        "{} has from {min} to {max} droplets: change the file for more",
        args.pool
    );
    say(context, &args.pool, Some(args.droplets))
}

/// Takes it back.
pub(crate) fn auto(args: &AutoArgs, context: &Context) -> anyhow::Result<ExitCode> {
    say(context, &args.pool, None)
}

fn say(context: &Context, pool: &str, droplets: Option<u32>) -> anyhow::Result<ExitCode> {
    let folder = context.state_folder();
    fix(&folder, pool, droplets)?;
    let what = droplets
        .map_or_else(|| format!("{pool}: the controller decides"), |droplets| format!("{pool}: {droplets} droplets"));
    State::open(&folder)?.audit(&who(), "scale", &what, "taken up by the controller's next round")?;
    context.say(&what);
    Ok(ExitCode::SUCCESS)
}
