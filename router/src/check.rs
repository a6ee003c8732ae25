//! `sluice check`: everything that a router would check before it publishes, without a router.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;
use sluice_control::{Checked, Fault};
use sluice_policy::Folders;
use sluice_wasm::Engine;

use crate::args::CheckArgs;
use crate::settings::{self, FILE, ReadError};
use crate::tell;

/// Checks and prints; the exit code says whether a router would take it.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let checked = match folders(&args.path) {
        Ok(folders) => sluice_control::check(&Engine::new().context("start the plugin engine")?, &folders),
        Err(error) => refused(error)?,
    };
    let text = if args.json {
        format!("{:#}", json!({"ok": checked.faults.is_empty(), "checked": checked}))
    } else {
        text(&checked)
    };
    tell(&mut io::stdout(), &text);
    Ok(if checked.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folders that a path stands for.
fn folders(path: &Path) -> anyhow::Result<Folders> {
    let file = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    if file.exists() || !path.is_dir() {
        return Ok(settings::read(&file)?.folders);
    }
    let mut folders = Folders::default();
    settings::resolve(&mut folders, path);
    if !folders.routes.is_dir() {
        let wanted = [FILE.into(), folders.routes.file_name().map(PathBuf::from).unwrap_or_default()];
        bail!("{} holds neither {} nor {}/", path.display(), wanted[0].display(), wanted[1].display());
    }
    Ok(folders)
}

/// Faults of `sluice.toml` are a result, anything else an error.
fn refused(error: anyhow::Error) -> anyhow::Result<Checked> {
    match error.downcast::<ReadError>()? {
        ReadError::Faults(faults) => {
            let faults = faults.0.into_iter().map(Fault::from).collect();
            Ok(Checked { faults, routes: 0, plugins: 0, others: Vec::new() })
        }
        error @ ReadError::Io(..) => Err(error.into()),
    }
}

/// Faults as a compiler shows them, and one line that sums up.
fn text(checked: &Checked) -> String {
    let mut text = String::new();
    for fault in &checked.faults {
        text.push_str(&format!("{fault}\n\n"));
    }
    for other in checked.others.iter().filter(|other| other.fault.is_none()) {
        text.push_str(&format!("note: no policy names plugin file {}\n", other.file));
    }
    text + &match checked.faults.len() {
        0 => format!("ok: {} routes, {} plugins", checked.routes, checked.plugins),
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    }
}
