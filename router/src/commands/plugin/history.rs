//! `sluice plugin history NAME`: the digests of a plugin that served, what became of them, and which one serves now.

use std::process::ExitCode;

use serde::Deserialize;
use sluice_snapshot::time::rfc3339;

use super::show::NameArgs;
use super::told::short;
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Digits of a time that a person reads: to the second, without the zone, which is UTC.
const TIME_DIGITS: usize = "0000-00-00T00:00:00".len();
/// Whom the router names where nobody but the file decided.
const BY_FOLDER: &str = "folder";

/// What the router keeps of one plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct History {
    name: String,
    digests: Vec<Entry>,
}

/// One digest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    digest: String,
    version: Option<String>,
    first_served_ms: u64,
    last_served_ms: u64,
    outcome: String,
    reason: Option<String>,
    by: String,
}

/// Asks and prints.
pub(crate) fn history(args: &NameArgs) -> anyhow::Result<ExitCode> {
    let told = args.ask.client()?.get(&format!("/v1/plugins/{}/history", args.name))?;
    args.ask.show(told, |history: History| text(&history, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(history: &History, paint: Paint) -> String {
    if history.digests.is_empty() {
        return format!("no digest of `{}` has served yet", history.name);
    }
    let columns =
        ["", "DIGEST", "VERSION", "FIRST (UTC)", "LAST (UTC)", "OUTCOME", "WHY"].map(|name| (name, Side::Left));
    let rows: Vec<[Cell; 7]> = history.digests.iter().map(row).collect();
    table(columns, &rows, paint)
}

fn row(entry: &Entry) -> [Cell; 7] {
    let time = |ms: u64| match ms {
        0 => "-".to_owned(),
        ms => rfc3339(ms).as_str()[..TIME_DIGITS].replace('T', " "),
    };
    let why = match &entry.reason {
        Some(reason) => format!("{reason} (by {})", entry.by),
        None if entry.by == BY_FOLDER => "from the plugin folder".to_owned(),
        None => format!("by {}", entry.by),
    };
    let (mark, colour): (&str, fn(Paint, &str) -> String) = match entry.outcome.as_str() {
        "serving" => ("*", Paint::green),
        "trial" => ("?", Paint::yellow),
        "served" => ("", Paint::dim),
        "quarantined" => ("", Paint::red),
        _ => ("", Paint::yellow),
    };
    [
        mark.into(),
        Cell::coloured(short(&entry.digest), Paint::bold),
        entry.version.clone().unwrap_or_else(|| "-".to_owned()).into(),
        time(entry.first_served_ms).into(),
        time(if mark.is_empty() { entry.last_served_ms } else { 0 }).into(),
        Cell::coloured(&*entry.outcome, colour),
        why.into(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_serves_is_marked_and_what_became_of_the_rest_is_told() {
        let told = json!({"name": "canary", "digests": [
            {"digest": "0123456789abcdef", "version": "0.1.0", "first_served_ms": 1_000, "outcome": "serving", "by": "folder"},
            {"digest": "fedcba9876543210", "first_served_ms": 2_000, "last_served_ms": 3_000, "outcome": "rolled-back",
             "reason": "5 of 20 calls failed", "by": "watch"},
        ]});
        let shown = text(&serde_json::from_value(told).unwrap(), Paint::none());
        let expected = "   DIGEST        VERSION  FIRST (UTC)          LAST (UTC)           OUTCOME      WHY
*  0123456789ab  0.1.0    1970-01-01 00:00:01  -                    serving      from the plugin folder
   fedcba987654  -        1970-01-01 00:00:02  1970-01-01 00:00:03  rolled-back  5 of 20 calls failed (by watch)";
        assert_eq!(shown, expected);
        assert!(text(&History::default(), Paint::none()).contains("no digest"));
    }
}
