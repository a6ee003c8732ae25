//! `sluice plugin show NAME`: everything that a router knows of one plugin, and what can be done next.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::Value;
use sluice_snapshot::time::{rfc3339, unix_ms};

use super::list::{notes, quarantined, state_colour};
use super::told::{Comparisons, Stats, Told, Trial, short};
use crate::commands::ask::AskArgs;
use crate::human::{bytes, count, nanos, share, span};
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Width of the labels on the left.
const LABEL_WIDTH: usize = 12;
/// Differences that are shown; `--json` has all that the router keeps.
const DIFFERENCES_SHOWN: usize = 10;

/// Which plugin.
#[derive(Debug, clap::Args)]
pub(crate) struct NameArgs {
    /// Name of the plugin, from `sluice plugin list`.
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    #[command(flatten)]
    pub(super) ask: AskArgs,
}

/// Asks and prints.
pub(crate) fn show(args: &NameArgs) -> anyhow::Result<ExitCode> {
    let told = args.ask.client()?.get(&format!("/v1/plugins/{}", args.name))?;
    args.ask.show(told, |plugin: Told| text(&plugin, unix_ms(), Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(plugin: &Told, now_ms: u64, paint: Paint) -> String {
    let mut page = Page { lines: Vec::new(), paint };
    page.line(format!("{}  {}", paint.bold(&plugin.name), state_colour(&plugin.state)(paint, &plugin.state)));
    page.identity(plugin);
    for (note, colour) in notes(plugin, now_ms) {
        page.label("note", &colour(paint, &note));
    }
    page.stats(&plugin.stats);
    if let Some(trial) = &plugin.trial {
        page.trial(trial, now_ms);
    }
    if let Some(next) = next(plugin) {
        page.label("next", &next);
    }
    page.lines.join("\n")
}

struct Page {
    lines: Vec<String>,
    paint: Paint,
}

impl Page {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn label(&mut self, label: &str, text: &str) {
        self.line(format!("  {}{text}", self.paint.dim(&format!("{label:<LABEL_WIDTH$}"))));
    }

    /// Below a label, or not at all if there is nothing to say.
    fn label_some(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            self.label(label, text);
        }
    }

    fn block(&mut self, block: &str) {
        self.lines.extend(block.lines().map(|line| format!("  {line}")));
    }

    fn identity(&mut self, plugin: &Told) {
        self.label_some("digest", plugin.digest.as_deref().unwrap_or_default());
        self.label("file", &plugin.file);
        let contract = plugin.contract.as_ref().map_or_else(String::new, |contract| format!(", contract {contract}"));
        self.label_some(
            "version",
            &plugin.version.as_ref().map_or_else(String::new, |version| version.clone() + &contract),
        );
        if plugin.generation > 0 {
            self.label("generation", &format!("{} since the router started", plugin.generation));
        }
        self.label_some("phases", &plugin.phases.join(", "));
        self.label_some("needs", &rights(&plugin.needs));
        self.label_some("grants", &rights(&plugin.grants));
    }

    fn stats(&mut self, stats: &Stats) {
        let Stats { requests, requests_5xx, memory_bytes, memory_bytes_max, recycled, .. } = *stats;
        if stats.calls() == 0 && memory_bytes == 0 {
            return;
        }
        let errors = format!("{} ({}) ended with 5xx", count(requests_5xx), share(requests_5xx, requests));
        self.label("requests", &format!("{}, {errors}", count(requests)));
        let instances = format!("{} in all instances, {} in the largest", bytes(memory_bytes), bytes(memory_bytes_max));
        self.label("memory", &format!("{instances}, {} replaced over the soft limit", count(recycled)));
        let failures = counts(&stats.failures);
        self.label_some("failures", &self.paint.red(&failures).repeat(usize::from(!failures.is_empty())));
        self.label_some("counters", &counts(&stats.counters));
        let dropped = [
            ("effects not granted", stats.effects_refused),
            ("log lines over the rate", stats.lines_dropped),
            ("alerts over the rate", stats.alerts_dropped),
            ("additions to one counter too many", stats.counters_dropped),
        ];
        let dropped = dropped.iter().filter(|(_, dropped)| *dropped > 0);
        let dropped: Vec<String> = dropped.map(|(what, dropped)| format!("{} {what}", count(*dropped))).collect();
        self.label_some("dropped", &dropped.join(", "));
        self.block(&phases(stats, self.paint));
    }

    fn trial(&mut self, trial: &Trial, now_ms: u64) {
        let Trial { mode, percent, .. } = trial;
        self.line(String::new());
        self.line(format!("{}  {mode}, {percent} % of the requests", self.paint.bold("trial")));
        self.label("digest", &trial.digest);
        self.label_some("version", &trial.version);
        let left = trial.ends_ms.saturating_sub(now_ms);
        let left = if left > 0 { format!("{} left; ", span(left)) } else { String::new() };
        self.label("waits", &format!("{left}for {}", trial.waits_for));
        if let Some(quarantine) = &trial.quarantine {
            self.label("note", &self.paint.red(&quarantined(quarantine, now_ms)));
        }
        self.label("since", rfc3339(trial.started_ms).as_str());
        self.stats(&trial.stats);
        let Comparisons { same, different, recent } = &trial.comparisons;
        if same + different > 0 {
            let part = share(*different, same + different);
            self.label("compared", &format!("{} the same, {} ({part}) not", count(*same), count(*different)));
        }
        if !recent.is_empty() {
            let rows: Vec<[Cell; 5]> = recent
                .iter()
                .take(DIFFERENCES_SHOWN)
                .map(|seen| {
                    let time = rfc3339(seen.at_ms);
                    let new = Cell::coloured(&*seen.new, Paint::yellow);
                    [time.as_str().into(), (&*seen.request_id).into(), (&*seen.phase).into(), (&*seen.old).into(), new]
                })
                .collect();
            let columns = ["TIME", "REQUEST", "PHASE", "SERVING", "TRIAL"].map(|name| (name, Side::Left));
            self.block(&table(columns, &rows, self.paint));
        }
    }
}

/// What can be done about it now.
fn next(plugin: &Told) -> Option<String> {
    let name = &plugin.name;
    let digest = |digest: &str| short(digest);
    if let Some(trial) = &plugin.trial {
        return Some(format!(
            "`sluice plugin promote {name}` makes {} serve at once, `sluice plugin abort {name}` keeps it away",
            digest(&trial.digest)
        ));
    }
    if let Some(held) = &plugin.held {
        return Some(format!(
            "`sluice plugin release {name}` lets {} try again; another file in its place does too",
            digest(&held.digest)
        ));
    }
    (plugin.generation > 1)
        .then(|| format!("`sluice plugin history {name}`, and `sluice plugin rollback {name}` goes back"))
}

/// The phases that were called, a line each.
fn phases(stats: &Stats, paint: Paint) -> String {
    let called = stats.calls.iter().filter(|(_, calls)| **calls > 0);
    let rows: Vec<[Cell; 5]> = called
        .map(|(phase, calls)| {
            let time = stats.time.get(phase).filter(|time| time.samples > 0);
            let [p50, p99] =
                time.map_or_else(|| ["-".into(), "-".into()], |time| [nanos(time.p50_ns), nanos(time.p99_ns)]);
            let verdicts = stats.verdicts.get(phase).map(counts).unwrap_or_default();
            [(&**phase).into(), count(*calls).into(), p50.into(), p99.into(), verdicts.into()]
        })
        .collect();
    let columns = [
        ("PHASE", Side::Left),
        ("CALLS", Side::Right),
        ("P50", Side::Right),
        ("P99", Side::Right),
        ("VERDICTS", Side::Left),
    ];
    if rows.is_empty() { String::new() } else { table(columns, &rows, paint) }
}

/// `next 900, variant 334`, without what never was.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    let some = counts.iter().filter(|(_, value)| **value > 0);
    some.map(|(name, value)| format!("{name} {}", count(*value))).collect::<Vec<_>>().join(", ")
}

/// `state rollout:*, alerts, abort`.
fn rights(rights: &BTreeMap<String, Value>) -> String {
    let granted = rights.iter().filter_map(|(name, value)| match value {
        Value::Bool(true) => Some(name.clone()),
        Value::Array(keys) if !keys.is_empty() => {
            let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
            Some(format!("{name} {}", keys.join(" ")))
        }
        _ => None,
    });
    granted.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trial_is_shown_with_its_differences_and_what_to_do() {
        let told = json!({
            "name": "canary", "file": "canary.wasm", "state": "active", "digest": "0123456789abcdef", "version": "0.2.0",
            "contract": "0.2", "generation": 2, "phases": ["request"], "needs": {"state": ["rollout:*"], "alerts": false},
            "grants": {"state": ["rollout:demo"], "alerts": true},
            "stats": {"calls": {"request": 10, "response": 0}, "requests": 10, "requests_5xx": 1, "memory_bytes": 1_024,
                      "verdicts": {"request": {"next": 6, "variant": 4, "respond": 0}},
                      "time": {"request": {"p50_ns": 500, "p99_ns": 900, "samples": 10}}, "alerts_dropped": 2},
            "trial": {"mode": "shadow", "percent": 10.0, "digest": "aaaaaaaaaaaaaaaa", "ends_ms": 60_000, "waits_for": "the end of its time",
                      "comparisons": {"same": 8, "different": 2, "recent": [
                          {"at_ms": 0, "request_id": "r1", "phase": "request", "old": "next", "new": "respond 403"}]}},
        });
        let plugin: Told = serde_json::from_value(told).unwrap();
        let shown = text(&plugin, 0, Paint::none());
        for line in [
            "canary  active",
            "  version     0.2.0, contract 0.2",
            "  needs       state rollout:*",
            "  grants      alerts, state rollout:demo",
            "  requests    10, 1 (10.0 %) ended with 5xx",
            "  dropped     2 alerts over the rate",
            "  request     10  500 ns  900 ns  next 6, variant 4",
            "trial  shadow, 10 % of the requests",
            "  waits       1:00 left; for the end of its time",
            "  compared    8 the same, 2 (20.0 %) not",
            "  1970-01-01T00:00:00.000Z  r1       request  next     respond 403",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n\n{shown}");
        }
        assert!(shown.contains("sluice plugin promote canary") && !shown.contains("failures"), "{shown}");
    }
}
