//! `sluice plugin list`: every plugin of a running router on a line, with what is out of the ordinary behind it.

use std::process::ExitCode;

use sluice_snapshot::time::unix_ms;

use super::told::{Held, Quarantine, Stats, Told, short};
use crate::commands::ask::AskArgs;
use crate::human::{bytes, count, nanos, span};
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// What is not there.
const NONE: &str = "-";
/// Colours a text.
type Colour = fn(Paint, &str) -> String;

/// Asks and prints.
pub(crate) fn list(args: &AskArgs) -> anyhow::Result<ExitCode> {
    let told = args.client()?.get("/v1/plugins")?;
    args.show(told, |plugins: Vec<Told>| text(&plugins, unix_ms(), Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(plugins: &[Told], now_ms: u64, paint: Paint) -> String {
    if plugins.is_empty() {
        return "no plugins: put a .wasm file into plugins.d and name it under [plugins] in a policy file".to_owned();
    }
    let columns = [
        ("NAME", Side::Left),
        ("STATE", Side::Left),
        ("DIGEST", Side::Left),
        ("VERSION", Side::Left),
        ("GEN", Side::Right),
        ("CALLS", Side::Right),
        ("P50", Side::Right),
        ("P99", Side::Right),
        ("FAILED", Side::Right),
        ("MEMORY", Side::Right),
        ("NOTE", Side::Left),
    ];
    let rows: Vec<[Cell; 11]> = plugins.iter().map(|plugin| row(plugin, now_ms)).collect();
    table(columns, &rows, paint)
}

fn row(plugin: &Told, now_ms: u64) -> [Cell; 11] {
    let Stats { memory_bytes, .. } = plugin.stats;
    let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
    let time = plugin.stats.busiest();
    let time =
        |of: fn(&super::told::Time) -> u64| time.as_ref().map_or_else(|| NONE.to_owned(), |time| nanos(of(time)));
    let failures = plugin.stats.failures();
    let notes = notes(plugin, now_ms);
    let colour: Colour = notes.first().map_or(Paint::dim, |(_, colour)| *colour);
    let note: Vec<String> = notes.into_iter().map(|(note, _)| note).collect();
    [
        Cell::coloured(&*plugin.name, Paint::bold),
        Cell::coloured(&*plugin.state, state_colour(&plugin.state)),
        short(&optional(&plugin.digest)).into(),
        optional(&plugin.version).into(),
        plugin.generation.to_string().into(),
        count(plugin.stats.calls()).into(),
        time(|time| time.p50_ns).into(),
        time(|time| time.p99_ns).into(),
        Cell::coloured(count(failures), if failures > 0 { Paint::red } else { Paint::dim }),
        if memory_bytes > 0 { bytes(memory_bytes) } else { NONE.to_owned() }.into(),
        Cell::coloured(note.join("; "), colour),
    ]
}

/// The colour of a state.
pub(super) fn state_colour(state: &str) -> Colour {
    match state {
        "active" => Paint::green,
        "unused" => Paint::dim,
        "empty" => Paint::yellow,
        _ => Paint::red,
    }
}

/// For how long it is not called.
pub(super) fn quarantined(quarantine: &Quarantine, now_ms: u64) -> String {
    let left = match quarantine.until_ms.saturating_sub(now_ms) {
        0 => "until a probe succeeds".to_owned(),
        left => format!("for {}", span(left)),
    };
    format!("quarantined {left} (opened {} times)", quarantine.openings)
}

/// What is out of the ordinary, the worst first.
pub(super) fn notes(plugin: &Told, now_ms: u64) -> Vec<(String, Colour)> {
    let mut notes: Vec<(String, Colour)> = Vec::new();
    if let Some(quarantine) = &plugin.quarantine {
        notes.push((quarantined(quarantine, now_ms), Paint::red));
    }
    // A digest that is held back is a fault of its file too, told in other words.
    if let Some(fault) = plugin.fault.as_ref().filter(|_| plugin.held.is_none()) {
        notes.push((fault.lines().next().unwrap_or_default().to_owned(), Paint::red));
    }
    if let Some(Held { digest, reason, by, is_quarantined }) = &plugin.held {
        let how = if *is_quarantined { "quarantined" } else { "held back" };
        notes.push((format!("{} {how} by {by}: {reason}", short(digest)), Paint::yellow));
    }
    if let Some(trial) = &plugin.trial {
        let left = match trial.ends_ms.saturating_sub(now_ms) {
            0 => format!("waits for {}", trial.waits_for),
            left => format!("{} left", span(left)),
        };
        let digest = short(&trial.digest);
        notes.push((format!("trial {} {} % of {digest}, {left}", trial.mode, trial.percent), Paint::yellow));
    }
    if let Some(watch) = &plugin.watch {
        let left = span(watch.ends_ms.saturating_sub(now_ms));
        notes
            .push((format!("watched for {left}: over budget, {} comes back", short(&watch.digest_before)), Paint::dim));
    }
    match plugin.state.as_str() {
        "unused" => notes.push((format!("no policy names {}", plugin.file), Paint::dim)),
        "empty" => notes.push(("requests go on without it, as its `on_failure.load` says".to_owned(), Paint::yellow)),
        _ => {}
    }
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_out_of_the_ordinary_stands_behind_the_figures() {
        let told = json!([
            {
                "name": "canary", "file": "canary.wasm", "state": "active", "digest": "0123456789abcdef", "version": "0.2.0",
                "generation": 3, "quarantine": {"until_ms": 62_000, "openings": 2},
                "held": {"digest": "fedcba9876543210", "reason": "rolled back", "by": "admin"},
                "trial": {"mode": "canary", "percent": 12.5, "digest": "aaaaaaaaaaaaaaaa", "ends_ms": 253_000},
                "stats": {"calls": {"request": 1_000, "response": 234}, "failures": {"trap": 5}, "memory_bytes": 2_097_152,
                          "time": {"request": {"p50_ns": 412, "p99_ns": 4_100, "samples": 9}, "response": {"samples": 3}}},
            },
            {"name": "other", "file": "other.wasm", "state": "unused"},
        ]);
        let plugins: Vec<Told> = serde_json::from_value(told).unwrap();
        let shown = text(&plugins, 1_000, Paint::none());
        let expected = "\
NAME    STATE   DIGEST        VERSION  GEN  CALLS     P50     P99  FAILED   MEMORY  NOTE
canary  active  0123456789ab  0.2.0      3  1,234  412 ns  4.1 us       5  2.0 MiB  quarantined for 1:01 (opened 2 \
times); fedcba987654 held back by admin: rolled back; trial canary 12.5 % of aaaaaaaaaaaa, 4:12 left
other   unused  -             -          0      0       -       -       0        -  no policy names other.wasm";
        assert_eq!(shown, expected);
        assert!(text(&[], 0, Paint::none()).contains("plugins.d"));
    }
}
