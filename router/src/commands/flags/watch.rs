//! `sluice flags watch [KEY]`: changes as they happen.

use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Context as _;
use sluice_model::audit::AuditEntry;

use super::change::{concerns, told};
use super::part;
use super::told::Flag;
use crate::admin::AdminArgs;
use crate::terminal::{Paint, try_tell};

/// Arguments of `sluice flags watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// Key of a flag [default: all flags].
    #[arg(value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print one JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

/// Listens and prints until the router ends.
pub(super) fn watch(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let client = args.admin.client()?;
    let of = match &args.key {
        Some(key) => {
            let flag: Flag = client.get(&format!("/v1/flags/{}", part(key)))?;
            format!("?key={}", part(&flag.audit_key()))
        }
        None => String::new(),
    };
    client.events(&format!("/v1/audit/events{of}"), |name, data| {
        let goes_on = match name {
            "open" => note("watching flags; ctrl-c ends it"),
            "change" => show(&serde_json::from_str(data).context("read a change")?, args, data),
            "missed" => note(&format!("{data} changes were missed: `sluice flags history`")),
            _ => Ok(()),
        };
        // Nobody reads any more.
        Ok(if goes_on.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(ExitCode::SUCCESS)
}

fn note(text: &str) -> io::Result<()> {
    try_tell(&mut io::stderr(), text)
}

fn show(entry: &AuditEntry, args: &WatchArgs, data: &str) -> io::Result<()> {
    let is_wanted = args.key.as_ref().is_none_or(|key| concerns(entry, key));
    match told(entry, Paint::stdout()).filter(|_| is_wanted) {
        Some(text) => try_tell(&mut io::stdout(), if args.json { data } else { &text }),
        None => Ok(()),
    }
}
