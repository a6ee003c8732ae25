//! `servers`: every server that holds a lease, as a router of the fleet knows them, with the droplet that it is on.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sluice_infra_plan::tags;
use sluice_model::lease::LEASE_TTL;

use crate::admin::Tunnel;
use crate::context::Context;
use crate::runtime::block_on;
use crate::session::Session;
use crate::{print, table};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Empties a terminal and goes to its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra servers
  sluice-infra servers --watch                                    every two seconds, until ctrl-c
  sluice-infra servers --json | jq -r '.[] | select(.variant == \"canary\") | .address'")]
pub(crate) struct Args {
    /// Stay, and look every two seconds; away from a terminal each look that differs is printed below the one before
    #[arg(long)]
    watch: bool,

    /// Name of the router's droplet that is asked; the first router without it
    #[arg(long, value_name = "DROPLET")]
    router: Option<String>,
}

/// A server as the router tells of it. What it says more is left alone.
#[derive(Debug, Deserialize)]
struct Told {
    id: String,
    addr: String,
    app: String,
    variant: String,
    #[serde(default)]
    release: String,
    cpu: Option<f32>,
    mem: Option<f32>,
    #[serde(default)]
    draining: bool,
    lease_ms: u64,
}

/// A server as it is shown.
#[derive(Debug, PartialEq, Serialize)]
struct Shown {
    id: String,
    address: String,
    /// `None` = no droplet of the fleet has it.
    droplet: Option<String>,
    pool: Option<String>,
    app: String,
    variant: String,
    release: String,
    health: &'static str,
    /// Percent of its droplet.
    cpu: Option<f32>,
    /// Percent of its droplet.
    memory: Option<f32>,
    lease_age_ms: u64,
    draining: bool,
}

/// Looks once, or again and again.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    block_on(async {
        let session = Session::to_read(context, "servers").await?;
        let tunnel = Tunnel::open(context, &session, args.router.as_deref(), 0).await?;
        let mut shown = look(context, &session, &tunnel).await?;
        print::text(&shown)?;
        if !args.watch {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let next = look(context, &session, &tunnel).await?;
            if next == shown {
                continue;
            }
            shown = next;
            if io::stdout().is_terminal() {
                write!(io::stdout(), "{CLEAR}").context("write to stdout")?;
            }
            if writeln!(io::stdout(), "{shown}").is_err() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    })
}

async fn look(context: &Context, session: &Session, tunnel: &Tunnel) -> anyhow::Result<String> {
    let told: Vec<Told> = tunnel.get("/v1/servers").await?;
    let droplets = session.cloud.droplets(&tags::fleet(&session.spec.fleet)).await?;
    let pools: Vec<(String, Option<String>)> = droplets
        .into_iter()
        .map(|droplet| {
            let pool = tags::value(&droplet.tags, &session.spec.fleet, "pool").map(str::to_owned);
            (droplet.name, pool)
        })
        .collect();
    let mut servers: Vec<Shown> = told.into_iter().map(|told| shown(told, &pools)).collect();
    servers.sort_by(|one, other| (&one.pool, &one.id).cmp(&(&other.pool, &other.id)));
    if context.json() {
        return serde_json::to_string_pretty(&servers).context("write the servers as JSON");
    }
    Ok(render(&servers))
}

/// A lease is named after its droplet: `DROPLET-APP-PORT`.
fn shown(told: Told, pools: &[(String, Option<String>)]) -> Shown {
    let is_its = |name: &str| told.id.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let droplet = pools.iter().find(|(name, _)| is_its(name)).cloned();
    let ttl_ms = u64::try_from(LEASE_TTL.as_millis()).unwrap_or(u64::MAX);
    let health = match (told.lease_ms, told.draining) {
        (0, _) => "expired",
        (_, true) => "draining",
        (_, false) => "serving",
    };
    let (droplet, pool) = droplet.map_or((None, None), |(name, pool)| (Some(name), pool));
    Shown {
        id: told.id,
        address: told.addr,
        droplet,
        pool,
        app: told.app,
        variant: told.variant,
        release: told.release,
        health,
        cpu: told.cpu,
        memory: told.mem,
        lease_age_ms: ttl_ms.saturating_sub(told.lease_ms),
        draining: told.draining,
    }
}

fn render(servers: &[Shown]) -> String {
    if servers.is_empty() {
        return "no server holds a lease: was there a deploy yet?".to_owned();
    }
    let dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    let percent = |share: Option<f32>| share.map_or_else(|| "-".to_owned(), |share| format!("{share:.0}%"));
    let row = |server: &Shown| {
        vec![
            server.address.clone(),
            dash(server.droplet.as_deref()),
            dash(server.pool.as_deref()),
            server.app.clone(),
            server.variant.clone(),
            dash(Some(&server.release)),
            server.health.to_owned(),
            percent(server.cpu),
            percent(server.memory),
            format!("{}s ago", server.lease_age_ms / 1_000),
            if server.draining { "yes" } else { "no" }.to_owned(),
        ]
    };
    let headings =
        ["address", "droplet", "pool", "app", "variant", "release", "health", "cpu", "memory", "lease", "draining"];
    table::render(&headings, servers.iter().map(row), &[7, 8, 9])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(more: &serde_json::Value) -> Told {
        let mut told = serde_json::json!({
            "id": "f-app-x1-meow-8001", "addr": "10.0.0.3:8001", "app": "meow", "variant": "stable", "lease_ms": 12_000,
            "started_ms": 1, "roles": [],
        });
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(told).unwrap()
    }

    #[test]
    fn a_server_is_shown_with_its_droplet_and_what_is_not_known_is_not_zero() {
        let pools = [("f-app-x".to_owned(), None), ("f-app-x1".to_owned(), Some("app".to_owned()))];
        let busy = shown(told(&serde_json::json!({"release": "0a1b", "cpu": 20.4, "mem": 7.0})), &pools);
        let stray = shown(told(&serde_json::json!({"id": "mine", "draining": true, "lease_ms": 0})), &pools);
        assert_eq!(
            (busy.droplet.as_deref(), busy.pool.as_deref(), busy.health),
            (Some("f-app-x1"), Some("app"), "serving")
        );
        assert_eq!((stray.droplet.as_deref(), stray.health), (None, "expired"));
        let expected = "\
ADDRESS        DROPLET   POOL  APP   VARIANT  RELEASE  HEALTH   CPU  MEMORY    LEASE  DRAINING
10.0.0.3:8001  f-app-x1  app   meow  stable   0a1b     serving  20%      7%   3s ago  no
10.0.0.3:8001  -         -     meow  stable   -        expired    -       -  15s ago  yes";
        let table = render(&[busy, stray]);
        let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
        assert_eq!(lines.join("\n"), expected);
    }
}
