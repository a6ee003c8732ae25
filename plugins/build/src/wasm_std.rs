//! The set-up ladder for the standard library of `wasm32-unknown-unknown`, which the plugins need.
//!
//! Three rungs, cheapest first; neither of the first two can be counted on: a machine may have no rustup, or no way to
//! its server. The third builds std from the source that Debian ships with its own compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::apt::AptError;
use crate::causes::WithCauses;
use crate::process::CommandError;
use crate::toolchain::{self, ToolchainError, Version};
use crate::{Progress, apt, process};

/// The target of every plugin.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Where Debian installs its compiler.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
/// The compiler and its library source. The `-web` packages follow new releases also on Debian stable.
const SYSTEM_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// The linker, where the toolchain has none of its own.
const LINKER_PACKAGES: [&str; 1] = ["lld"];
const LINKER_VARIABLE: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER";

/// One way to the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// `active`: the active toolchain has it already.
    Active,
    /// `rustup`: `rustup target add`.
    Rustup,
    /// `system`: Debian's compiler builds it from source.
    System,
}

impl Rung {
    /// In the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Active, Self::Rustup, Self::System];

    /// As a command line names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rustup => "rustup",
            Self::System => "system",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Active => "the active toolchain",
            Self::Rustup => "rustup",
            Self::System => "Debian's compiler",
        }
    }
}

/// No rung has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is none of active, rustup, system")]
pub struct UnknownRung;

impl FromStr for Rung {
    type Err = UnknownRung;

    fn from_str(name: &str) -> Result<Self, UnknownRung> {
        Self::ALL.into_iter().find(|rung| rung.name() == name).ok_or(UnknownRung)
    }
}

/// No rung holds: the reason of each, and the command that helps.
#[derive(Debug, thiserror::Error)]
#[error(
    "the plugins need the standard library of {TARGET}:\n{}\n\
     Run `rustup target add {TARGET}`, or on Debian, as root, `{}`; then try again.",
    .reasons.join("\n"),
    apt::install_line(&SYSTEM_PACKAGES)
)]
pub struct MissingStd {
    reasons: Vec<String>,
}

/// Why one rung does not hold.
#[derive(Debug, thiserror::Error)]
enum RungError {
    #[error("it has no {TARGET}")]
    NoTarget,
    #[error("rustup is not installed")]
    NoRustup,
    #[error("{SYSTEM_RUSTC} is {found}, Sluice needs {}", Version::minimum())]
    Old { found: Version },
    #[error("{SYSTEM_RUSTC} comes without the source of std")]
    NoSource,
    #[error("find the linker of the active toolchain")]
    FindLinker(#[source] CommandError),
    #[error("`rustc -vV` names no host")]
    NoHost,
    #[error("neither rust-lld nor wasm-ld is installed")]
    NoLinker,
    #[error(transparent)]
    Apt(#[from] AptError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
}

/// How plugins are compiled on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// As everything else.
    Active,
    /// With Debian's compiler, and std built along.
    System {
        /// What links.
        linker: PathBuf,
    },
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
pub fn find(forced: Option<Rung>, progress: &dyn Progress) -> Result<Compiler, MissingStd> {
    let ladder = forced.map_or_else(|| Rung::ALL.to_vec(), |rung| vec![rung]);
    let mut reasons = Vec::new();
    for rung in ladder {
        match climb(rung, progress) {
            Ok(compiler) => return Ok(compiler),
            Err(reason) => reasons.push(format!("  {}: {}", rung.title(), WithCauses(&reason))),
        }
    }
    Err(MissingStd { reasons })
}

fn climb(rung: Rung, progress: &dyn Progress) -> Result<Compiler, RungError> {
    match rung {
        Rung::Active => active(),
        Rung::Rustup => {
            process::find_on_path("rustup").ok_or(RungError::NoRustup)?;
            progress.note(&format_args!("the active toolchain lacks {TARGET}: asking rustup"));
            process::run(Command::new("rustup").args(["target", "add", TARGET]))?;
            active()
        }
        Rung::System => system(progress),
    }
}

fn active() -> Result<Compiler, RungError> {
    let folder =
        process::output(Command::new(toolchain::rustc()).args(["--print", "target-libdir", "--target", TARGET]))?;
    if has_std(Path::new(&folder)) { Ok(Compiler::Active) } else { Err(RungError::NoTarget) }
}

/// A target is installed if its library folder holds std; the folder alone may be a left-over.
fn has_std(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("libstd-") && Path::new(&name).extension().is_some_and(|extension| extension == "rlib")
    })
}

fn system(progress: &dyn Progress) -> Result<Compiler, RungError> {
    if check_system().is_err() {
        apt::install(&SYSTEM_PACKAGES, progress)?;
        check_system()?;
    }
    let linker = linker(progress)?;
    progress.note(&format_args!("using {SYSTEM_RUSTC}, which builds std for {TARGET} once (one to two minutes)"));
    Ok(Compiler::System { linker })
}

fn check_system() -> Result<(), RungError> {
    let found = Version::of(SYSTEM_RUSTC)?;
    if found < Version::minimum() {
        return Err(RungError::Old { found });
    }
    let sysroot = process::output(Command::new(SYSTEM_RUSTC).args(["--print", "sysroot"]))?;
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if source.is_file() { Ok(()) } else { Err(RungError::NoSource) }
}

/// `rust-lld` of the active toolchain, else LLVM's own.
fn linker(progress: &dyn Progress) -> Result<PathBuf, RungError> {
    let rust_lld = rust_lld()?;
    if rust_lld.is_file() {
        return Ok(rust_lld);
    }
    if process::find_on_path("wasm-ld").is_none() {
        apt::install(&LINKER_PACKAGES, progress)?;
    }
    process::find_on_path("wasm-ld").ok_or(RungError::NoLinker)
}

fn rust_lld() -> Result<PathBuf, RungError> {
    let verbose = process::output(Command::new(toolchain::rustc()).arg("-vV")).map_err(RungError::FindLinker)?;
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: ")).ok_or(RungError::NoHost)?;
    let sysroot = toolchain::sysroot().map_err(RungError::FindLinker)?;
    Ok(sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"))
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
    fn rungs_have_names() {
        for rung in Rung::ALL {
            assert_eq!(rung.name().parse(), Ok(rung));
        }
        assert_eq!("systm".parse::<Rung>(), Err(UnknownRung));
    }

    #[test]
    fn the_system_compiler_builds_std_along() {
        let mut cargo = Command::new("cargo");
        Compiler::System { linker: "/x/rust-lld".into() }.apply(&mut cargo);
        assert_eq!(process::describe(&cargo), "`cargo -Zbuild-std=std,panic_abort`");
        assert!(cargo.get_envs().any(|(name, _)| name == "RUSTC_BOOTSTRAP"));
    }
}
