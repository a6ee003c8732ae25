//! `sluice rollout status [NAME]`: all rollouts, a line each, or one on a page.

use std::process::ExitCode;

use serde_json::Value;
use sluice_snapshot::time::unix_ms;

use super::page;
use super::told::{Entry, Told, percent};
use crate::admin::AdminClient;
use crate::commands::ask::AskArgs;
use crate::commands::{print, watch};
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Events on the page; `sluice rollout history` has more.
const EVENTS_SHOWN: usize = 5;

/// Arguments of `sluice rollout status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Name of the rollout; none = all of them.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Stay, and follow what changes.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// Asks and prints.
pub(crate) fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let client = args.ask.client()?;
    if args.watch {
        return watch::watch(&client, || shown(args, &client));
    }
    print(&shown(args, &client)?);
    Ok(ExitCode::SUCCESS)
}

fn shown(args: &StatusArgs, client: &AdminClient) -> anyhow::Result<String> {
    let Some(name) = &args.name else {
        let told: Value = client.get("/v1/rollouts")?;
        let all: Vec<Told> = serde_json::from_value(told.clone())?;
        return Ok(args.ask.either(format!("{told:#}"), || list(&all, Paint::stdout())));
    };
    let told: Value = client.get(&format!("/v1/rollouts/{name}"))?;
    let rollout: Told = serde_json::from_value(told.clone())?;
    // A store that is away has no history now; the rest of the page matters all the more.
    let path = format!("/v1/rollouts/{name}/history?limit={EVENTS_SHOWN}");
    let events: Vec<Entry> = client.get(&path).unwrap_or_default();
    Ok(args.ask.either(format!("{told:#}"), || page::text(&rollout, &events, unix_ms(), Paint::stdout())))
}

fn list(all: &[Told], paint: Paint) -> String {
    if all.is_empty() {
        return "no rollouts: write [rollouts.NAME] into a policy file (docs/rollouts.md)".to_owned();
    }
    let columns = ["NAME", "STATE", "WEIGHT", "RELEASE", "STEP", "WAITS FOR"]
        .map(|name| (name, if name == "WEIGHT" { Side::Right } else { Side::Left }));
    let none = || "-".to_owned();
    let row = |rollout: &Told| -> [Cell; 6] {
        let step = rollout.step.as_ref().map_or_else(none, |step| format!("{} of {}", step.number, step.of));
        let waits_for = match &*rollout.state {
            "aborted" => rollout.reason.clone(),
            _ => rollout.waits_for.clone().unwrap_or_else(none),
        };
        [
            Cell::coloured(&*rollout.name, Paint::bold),
            Cell::coloured(&*rollout.state, page::state_colour(&rollout.state)),
            percent(rollout.effective_weight).into(),
            if rollout.release.is_empty() { none() } else { rollout.release.clone() }.into(),
            step.into(),
            waits_for.into(),
        ]
    };
    table(columns, &all.iter().map(row).collect::<Vec<_>>(), paint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rollout_is_a_line() {
        let told = json!([
            {"name": "demo", "state": "running", "effective_weight": 25.0, "release": "v42",
             "step": {"number": 2, "of": 4}, "waits_for": "9m 12s of its pause"},
            {"name": "other", "state": "aborted", "reason": "too large"},
        ]);
        let shown = list(&serde_json::from_value::<Vec<Told>>(told).unwrap(), Paint::none());
        let expected = "\
NAME   STATE    WEIGHT  RELEASE  STEP    WAITS FOR
demo   running    25 %  v42      2 of 4  9m 12s of its pause
other  aborted     0 %  -        -       too large";
        assert_eq!(shown, expected);
        assert!(list(&[], Paint::none()).contains("[rollouts.NAME]"));
    }
}
