//! `sluice alerts silence | unsilence | silences`.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_model::silence::Silence;
use sluice_snapshot::time::{rfc3339, unix_ms};

use super::list::dash;
use crate::commands::ask::AskArgs;
use crate::human::span;
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Arguments of `sluice alerts silence`.
#[derive(Debug, clap::Args)]
pub(crate) struct SilenceArgs {
    /// Alerts of this rule.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["route", "fingerprint", "all"])]
    rule: Option<String>,
    /// Alerts of this route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Alerts of this fingerprint; `sluice alerts list --json` shows it.
    #[arg(long, value_name = "TEXT")]
    fingerprint: Option<String>,
    /// All alerts.
    #[arg(long, conflicts_with_all = ["rule", "route", "fingerprint"])]
    all: bool,
    /// For how long, e.g. 30m, 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    lasts: Duration,
    /// Why, for those who find it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// Arguments of `sluice alerts unsilence`.
#[derive(Debug, clap::Args)]
pub(crate) struct UnsilenceArgs {
    /// Its id.
    id: String,
    #[command(flatten)]
    ask: AskArgs,
}

fn time(text: &str) -> Result<Duration, String> {
    let parsed = sluice_document::units::duration(text).map_err(|fault| fault.to_string())?;
    if parsed.as_secs() == 0 { Err("at least 1s".to_owned()) } else { Ok(parsed) }
}

/// Makes one.
pub(super) fn silence(args: &SilenceArgs) -> anyhow::Result<ExitCode> {
    let asked = json!({
        "rule": args.rule, "route": args.route, "fingerprint": args.fingerprint, "all": args.all,
        "seconds": args.lasts.as_secs(), "reason": args.reason,
    });
    let told: Value = args.ask.client()?.post("/v1/alerts/silences", &asked)?;
    args.ask.show(told, |silence: Silence| {
        let (id, until) = (&silence.id, rfc3339(silence.until_ms));
        format!("silenced until {}; `sluice alerts unsilence {id}` ends it", until.as_str())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Ends one.
pub(super) fn unsilence(args: &UnsilenceArgs) -> anyhow::Result<ExitCode> {
    let is_plain = args.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    anyhow::ensure!(is_plain, "an id has letters and digits only: `sluice alerts silences` lists them");
    let told: Value = args.ask.client()?.delete(&format!("/v1/alerts/silences/{}", args.id))?;
    args.ask.show(told, |_: Value| format!("the silence {} has ended", args.id))?;
    Ok(ExitCode::SUCCESS)
}

/// Lists them.
pub(super) fn silences(args: &AskArgs) -> anyhow::Result<ExitCode> {
    let told: Value = args.client()?.get("/v1/alerts/silences")?;
    args.show(told, |silences: Vec<Silence>| text(&silences, unix_ms(), Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(silences: &[Silence], now_ms: u64, paint: Paint) -> String {
    if silences.is_empty() {
        return "no silences".to_owned();
    }
    let columns = ["ID", "OF", "LEFT", "BY", "REASON"].map(|name| (name, Side::Left));
    let row = |silence: &Silence| -> [Cell; 5] {
        let named = [("rule", &silence.rule), ("route", &silence.route), ("fingerprint", &silence.fingerprint)];
        let of: Vec<String> =
            named.iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?))).collect();
        [
            Cell::coloured(&*silence.id, Paint::bold),
            if of.is_empty() { "everything".to_owned() } else { of.join(", ") }.into(),
            span(silence.until_ms.saturating_sub(now_ms)).into(),
            (&*silence.by).into(),
            dash(&silence.reason).into(),
        ]
    };
    table(columns, &silences.iter().map(row).collect::<Vec<_>>(), paint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_a_line() {
        let silence = Silence { id: "1f00".to_owned(), until_ms: 61_000, by: "admin".to_owned(), ..Silence::default() };
        let of_rule = Silence { rule: Some("size".to_owned()), route: Some("app".to_owned()), ..silence.clone() };
        let expected = "\
ID    OF                    LEFT  BY     REASON
1f00  everything            1:00  admin  -
1f00  rule size, route app  1:00  admin  -";
        assert_eq!(text(&[silence, of_rule], 1_000, Paint::none()), expected);
    }

    #[test]
    fn a_time_has_a_unit_and_is_not_nothing() {
        assert_eq!(time("2h"), Ok(Duration::from_secs(7_200)));
        assert!(time("2").is_err() && time("10ms").is_err());
    }
}
