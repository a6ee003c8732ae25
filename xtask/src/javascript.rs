//! The example plugin in JavaScript, for the tests: built with npm, which fetches its tools, and only if its sources changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sluice_plugin_build::{append_manifest, process, replace};

use crate::program::Program;
use crate::workspace::Workspace;

/// Found or installed on demand; it brings node.
pub(crate) const NPM: Program = Program {
    name: "npm",
    variable: "SLUICE_NPM",
    packages: &["nodejs", "npm"],
    // The oldest that reads the form of our package-lock.json.
    major_min: 7,
    major,
};

/// Tells the tests where the plugin is.
pub(crate) const PLUGIN_VARIABLE: &str = "SLUICE_JAVASCRIPT_PLUGIN";
/// What a user may type to see what is wrong.
pub(crate) const INSTALL: &str = "cd plugins/examples/javascript && npm ci";

const SOURCES: &str = "plugins/examples/javascript";
/// Everything that the plugin is made of.
const FILES: [&str; 7] =
    ["package.json", "package-lock.json", "build.js", "contract.js", "plugin.js", "manifest.json", "wit/world.wit"];
const CONTRACT: &str = "plugins/wit/plugin.wit";
/// The sources that the plugin beside it was made of, one after the other.
const MADE_OF: &str = "made-of";

/// The plugin's file.
///
/// # Errors
/// There is no npm, it cannot fetch the tools, or they fail.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let npm = NPM.find()?;
    let folder = workspace.javascript_folder();
    let plugin = folder.join("greeter.wasm");
    let contract = workspace.root().join(CONTRACT);
    let files = FILES.map(|file| workspace.root().join(SOURCES).join(file));
    let sources = files.iter().chain([&contract]).map(|path| read(path)).collect::<Result<Vec<_>>>()?.concat();
    if plugin.is_file() && fs::read(folder.join(MADE_OF)).is_ok_and(|made_of| made_of == sources) {
        return Ok(plugin);
    }
    for (path, name) in files.iter().zip(FILES) {
        replace(&folder.join(name), &read(path)?)?;
    }
    process::run(Command::new(&npm).current_dir(&folder).args(["ci", "--no-audit", "--no-fund"]))?;
    process::run(Command::new(&npm).current_dir(&folder).args(["run", "build", "--"]).arg(&contract))?;
    let packed = append_manifest(&read(&folder.join("build/component.wasm"))?, &read(&folder.join("manifest.json"))?)
        .context("pack the plugin in JavaScript")?;
    replace(&plugin, &packed)?;
    replace(&folder.join(MADE_OF), &sources)?;
    Ok(plugin)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// Reads `11.19.1`.
fn major(line: &str) -> Option<u32> {
    line.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_npm_prints() {
        assert_eq!(major("11.19.1"), Some(11));
        assert_eq!(major("npm"), None);
    }
}
