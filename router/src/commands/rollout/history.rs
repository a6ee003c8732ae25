//! `sluice rollout history NAME`: the audit log of a rollout, as one line per change.

use std::process::ExitCode;

use serde_json::Value;
use sluice_model::slots::{Share, SlotTable};
use sluice_snapshot::time::rfc3339;

use super::told::{Entry, percent};
use crate::commands::ask::AskArgs;
use crate::commands::watch::LOOK_EVERY;
use crate::table::{Cell, Side, table};
use crate::terminal::{Paint, try_tell};

/// Digits of a time that a person reads: to the second, without the zone, which is UTC.
const TIME_DIGITS: usize = "0000-00-00T00:00:00".len();

/// Arguments of `sluice rollout history`.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Name of the rollout.
    #[arg(value_name = "NAME")]
    name: String,
    /// How many, newest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    newest: usize,
    /// Stay, and print new ones below as they come.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// Asks and prints.
pub(crate) fn history(args: &HistoryArgs) -> anyhow::Result<ExitCode> {
    let client = args.ask.client()?;
    let path = format!("/v1/rollouts/{}/history?limit={}", args.name, args.newest);
    if !args.watch {
        args.ask.show(client.get(&path)?, |entries: Vec<Entry>| text(&entries, Paint::stdout()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut last = String::new();
    loop {
        let told: Vec<Value> = client.get(&path)?;
        let entries: Vec<Entry> = serde_json::from_value(told.clone().into())?;
        let known = entries.iter().position(|entry| entry.id == last).unwrap_or(entries.len());
        for (entry, told) in entries.iter().zip(told).take(known).collect::<Vec<_>>().into_iter().rev() {
            let shown = args.ask.either(told.to_string(), || line(entry, Paint::stdout()));
            if try_tell(&mut std::io::stdout(), &shown).is_err() {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if let Some(newest) = entries.first() {
            last.clone_from(&newest.id);
        }
        client.wait(LOOK_EVERY);
    }
}

/// The entries as a table, newest first.
pub(super) fn text(entries: &[Entry], paint: Paint) -> String {
    if entries.is_empty() {
        return "nothing has become of it yet".to_owned();
    }
    let columns = ["WHEN (UTC)", "WHO", "WHAT", "WHY"].map(|name| (name, Side::Left));
    let rows: Vec<[Cell; 4]> = entries
        .iter()
        .map(|entry| {
            let (what, colour) = what(entry);
            [when(entry).into(), (&*entry.by).into(), Cell::coloured(what, colour), (&*entry.reason).into()]
        })
        .collect();
    table(columns, &rows, paint)
}

fn line(entry: &Entry, paint: Paint) -> String {
    let (what, colour) = what(entry);
    format!("{}  {}  {}  {}", paint.dim(&when(entry)), entry.by, colour(paint, &what), entry.reason)
}

fn when(entry: &Entry) -> String {
    rfc3339(entry.at_ms).as_str()[..TIME_DIGITS].replace('T', " ")
}

/// From what to what.
fn what(entry: &Entry) -> (String, fn(Paint, &str) -> String) {
    let standing = |text: &Option<String>| text.as_deref().map_or_else(|| "nothing".to_owned(), standing);
    let new = standing(&entry.new);
    let colour: fn(Paint, &str) -> String = match new.split(&[' ', ','][..]).next().unwrap_or_default() {
        "aborted" => Paint::red,
        "paused" => Paint::yellow,
        "promoted" => Paint::green,
        _ => Paint::bold,
    };
    (if entry.old.is_some() { format!("{} -> {new}", standing(&entry.old)) } else { new }, colour)
}

/// `running step 2 @canary*2500 @stable*7500`, as the log has it, for people: `running, step 2, 25 %`.
fn standing(text: &str) -> String {
    let read = || {
        // No name of a state or a variant has a `*`: where the first one stands, the slots have begun.
        let at = text[..text.find('*')?].rfind(' ')?;
        let (head, slots) = (&text[..at], text[at..].trim_start());
        Some((head.replacen(" step", ", step", 1), slots.parse::<SlotTable>().ok()?))
    };
    let Some((head, slots)) = read() else { return text.to_owned() };
    let mut parts = vec![head];
    let mut told: Vec<&Share> = vec![&Share::Stable];
    for run in slots.runs() {
        if told.contains(&&run.share) {
            continue;
        }
        told.push(&run.share);
        let weight = percent(slots.weight(&run.share).as_percent());
        parts.push(match &run.share {
            Share::Other(name) => format!("{name} {weight}"),
            Share::Stable | Share::Canary => weight,
        });
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_told_in_words() {
        assert_eq!(standing("running step 2 @canary*2500 @stable*7500"), "running, step 2, 25 %");
        assert_eq!(standing("off @stable*10000"), "off");
        assert_eq!(standing("paused @canary*100 beta*50 @canary*1 @stable*9849"), "paused, 1.01 %, beta 0.5 %");
        assert_eq!(standing("paused beta*50 @stable*9950"), "paused, beta 0.5 %");
        assert_eq!(standing("something else"), "something else");
    }

    #[test]
    fn each_change_says_who_from_what_to_what_and_why() {
        let entry = Entry {
            at_ms: 1_000,
            by: "analysis".to_owned(),
            old: Some("running step 1 @canary*100 @stable*9900".to_owned()),
            new: Some("aborted step 1 @canary*100 @stable*9900".to_owned()),
            reason: "success rate 80 %, at least 99 %".to_owned(),
            ..Entry::default()
        };
        let shown = text(&[entry], Paint::none());
        let expected = "\
WHEN (UTC)           WHO       WHAT                                          WHY
1970-01-01 00:00:01  analysis  running, step 1, 1 % -> aborted, step 1, 1 %  success rate 80 %, at least 99 %";
        assert_eq!(shown, expected);
        assert!(text(&[], Paint::none()).contains("nothing"));
    }
}
