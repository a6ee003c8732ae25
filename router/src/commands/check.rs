//! `sluice check`: everything that a router would check before it publishes, without a router.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use sluice_control::{Checked, Fault};
use sluice_wasm::Engine;

use super::{config, print};
use crate::settings::ReadError;
use crate::terminal::Paint;

/// Arguments of `sluice check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// A sluice.toml, or the folder that holds it or its routes.d.
    #[arg(value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Checks and prints; the exit code says whether a router would take it.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let checked = match config(&args.path) {
        Ok(config) => {
            let engine = Engine::new().context("start the plugin engine")?;
            sluice_control::check(&engine, &config.folders)
        }
        Err(error) => refused(error)?,
    };
    if args.json {
        print(&format!("{:#}", json!({"ok": checked.faults.is_empty(), "checked": checked})));
    } else {
        print(&text(&checked, Paint::stdout()));
    }
    Ok(if checked.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Faults of `sluice.toml` are a result, anything else an error.
fn refused(error: anyhow::Error) -> anyhow::Result<Checked> {
    match error.downcast::<ReadError>()? {
        ReadError::Faults(faults) => {
            let faults = faults.0.into_iter().map(Fault::from).collect();
            Ok(Checked { faults, ..Checked::default() })
        }
        error @ ReadError::Io(..) => Err(error.into()),
    }
}

/// Faults as a compiler shows them, and one line that sums up.
fn text(checked: &Checked, paint: Paint) -> String {
    let mut text = faults(&checked.faults, paint);
    for other in checked.others.iter().filter(|other| other.fault.is_none()) {
        text.push_str(&format!("{}: no policy names plugin file {}\n", paint.yellow("note"), other.file));
    }
    text + &match checked.faults.len() {
        0 => {
            let Checked { routes, plugins, tests, .. } = checked;
            format!("{}: {routes} routes, {plugins} plugins, {tests} tests", paint.green("ok"))
        }
        1 => paint.red("1 fault"),
        count => paint.red(&format!("{count} faults")),
    }
}

/// Faults one below the other, each followed by an empty line.
pub(crate) fn faults(faults: &[Fault], paint: Paint) -> String {
    let lines = |fault: &Fault| {
        let text = fault.to_string();
        let (first, rest) = text.split_once('\n').map_or((text.as_str(), ""), |(first, rest)| (first, rest));
        let rest = if rest.is_empty() { String::new() } else { format!("\n{rest}") };
        format!("{}{rest}\n\n", paint.bold(first))
    };
    faults.iter().map(lines).collect()
}
