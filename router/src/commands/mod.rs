//! The commands beside `run`, one file each: its arguments, what it asks of files or of a running router, what it prints
//! and the status it ends with.

pub(crate) mod alerts;
mod ask;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod flags;
pub(crate) mod init;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod requests;
pub(crate) mod rollout;
pub(crate) mod shadow;
pub(crate) mod status;
mod watch;

pub(crate) use alerts::alerts;
pub(crate) use check::check;
pub(crate) use completions::completions;
pub(crate) use diff::diff;
pub(crate) use explain::explain;
pub(crate) use flags::flags;
pub(crate) use init::init;
pub(crate) use plugin::plugin;
pub(crate) use policy::policy;
pub(crate) use requests::{requests, why};
pub(crate) use rollout::rollout;
pub(crate) use shadow::shadow;
pub(crate) use status::status;

use std::path::{Path, PathBuf};

use anyhow::bail;
use sluice_policy::{Folders, ProcessConfig};

use crate::settings::{self, FILE};
use crate::terminal::tell;

fn print(text: &str) {
    tell(&mut std::io::stdout(), text);
}

/// The folders that a path stands for: a `sluice.toml`, or the folder that holds it or its `routes.d`.
fn folders(path: &Path) -> anyhow::Result<Folders> {
    Ok(config(path)?.folders)
}

/// The settings that a path stands for: those of a `sluice.toml`, or the defaults for a folder that holds a `routes.d`.
fn config(path: &Path) -> anyhow::Result<ProcessConfig> {
    let file = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    if file.exists() || !path.is_dir() {
        return Ok(settings::read(&file)?);
    }
    let mut config = ProcessConfig::default();
    let folders = &mut config.folders;
    settings::resolve(folders, path);
    if !folders.routes.is_dir() {
        let wanted = [FILE.into(), folders.routes.file_name().map(PathBuf::from).unwrap_or_default()];
        bail!(
            "{} holds neither {} nor {}/\n  hint: `sluice init {0}` writes a start",
            path.display(),
            wanted[0].display(),
            wanted[1].display()
        );
    }
    Ok(config)
}
