//! What commands share: the file of the fleet, its folder of state, its secrets, and printing.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sluice_document::Source;
use sluice_infra_spec::Spec;

use crate::args::Common;

/// Folder beside `infra.toml` with state, keys and audit log.
const STATE_FOLDER: &str = ".sluice-infra";

/// What commands share.
#[derive(Debug)]
pub(crate) struct Context {
    common: Common,
}

impl Context {
    /// Nothing is read yet.
    pub(crate) const fn new(common: Common) -> Self {
        Self { common }
    }

    /// Path of `infra.toml`.
    pub(crate) fn file(&self) -> &Path {
        &self.common.file
    }

    /// The folder that `infra.toml` is in: relative paths in it begin there.
    pub(crate) fn folder(&self) -> PathBuf {
        self.common
            .file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."))
            .to_owned()
    }

    /// The folder of state.
    pub(crate) fn state_folder(&self) -> PathBuf {
        self.folder().join(STATE_FOLDER)
    }

    /// True if the result is to be JSON.
    pub(crate) const fn json(&self) -> bool {
        self.common.json
    }

    /// The fleet that is wanted.
    ///
    /// # Errors
    /// If the file cannot be read, or all its faults.
    pub(crate) fn spec(&self) -> anyhow::Result<Spec> {
        let file = self.common.file.display().to_string();
        let text = std::fs::read_to_string(&self.common.file)
            .with_context(|| format!("read {file} (`sluice-infra init` writes a first one)"))?;
        Ok(sluice_infra_spec::parse(&Source { file, text })?)
    }

    /// The secret that is found there.
    ///
    /// # Errors
    /// If there is none, or it makes no sense.
    pub(crate) fn secret(
        &self,
        spec: &Spec,
        secret: &sluice_infra_spec::Secret,
    ) -> anyhow::Result<sluice_alert::Secret> {
        crate::secrets::find(spec, &self.folder(), secret)
    }

    /// A line for people, on stderr; results go to stdout.
    #[expect(clippy::print_stderr, reason = "this is where the program speaks to its user")]
    pub(crate) fn say(&self, line: &str) {
        if !self.common.json {
            eprintln!("{line}");
        }
    }
}
