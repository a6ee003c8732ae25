//! `status`: the droplets of the fleet as the cloud has them, and who is at work on it.

use std::process::ExitCode;

use sluice_infra_cloud::{Droplet, DropletStatus};
use sluice_infra_plan::{Lock, Observed};

use crate::context::Context;
use crate::handover::edges;
use crate::session::Session;
use crate::table::{ago, moment, render};
use crate::{print, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra status
  sluice-infra status --json | jq -r '.droplets[].droplet.public_address'

What runs on them and how it fares: `sluice-infra servers`.")]
pub(crate) struct Args {}

/// Reads and prints.
pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_read(context, "status").await?;
        let observed = session.observe().await?;
        let open = session.state.open_operations()?;
        let holder = Lock::holder(&context.state_folder())?;
        let droplets: Vec<Droplet> = observed.droplets.iter().map(|seen| seen.droplet.clone()).collect();
        let edges = edges(&session.spec, &droplets);
        if context.json() {
            let (fleet, cloud) = (&session.spec.fleet, session.cloud.name());
            print::document(&serde_json::json!({
                "fleet": fleet, "cloud": cloud, "edges": edges, "droplets": observed.droplets,
                "firewalls": observed.firewalls, "open_operations": open, "lock": holder,
            }))?;
            return Ok(ExitCode::SUCCESS);
        }
        print::text(&format!("Fleet {} on {}\n\n{}", session.spec.fleet, session.cloud.name(), table(&observed)))?;
        for (name, url) in edges {
            print::text(&format!("edge on {name}: {url}"))?;
        }
        if let Some(holder) = holder {
            let (command, who, since) = (holder.command, holder.who, moment(holder.since_ms));
            print::text(&format!("locked by `sluice-infra {command}` of {who} since {since}"))?;
        } else if !open.is_empty() {
            print::text(&format!(
                "{} operations of an interrupted run are open: `sluice-infra apply` ends them",
                open.len()
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn table(observed: &Observed) -> String {
    let mut droplets: Vec<_> = observed.droplets.iter().collect();
    droplets.sort_by(|a, b| (&a.pool, &a.droplet.name).cmp(&(&b.pool, &b.droplet.name)));
    let rows = droplets.into_iter().map(|seen| {
        let droplet = &seen.droplet;
        let address =
            |address: Option<std::net::IpAddr>| address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        vec![
            droplet.name.clone(),
            seen.pool.clone().unwrap_or_else(|| "-".to_owned()),
            word(&droplet.status).to_owned(),
            address(droplet.public_address),
            address(droplet.private_address),
            droplet.size.clone(),
            ago(droplet.created_ms),
            droplet.id.to_string(),
        ]
    });
    render(&["droplet", "pool", "status", "public", "private", "size", "age", "id"], rows, &[])
}

fn word(status: &DropletStatus) -> &str {
    match status {
        DropletStatus::New => "new",
        DropletStatus::Active => "active",
        DropletStatus::Off => "off",
        DropletStatus::Archive => "archive",
        DropletStatus::Other(word) => word,
    }
}
