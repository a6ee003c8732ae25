//! `drill`: the fleet of infra.toml, planned, applied and destroyed on a simulator of its own, with one fault after the
//! other. Nothing of the real fleet is read or changed: neither its cloud nor its state.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::ensure;
use futures_util::{StreamExt as _, stream};

use self::course::Row;
use self::faults::{DRILLS, Drill};
use crate::context::Context;
use crate::table::render;
use crate::{exit, print, runtime};

mod course;
mod faults;

/// Rehearsals at a time: each is mostly waiting.
const PARALLEL: usize = 4;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra drill                              the whole fleet of infra.toml, with every fault
  sluice-infra drill --only error-after --seed 7  one of them, with other dice
  sluice-infra drill --json | jq '.[] | select(.passed | not)'

It needs no account, no token and no network. A rehearsal passes if, after at most five runs of apply, exactly the
wanted droplets stand, none was ever made twice, and after destroy nothing is left. Exit code 3: one did not pass.")]
pub(crate) struct Args {
    /// Only rehearsals whose name has this in it
    #[arg(long, value_name = "WORD")]
    only: Option<String>,

    /// Seed of the simulator's dice
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

/// Rehearses, and prints the table.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let spec = Arc::new(context.spec()?);
    let fits = |drill: &&Drill| args.only.as_ref().is_none_or(|word| drill.name.contains(word));
    let drills: Vec<&'static Drill> = DRILLS.iter().filter(fits).collect();
    ensure!(!drills.is_empty(), "no rehearsal has `{}` in its name", args.only.as_deref().unwrap_or_default());
    context.say(&format!("{} rehearsals of fleet {}, on simulators:", drills.len(), spec.fleet));
    let rows: Vec<Row> = runtime::block_on(async {
        let rehearsals = drills.into_iter().map(|drill| {
            let spec = Arc::clone(&spec);
            async move {
                let row = drill.rehearse(&spec, args.seed).await?;
                context.say(&format!("  {} {}", if row.passed { "passed" } else { "FAILED" }, drill.name));
                anyhow::Ok(row)
            }
        });
        let rows: Vec<anyhow::Result<Row>> = stream::iter(rehearsals).buffered(PARALLEL).collect().await;
        rows.into_iter().collect()
    })?;
    if context.json() {
        print::document(&rows)?
    } else {
        print::text(&table(&rows))?
    }
    let passed = rows.iter().all(|row| row.passed);
    Ok(if passed { ExitCode::SUCCESS } else { exit::PARTIAL.into() })
}

fn table(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let Row { fault, struck, runs, wanted, standing, duplicates, left, cost_usd, outcome, .. } = row;
        let standing = format!("{standing} of {wanted}");
        let (struck, runs, duplicates, left) =
            (struck.to_string(), runs.to_string(), duplicates.to_string(), left.to_string());
        vec![(*fault).to_owned(), struck, runs, standing, duplicates, left, format!("${cost_usd:.2}"), outcome.clone()]
    };
    let headings = ["fault", "struck", "runs", "droplets", "duplicates", "left", "cost", "outcome"];
    render(&headings, rows.iter().map(cells), &[1, 2, 3, 4, 5, 6])
}
