//! The file of cases that `sluice plugin test` and `bench` read.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use sluice_control::chain;
use sluice_control::rehearsal::RehearsalError;
use sluice_policy::{PluginTests, Source};
use sluice_wasm::LoadError;

/// Reads it. Its faults are shown like those of a policy.
pub(super) fn read(file: &Path) -> anyhow::Result<PluginTests> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let source = Source { file: file.display().to_string(), text };
    sluice_policy::parse_plugin_tests(&source).map_err(|faults| anyhow!("the cases are faulty\n{faults}"))
}

/// Why a plugin is not shown any case.
pub(super) fn refused(file: &Path, error: &RehearsalError) -> anyhow::Error {
    let hint = match error {
        RehearsalError::Load(LoadError::Config { .. }) => {
            "\n  hint: `config = { .. }` at the head of the file of cases (--cases) is what it receives".to_owned()
        }
        RehearsalError::Load(_) => format!("\n  hint: `sluice plugin inspect {} --init` says more", file.display()),
        RehearsalError::Engine(_)
        | RehearsalError::Field(_)
        | RehearsalError::Folder(_)
        | RehearsalError::State { .. }
        | RehearsalError::Call { .. } => String::new(),
    };
    anyhow!("{}: {}{hint}", file.display(), chain(error))
}
