//! The set-up ladder for the standard library of `wasm32-unknown-unknown`, which the plugins need.
//!
//! Three rungs, cheapest first; neither of the first two can be counted on: a machine may have no rustup, or no way to
//! its server. The third builds std from the source that Debian ships with its own compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::toolchain::{self, Version};
use crate::{apt, process, say};

/// The target of every plugin.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Where Debian installs its compiler.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
/// The compiler and its library source. The `-web` packages follow new releases also on Debian stable.
const SYSTEM_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// The linker, where the toolchain has none of its own.
const LINKER_PACKAGES: [&str; 1] = ["lld"];
const LINKER_VARIABLE: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER";

/// One way to the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rung {
    /// The active toolchain has it already.
    Active,
    /// `rustup target add`.
    Rustup,
    /// Debian's compiler builds it from source.
    System,
}

/// How plugins are compiled on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// As everything else.
    Active,
    /// With Debian's compiler, and std built along.
    System { linker: PathBuf },
}

impl Compiler {
    /// Sets a `cargo build` up for this compiler.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        match self {
            Self::Active => {}
            Self::System { linker } => {
                // RUSTC_BOOTSTRAP: build-std is not stable, and Debian's compiler is a stable one.
                cargo.env("RUSTC", SYSTEM_RUSTC).env("RUSTC_BOOTSTRAP", "1").env(LINKER_VARIABLE, linker);
                cargo.arg("-Zbuild-std=std,panic_abort");
            }
        }
    }
}

/// Climbs the ladder, or only tries `forced`.
///
/// # Errors
/// One message with the reason of every rung and the command that helps.
pub(crate) fn find(forced: Option<Rung>) -> Result<Compiler> {
    let ladder: &[Rung] = match &forced {
        Some(rung) => std::slice::from_ref(rung),
        None => &[Rung::Active, Rung::Rustup, Rung::System],
    };
    let mut reasons = Vec::new();
    for rung in ladder {
        match climb(*rung) {
            Ok(compiler) => return Ok(compiler),
            Err(reason) => reasons.push(format!("  {}: {reason:#}", name(*rung))),
        }
    }
    bail!(
        "the plugins need the standard library of {TARGET}:\n{}\n\
         Run `rustup target add {TARGET}`, or on Debian, as root, `{}`; then try again.",
        reasons.join("\n"),
        apt::install_line(&SYSTEM_PACKAGES)
    )
}

fn name(rung: Rung) -> &'static str {
    match rung {
        Rung::Active => "the active toolchain",
        Rung::Rustup => "rustup",
        Rung::System => "Debian's compiler",
    }
}

fn climb(rung: Rung) -> Result<Compiler> {
    match rung {
        Rung::Active => active(),
        Rung::Rustup => {
            ensure!(process::find_on_path("rustup").is_some(), "rustup is not installed");
            say::note(format_args!("the active toolchain lacks {TARGET}: asking rustup"));
            process::run(Command::new("rustup").args(["target", "add", TARGET]))?;
            active()
        }
        Rung::System => system(),
    }
}

fn active() -> Result<Compiler> {
    let folder =
        process::output(Command::new(toolchain::rustc()).args(["--print", "target-libdir", "--target", TARGET]))?;
    ensure!(has_std(Path::new(&folder)), "it has no {TARGET}");
    Ok(Compiler::Active)
}

/// A target is installed if its library folder holds std; the folder alone may be a left-over.
fn has_std(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("libstd-") && Path::new(&name).extension().is_some_and(|extension| extension == "rlib")
    })
}

fn system() -> Result<Compiler> {
    if check_system().is_err() {
        apt::install(&SYSTEM_PACKAGES)?;
        check_system()?;
    }
    let linker = linker()?;
    say::note(format_args!("using {SYSTEM_RUSTC}, which builds std for {TARGET} once (one to two minutes)"));
    Ok(Compiler::System { linker })
}

fn check_system() -> Result<()> {
    let found = Version::of(SYSTEM_RUSTC)?;
    ensure!(found >= Version::minimum(), "{SYSTEM_RUSTC} is {found}, Sluice needs {}", Version::minimum());
    let sysroot = process::output(Command::new(SYSTEM_RUSTC).args(["--print", "sysroot"]))?;
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    ensure!(source.is_file(), "{SYSTEM_RUSTC} comes without the source of std");
    Ok(())
}

/// `rust-lld` of the active toolchain, else LLVM's own.
fn linker() -> Result<PathBuf> {
    let rust_lld = rust_lld().context("find the linker of the active toolchain")?;
    if rust_lld.is_file() {
        return Ok(rust_lld);
    }
    if process::find_on_path("wasm-ld").is_none() {
        apt::install(&LINKER_PACKAGES)?;
    }
    process::find_on_path("wasm-ld").context("neither rust-lld nor wasm-ld is installed")
}

fn rust_lld() -> Result<PathBuf> {
    let verbose = process::output(Command::new(toolchain::rustc()).arg("-vV"))?;
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    Ok(toolchain::sysroot()?.join("lib/rustlib").join(host).join("bin/rust-lld"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_folder_without_std_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_std(&folder.path().join("missing")));
        fs::write(folder.path().join("libcore-1.rlib"), "").unwrap();
        assert!(!has_std(folder.path()));
        fs::write(folder.path().join("libstd-1.rlib"), "").unwrap();
        assert!(has_std(folder.path()));
    }

    #[test]
    fn the_system_compiler_builds_std_along() {
        let mut cargo = Command::new("cargo");
        Compiler::System { linker: "/x/rust-lld".into() }.apply(&mut cargo);
        assert_eq!(process::describe(&cargo), "`cargo -Zbuild-std=std,panic_abort`");
        assert!(cargo.get_envs().any(|(name, _)| name == "RUSTC_BOOTSTRAP"));
    }
}
