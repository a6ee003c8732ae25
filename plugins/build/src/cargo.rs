//! What cargo is told: to build plugins for their target, to run their tests natively.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Workspace;
use crate::process::{self, CommandError};
use crate::wasm_std::{Compiler, TARGET};

/// The cargo profile of plugins: in the Cargo.toml of the workspace.
const PROFILE: &str = "plugin";
/// Flags for the compiler that replace whatever a user has set for native code and a wasm linker does not understand.
const FLAGS_VARIABLE: &str = "CARGO_ENCODED_RUSTFLAGS";
/// Between two flags in that variable, as the cargo reference has it.
const FLAGS_SEPARATOR: &str = "\x1f";

/// Runs the unit tests of these packages, natively.
///
/// # Errors
/// One fails, or cargo does.
pub fn test(workspace: &Workspace, names: &[String]) -> Result<(), CommandError> {
    let mut cargo = process::cargo();
    cargo.current_dir(workspace.root()).arg("test").arg("--target-dir").arg(workspace.target());
    process::run(packages(&mut cargo, names))
}

/// Builds the core modules of these packages.
pub(crate) fn build(compiler: &Compiler, workspace: &Workspace, names: &[String]) -> Result<(), CommandError> {
    process::run(&mut command(compiler, workspace.root(), &target(workspace), names))
}

/// Where the module of a package is once it is built.
pub(crate) fn module(workspace: &Workspace, name: &str) -> PathBuf {
    target(workspace).join(TARGET).join(PROFILE).join(format!("{}.wasm", name.replace('-', "_")))
}

/// Apart from native builds: neither then waits for the other.
fn target(workspace: &Workspace) -> PathBuf {
    workspace.target().join("wasm")
}

fn command(compiler: &Compiler, root: &Path, target: &Path, names: &[String]) -> Command {
    let mut cargo = process::cargo();
    cargo.current_dir(root).args(["build", "--lib", "--profile", PROFILE, "--target", TARGET]);
    cargo.arg("--target-dir").arg(target);
    packages(&mut cargo, names).env(FLAGS_VARIABLE, flags());
    compiler.apply(&mut cargo);
    cargo
}

fn packages<'c>(cargo: &'c mut Command, names: &[String]) -> &'c mut Command {
    for name in names {
        cargo.args(["--package", name]);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_for_native_code_do_not_reach_the_wasm_linker() {
        let cargo = command(&Compiler::Active, Path::new("/r"), Path::new("/t"), &["canary".to_owned()]);
        let flags = cargo.get_envs().find(|(name, _)| *name == FLAGS_VARIABLE).and_then(|(_, value)| value).unwrap();
        assert!(flags.to_str().unwrap().starts_with("--remap-path-prefix=/"), "{flags:?}");
        assert!(
            process::describe(&cargo).ends_with("--target-dir /t --package canary`"),
            "{}",
            process::describe(&cargo)
        );
    }
}
