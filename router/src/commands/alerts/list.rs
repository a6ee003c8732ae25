//! `sluice alerts list | firing`: the newest alerts, and those that are up.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;
use sluice_model::alert::{Alert, AlertStatus, Firing};
use sluice_snapshot::time::{rfc3339, unix_ms};

use crate::admin::AdminClient;
use crate::commands::ask::AskArgs;
use crate::commands::{print, watch};
use crate::human::span;
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Alerts that are shown unless more are asked for: a screen.
const NEWEST_DEFAULT: usize = 20;

/// Arguments of `sluice alerts list`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// How many of the newest.
    #[arg(long, value_name = "N", default_value_t = NEWEST_DEFAULT)]
    newest: usize,
    /// Stay, and follow what changes.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// Arguments of `sluice alerts firing`.
#[derive(Debug, clap::Args)]
pub(crate) struct FiringArgs {
    /// Stay, and follow what changes.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    ask: AskArgs,
}

/// An alert as the admin port tells it.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(flatten)]
    alert: Alert,
    #[serde(default)]
    deliveries: BTreeMap<String, Value>,
    #[serde(default)]
    silenced: bool,
}

/// Asks and prints.
pub(super) fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/alerts?limit={}", args.newest);
    show(&args.ask, args.watch, |client| {
        let told: Value = client.get(&path)?;
        let alerts: Vec<Told> = serde_json::from_value(told.clone())?;
        Ok(args.ask.either(format!("{told:#}"), || list_text(&alerts, Paint::stdout())))
    })
}

/// Asks and prints.
pub(super) fn firing(args: &FiringArgs) -> anyhow::Result<ExitCode> {
    show(&args.ask, args.watch, |client| {
        let told: Value = client.get("/v1/alerts/firing")?;
        let firing: Vec<Firing> = serde_json::from_value(told.clone())?;
        Ok(args.ask.either(format!("{told:#}"), || firing_text(&firing, unix_ms(), Paint::stdout())))
    })
}

fn show(
    ask: &AskArgs,
    stays: bool,
    shown: impl Fn(&AdminClient) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    let client = ask.client()?;
    if stays {
        return watch::watch(&client, || shown(&client));
    }
    print(&shown(&client)?);
    Ok(ExitCode::SUCCESS)
}

fn list_text(alerts: &[Told], paint: Paint) -> String {
    if alerts.is_empty() {
        return "no alerts were raised".to_owned();
    }
    let columns = ["SEEN", "STATUS", "RULE", "ROUTE", "MESSAGE", "TOLD"].map(|name| (name, Side::Left));
    let row = |told: &Told| -> [Cell; 6] {
        let Alert { at_ms, status, rule, route, message, .. } = &told.alert;
        let colour = if *status == AlertStatus::Firing { Paint::red } else { Paint::green };
        [
            Cell::coloured(rfc3339(*at_ms).as_str(), Paint::dim),
            Cell::coloured(status.as_str(), colour),
            Cell::coloured(&**rule, Paint::bold),
            dash(route).into(),
            (&**message).into(),
            who_was_told(told).into(),
        ]
    };
    table(columns, &alerts.iter().map(row).collect::<Vec<_>>(), paint)
}

fn firing_text(firing: &[Firing], now_ms: u64, paint: Paint) -> String {
    if firing.is_empty() {
        return "no alert is up".to_owned();
    }
    let columns = ["SINCE", "RULE", "ROUTE", "SEEN", "MESSAGE"].map(|name| (name, Side::Left));
    let row = |firing: &Firing| -> [Cell; 5] {
        let Alert { at_ms, rule, route, message, .. } = &firing.alert;
        [
            Cell::coloured(rfc3339(*at_ms).as_str(), Paint::dim),
            Cell::coloured(&**rule, Paint::red),
            dash(route).into(),
            format!("{} ago", span(now_ms.saturating_sub(firing.seen_ms))).into(),
            (&**message).into(),
        ]
    };
    table(columns, &firing.iter().map(row).collect::<Vec<_>>(), paint)
}

/// Sinks, with how they stand where they do not just have it.
fn who_was_told(told: &Told) -> String {
    if told.silenced {
        return "silenced".to_owned();
    }
    let one = |(sink, outcome): (&String, &Value)| match outcome["state"].as_str().unwrap_or_default() {
        "told" | "known" => sink.clone(),
        state => format!("{sink} ({state})"),
    };
    dash(&told.deliveries.iter().map(one).collect::<Vec<_>>().join(", "))
}

pub(super) fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(more: &Value) -> Told {
        let mut alert = serde_json::to_value(Alert {
            rule: "upload-size".to_owned(),
            message: "too large".to_owned(),
            ..Alert::default()
        })
        .unwrap();
        alert.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(alert).unwrap()
    }

    #[test]
    fn an_alert_is_a_line_with_whom_was_told() {
        let alerts = [
            told(
                &json!({"deliveries": {"hook": {"state": "failed", "tries": 2, "error": "x"}, "mail": {"state": "told"}}}),
            ),
            told(&json!({"status": "resolved", "route": "app", "silenced": true})),
        ];
        let expected = "\
SEEN                      STATUS    RULE         ROUTE  MESSAGE    TOLD
1970-01-01T00:00:00.000Z  firing    upload-size  -      too large  hook (failed), mail
1970-01-01T00:00:00.000Z  resolved  upload-size  app    too large  silenced";
        assert_eq!(list_text(&alerts, Paint::none()), expected);
        assert_eq!(list_text(&[], Paint::none()), "no alerts were raised");
    }

    #[test]
    fn what_is_up_says_when_it_was_last_seen() {
        let alert = Alert { rule: "many-errors".to_owned(), route: "app".to_owned(), ..Alert::default() };
        let shown = firing_text(&[Firing { alert, seen_ms: 0, keep_ms: 1 }], 61_000, Paint::none());
        assert!(shown.contains("many-errors  app    1:01 ago"), "{shown}");
    }
}
