//! `cargo xtask plugins`: every plugin of the workspace, as a component in `target/plugins/NAME.wasm`.
//!
//! Files are replaced atomically and only if they changed, so a router may watch the folder.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::componentize::componentize;
use crate::wasm_std::{self, Compiler, Rung, TARGET};
use crate::workspace::Workspace;
use crate::{process, say, toolchain};

/// The cargo profile of plugins, see the root Cargo.toml.
const PROFILE: &str = "plugin";
/// Flags for the compiler that replace whatever a user has set for native code and a wasm linker does not understand.
const FLAGS_VARIABLE: &str = "CARGO_ENCODED_RUSTFLAGS";
/// Between two flags in that variable, as the cargo reference has it.
const FLAGS_SEPARATOR: &str = "\x1f";
/// Readable by a router that runs as another user.
const FILE_MODE: u32 = 0o644;

/// How to build plugins.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Take the standard library of wasm32-unknown-unknown from there only, instead of the first that works.
    #[arg(long, value_enum, env = "SLUICE_RUNG")]
    rung: Option<Rung>,
}

/// Builds them all and says where they are.
pub(crate) fn run(options: &Options) -> Result<()> {
    toolchain::check()?;
    let workspace = Workspace::load()?;
    let folder = build(&workspace, workspace.plugins(), options)?;
    say::step(format_args!("plugins are in {}", folder.display()));
    Ok(())
}

/// Builds the named plugins; answers the folder that holds their files.
pub(crate) fn build(workspace: &Workspace, names: &[String], options: &Options) -> Result<PathBuf> {
    say::step("looking for the standard library of the plugins");
    let compiler = wasm_std::find(options.rung)?;
    say::step(format_args!("building the plugins {}", names.join(", ")));
    let target = workspace.target().join("wasm");
    process::run(&mut command(&compiler, names, &target, workspace.root()))?;
    let folder = workspace.plugins_folder();
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for name in names {
        let module = target.join(TARGET).join(PROFILE).join(format!("{}.wasm", name.replace('-', "_")));
        let module = fs::read(&module).with_context(|| format!("read {}", module.display()))?;
        let component = componentize(&module).with_context(|| format!("make a component of {name}"))?;
        let file = folder.join(format!("{name}.wasm"));
        let change = if replace(&file, &component)? { "new" } else { "unchanged" };
        say::note(format_args!("{name}.wasm, {} KiB, {change}", component.len().div_ceil(1024)));
    }
    Ok(folder)
}

fn command(compiler: &Compiler, names: &[String], target: &Path, root: &Path) -> Command {
    let mut cargo = process::cargo();
    cargo.current_dir(root).args(["build", "--lib", "--profile", PROFILE, "--target", TARGET]);
    cargo.arg("--target-dir").arg(target);
    for name in names {
        cargo.args(["--package", name]);
    }
    cargo.env(FLAGS_VARIABLE, flags());
    compiler.apply(&mut cargo);
    cargo
}

/// Panic locations name the sources of dependencies. Without the folders of this machine the same sources give the same
/// plugin, hence the same digest, everywhere.
fn flags() -> OsString {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let mut flags = OsString::new();
    for registry in registries.into_iter().flatten().flatten() {
        if !flags.is_empty() {
            flags.push(FLAGS_SEPARATOR);
        }
        flags.push("--remap-path-prefix=");
        flags.push(registry.path());
        flags.push("=crates");
    }
    flags
}

/// Writes the whole file beside the old one and renames it; answers whether there was anything to do.
fn replace(file: &Path, content: &[u8]) -> Result<bool> {
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    let folder = file.parent().context("a plugin file lies in a folder")?;
    let write = || -> std::io::Result<()> {
        let permissions = Permissions::from_mode(FILE_MODE);
        let mut draft = tempfile::Builder::new().prefix(".draft-").permissions(permissions).tempfile_in(folder)?;
        draft.write_all(content)?;
        draft.persist(file)?;
        Ok(())
    };
    write().with_context(|| format!("write {}", file.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_if_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        assert!(replace(&file, b"one").unwrap());
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        assert!(!replace(&file, b"one").unwrap());
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
        assert!(replace(&file, b"two").unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn flags_for_native_code_do_not_reach_the_wasm_linker() {
        let cargo = command(&Compiler::Active, &["canary".to_owned()], Path::new("/t"), Path::new("/r"));
        let flags = cargo.get_envs().find(|(name, _)| *name == FLAGS_VARIABLE).and_then(|(_, value)| value).unwrap();
        assert!(flags.to_str().unwrap().starts_with("--remap-path-prefix=/"), "{flags:?}");
    }
}
