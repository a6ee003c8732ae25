//! `cost`: what the fleet costs, per pool: in a month, and so far in this one.

use std::process::ExitCode;

use sluice_infra_plan::cost::{Cost, cost, whole_cents};
use sluice_infra_plan::plan::usd;
use sluice_infra_plan::state::now_ms;

use crate::context::Context;
use crate::session::Session;
use crate::table::render;
use crate::{print, runtime};

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra cost
  sluice-infra cost --json | jq .so_far_cents

By the second, a cent at least per droplet, at most the price of the month. Powered-off droplets cost the same.
What is gone counts so far if it was made from here. Prices of the local cloud are invented (DigitalOcean's).")]
pub(crate) struct Args {}

/// Reads, counts, prints.
pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime::block_on(async {
        let session = Session::to_read(context, "cost").await?;
        let observed = session.observe().await?;
        let sizes = session.cloud.sizes().await?;
        let known = session.state.ever_known()?;
        let cost = cost(&observed, &known, &sizes, session.spec.monthly_cents_max, now_ms());
        if context.json() {
            print::document(&cost)?
        } else {
            print::text(&table(&cost))?
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn table(cost: &Cost) -> String {
    let mut droplets = 0;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for pool in &cost.pools {
        droplets += pool.droplets;
        let name = if pool.pool.is_empty() { "(no pool)".to_owned() } else { pool.pool.clone() };
        let so_far = usd(whole_cents(pool.so_far_cents));
        rows.push(vec![name, pool.droplets.to_string(), pool.sizes.join(" "), usd(pool.monthly_cents), so_far]);
    }
    let (monthly, so_far) = (usd(cost.monthly_cents), usd(cost.so_far_cents));
    rows.push(vec!["all".to_owned(), droplets.to_string(), String::new(), monthly, so_far]);
    let mut text = render(&["pool", "droplets", "size", "a month", "so far this month"], rows, &[1, 3, 4]);
    if let Some(budget) = cost.budget_cents {
        text.push_str("\n\nThe budget is ");
        text.push_str(&usd(budget));
        text.push_str(" a month.");
    }
    text
}
