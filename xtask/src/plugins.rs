//! `cargo xtask plugins`: every plugin of the workspace, as a component in `target/plugins/NAME.wasm`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use sluice_plugin_build::{Build, Rung, toolchain};

use crate::say::{self, Say};
use crate::workspace::Workspace;

/// How to build plugins.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Take the standard library of wasm32-unknown-unknown from there only: `active` (the toolchain), `rustup` or
    /// `system` (Debian's compiler), instead of the first that works.
    #[arg(long, env = "SLUICE_RUNG")]
    rung: Option<Rung>,
}

/// Builds them all and says where they are.
pub(crate) fn run(options: &Options) -> Result<()> {
    toolchain::check()?;
    let workspace = Workspace::load()?;
    let folder = build(&workspace, &workspace.plugins(), options)?;
    say::step(format_args!("plugins are in {}", folder.display()));
    Ok(())
}

/// Builds the named plugins; answers the folder that holds their files.
pub(crate) fn build(workspace: &Workspace, names: &[String], options: &Options) -> Result<PathBuf> {
    let out = workspace.plugins_folder();
    Build { workspace: workspace.packages(), names, out: &out, rung: options.rung }.run(&Say)?;
    Ok(out)
}
