//! `sluice flags history [KEY]`: what was changed, newest first.

use std::process::ExitCode;

use serde_json::Value;
use sluice_model::audit::AuditEntry;

use super::change::{concerns, told};
use super::part;
use super::told::Flag;
use crate::commands::ask::AskArgs;
use crate::terminal::Paint;

/// Changes that are shown unless more are asked for: a screen.
const NEWEST_DEFAULT: usize = 20;

/// Arguments of `sluice flags history`.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Key of a flag [default: all flags].
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// How many of the newest entries of the log to look at.
    #[arg(long, value_name = "N", default_value_t = NEWEST_DEFAULT)]
    newest: usize,
    #[command(flatten)]
    ask: AskArgs,
}

/// Asks and prints.
pub(super) fn history(args: &HistoryArgs) -> anyhow::Result<ExitCode> {
    let client = args.ask.client()?;
    let of = match &args.key {
        Some(key) => {
            let flag: Flag = client.get(&format!("/v1/flags/{}", part(key)))?;
            format!("&key={}", part(&flag.audit_key()))
        }
        None => String::new(),
    };
    let entries: Value = client.get(&format!("/v1/audit?limit={}{of}", args.newest))?;
    let is_wanted = |entry: &AuditEntry| args.key.as_ref().is_none_or(|key| concerns(entry, key));
    args.ask.show(entries, |entries: Vec<AuditEntry>| {
        let entries: Vec<AuditEntry> = entries.into_iter().filter(is_wanted).collect();
        text(&entries, Paint::stdout())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn text(entries: &[AuditEntry], paint: Paint) -> String {
    let lines: Vec<String> = entries.iter().filter_map(|entry| told(entry, paint)).collect();
    if lines.is_empty() { "no change of a flag stands in the log".to_owned() } else { lines.join("\n") }
}
