//! `sluice alerts test | dead | replay`: what sinks take, and what they did not.

use std::process::ExitCode;

use anyhow::bail;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_model::alert::DeadLetter;
use sluice_snapshot::time::rfc3339;

use crate::commands::ask::AskArgs;
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Arguments of `sluice alerts test`.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Name of a sink [default: all of them].
    #[arg(value_name = "SINK")]
    sink: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
}

/// Arguments of `sluice alerts replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// Entry of a dead letter; `sluice alerts dead` lists them.
    #[arg(value_name = "ENTRY", required_unless_present = "all", conflicts_with = "all")]
    entry: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Debug, Deserialize)]
struct Tried {
    sink: String,
    kind: String,
    ok: bool,
    took_ms: u64,
    #[serde(default)]
    error: String,
}

/// Tries sinks out; the exit code says whether all took it.
pub(super) fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let asked = args.sink.as_ref().map_or_else(|| json!({}), |sink| json!({ "sink": sink }));
    let told: Value = args.ask.client()?.post("/v1/alerts/test", &asked)?;
    let all_took_it = told.as_array().is_some_and(|tried| tried.iter().all(|tried| tried["ok"] == true));
    args.ask.show(told, |tried: Vec<Tried>| tried_text(&tried, Paint::stdout()))?;
    Ok(if all_took_it { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tried_text(tried: &[Tried], paint: Paint) -> String {
    let columns = [("SINK", Side::Left), ("KIND", Side::Left), ("TOOK", Side::Right), ("ANSWER", Side::Left)];
    let row = |tried: &Tried| -> [Cell; 4] {
        let answer =
            if tried.ok { Cell::coloured("took it", Paint::green) } else { Cell::coloured(&*tried.error, Paint::red) };
        [
            Cell::coloured(&*tried.sink, Paint::bold),
            (&*tried.kind).into(),
            format!("{} ms", tried.took_ms).into(),
            answer,
        ]
    };
    table(columns, &tried.iter().map(row).collect::<Vec<_>>(), paint)
}

/// Lists dead letters.
pub(super) fn dead(args: &AskArgs) -> anyhow::Result<ExitCode> {
    let told: Value = args.client()?.get("/v1/alerts/dead")?;
    args.show(told, |letters: Vec<DeadLetter>| dead_text(&letters, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn dead_text(letters: &[DeadLetter], paint: Paint) -> String {
    if letters.is_empty() {
        return "no dead letters: every notice was taken, or is still being tried".to_owned();
    }
    let columns = [
        ("ENTRY", Side::Left),
        ("GIVEN UP", Side::Left),
        ("SINK", Side::Left),
        ("RULE", Side::Left),
        ("TRIES", Side::Right),
        ("ERROR", Side::Left),
    ];
    let row = |letter: &DeadLetter| -> [Cell; 6] {
        [
            Cell::coloured(&*letter.entry, Paint::bold),
            Cell::coloured(rfc3339(letter.at_ms).as_str(), Paint::dim),
            (&*letter.sink).into(),
            (&*letter.alert.rule).into(),
            letter.attempts.to_string().into(),
            Cell::coloured(&*letter.error, Paint::red),
        ]
    };
    table(columns, &letters.iter().map(row).collect::<Vec<_>>(), paint)
}

/// Lets dead letters be told again.
pub(super) fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let path = match &args.entry {
        Some(entry) if entry.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
            format!("/v1/alerts/dead/{entry}/replay")
        }
        Some(entry) => bail!("`{entry}` is no entry: `sluice alerts dead` lists them"),
        None => "/v1/alerts/dead/replay".to_owned(),
    };
    let told: Value = args.ask.client()?.post(&path, &json!({}))?;
    args.ask
        .show(told, |told: Value| format!("replayed: {}; `sluice alerts list` shows who takes it", told["replayed"]))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sink_says_what_it_did() {
        let told = json!([
            {"sink": "hook", "kind": "webhook", "ok": false, "took_ms": 12, "error": "it answers 500: no"},
            {"sink": "mail", "kind": "smtp", "ok": true, "took_ms": 3},
        ]);
        let expected = "\
SINK  KIND      TOOK  ANSWER
hook  webhook  12 ms  it answers 500: no
mail  smtp      3 ms  took it";
        assert_eq!(tried_text(&serde_json::from_value::<Vec<Tried>>(told).unwrap(), Paint::none()), expected);
    }

    #[test]
    fn a_dead_letter_says_why() {
        let letter = DeadLetter {
            entry: "17".to_owned(),
            alert: sluice_model::alert::Alert { rule: "size".to_owned(), ..Default::default() },
            sink: "hook".to_owned(),
            error: "it answers 410: gone".to_owned(),
            attempts: 1,
            at_ms: 0,
        };
        let shown = dead_text(&[letter], Paint::none());
        assert!(shown.ends_with("17     1970-01-01T00:00:00.000Z  hook  size      1  it answers 410: gone"), "{shown}");
        assert!(dead_text(&[], Paint::none()).contains("no dead letters"));
    }
}
