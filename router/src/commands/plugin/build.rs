//! `sluice plugin build`: unit tests, component, file. Everything is in `sluice-plugin-build`; here is what is typed and printed.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sluice_plugin_build::{Build, Progress, Rung, Workspace, toolchain};

use crate::commands::{folders, print};
use crate::terminal::tell;

/// What makes a folder a package.
const PACKAGE_FILE: &str = "Cargo.toml";

/// Arguments of `sluice plugin build`.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// The plugin's crate; or a folder of a workspace, for every plugin below it.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Where NAME.wasm goes [default: DIR].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Put NAME.wasm into the plugin folder of a router: its sluice.toml, or the folder that holds it.
    #[arg(long, value_name = "EDGE", conflicts_with = "out")]
    install: Option<PathBuf>,
    /// Do not run the unit tests first.
    #[arg(long)]
    no_test: bool,
    /// Take the standard library of wasm32-unknown-unknown from there only: `active` (the toolchain), `rustup` or
    /// `system` (Debian's compiler).
    #[arg(long, env = "SLUICE_RUNG")]
    rung: Option<Rung>,
}

/// Builds, and prints where the files are.
pub(crate) fn build(args: &BuildArgs) -> anyhow::Result<ExitCode> {
    let folder = package(&args.folder)?;
    let out = match (&args.out, &args.install) {
        (Some(out), _) => out.clone(),
        (None, Some(edge)) => folders(edge)?.plugins,
        (None, None) if args.folder == Path::new(".") => PathBuf::new(),
        (None, None) => args.folder.clone(),
    };
    toolchain::check()?;
    let workspace = Workspace::load(&folder.join(PACKAGE_FILE))?;
    let names = workspace.plugins_of(&folder);
    if names.is_empty() {
        bail!(
            "{} holds no plugin\n  hint: a plugin is a library of `crate-type = [\"cdylib\", \"rlib\"]` that depends on \
             `sluice-plugin`; `sluice plugin new NAME` writes one",
            args.folder.display()
        );
    }
    if !args.no_test {
        Stderr.step(&format_args!("running the unit tests of {}", names.join(", ")));
        if let Err(error) = sluice_plugin_build::test(&workspace, &names) {
            bail!("{error}\n  hint: `--no-test` builds without them");
        }
    }
    for built in (Build { workspace: &workspace, names: &names, out: &out, rung: args.rung }).run(&Stderr)? {
        print(&built.file.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder as cargo names it, if there is a package in it.
fn package(folder: &Path) -> anyhow::Result<PathBuf> {
    if !folder.join(PACKAGE_FILE).is_file() {
        bail!("{} has no {PACKAGE_FILE}\n  hint: `sluice plugin new NAME` writes a plugin's crate", folder.display());
    }
    folder.canonicalize().with_context(|| format!("find {}", folder.display()))
}

/// Progress for people: stdout is for scripts.
struct Stderr;

impl Progress for Stderr {
    fn step(&self, text: &dyn Display) {
        tell(&mut std::io::stderr(), &text.to_string());
    }

    fn note(&self, text: &dyn Display) {
        tell(&mut std::io::stderr(), &format!("  {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_package_is_refused_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let refused = package(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("has no Cargo.toml") && refused.contains("sluice plugin new"), "{refused}");
    }
}
