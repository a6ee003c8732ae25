//! `releases`: what runs where.

use std::process::ExitCode;

use sluice_infra_deploy::operator::{self, DropletStatus};
use sluice_infra_deploy::short;
use sluice_infra_host::{Releases, Running, Standing};

use crate::context::Context;
use crate::runtime::block_on;
use crate::session::Session;
use crate::{deployment, exit, print, table};

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app; none is needed where there is only one
    app: Option<String>,
}

/// Asks every droplet of the app.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    block_on(async {
        let session = Session::to_read(context, "releases").await?;
        let app = deployment::app(&session.spec, args.app.as_deref())?;
        let targets = deployment::targets(context, &session, app, None).await?;
        let all = operator::status(&targets).await;
        if context.json() {
            print::document(&all)?;
        } else {
            let headings = ["droplet", "variant", "release", "state", "age", "health"];
            print::text(&table::render(&headings, all.iter().flat_map(rows), &[4]))?;
        }
        Ok(if all.iter().all(|one| one.fault.is_none()) { ExitCode::SUCCESS } else { exit::PARTIAL.into() })
    })
}

/// One row for each release that runs; one for a droplet on which none does.
fn rows(status: &DropletStatus) -> Vec<Vec<String>> {
    let row = |release: &str, state: &str, age: String, health: &str| {
        vec![
            status.droplet.clone(),
            status.variant.clone(),
            release.to_owned(),
            state.to_owned(),
            age,
            health.to_owned(),
        ]
    };
    match &status.releases {
        None => vec![row("", "not reached", String::new(), status.fault.as_deref().unwrap_or_default())],
        Some(releases) if releases.running.is_empty() => {
            vec![row("", "none yet", String::new(), health(releases, None))]
        }
        Some(releases) => {
            let of = |running: &Running| {
                let state = if releases.draining { "leaving" } else { standing(running.standing) };
                row(short(&running.commit), state, table::ago(running.started_ms), health(releases, Some(running)))
            };
            releases.running.iter().map(of).collect()
        }
    }
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Starting => "starting",
        Standing::Serving => "serving",
        Standing::Draining => "draining",
    }
}

/// What its last check said; a deploy that failed left the one before.
fn health<'r>(releases: &'r Releases, running: Option<&Running>) -> &'r str {
    let failed = releases.last.as_ref().and_then(|last| last.fault.as_deref());
    match (running.map(|running| running.standing), failed) {
        (_, Some(fault)) => fault,
        (Some(Standing::Starting) | None, None) => "",
        (Some(Standing::Serving | Standing::Draining), None) => "healthy",
    }
}
