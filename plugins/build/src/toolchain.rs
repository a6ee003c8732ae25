//! The Rust compiler: which one is active, and whether it is new enough to build Sluice and its plugins.

use std::env;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, CommandError};

/// `rust-version` of the workspace, for example `1.95`.
const MINIMUM: &str = env!("CARGO_PKG_RUST_VERSION");

/// Why there is no compiler to use.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// None at all.
    #[error(
        "`{compiler}` is not installed: Sluice needs Rust {} or newer.\n\
         With rustup, see rustup.rs: `rustup toolchain install stable`.",
        Version::minimum()
    )]
    Missing {
        /// What was looked for.
        compiler: String,
    },
    /// It does not run.
    #[error("ask the compiler for its version")]
    Ask(#[source] CommandError),
    /// It prints something that no compiler prints.
    #[error("read the version of {compiler}: `{line}`")]
    Version {
        /// Which one.
        compiler: String,
        /// What it printed.
        line: String,
    },
    /// Too old.
    #[error(
        "Sluice needs Rust {} or newer, the active toolchain is {found}.\n\
         With rustup: `rustup update stable`, then `rustup default stable`.",
        Version::minimum()
    )]
    Old {
        /// What is active.
        found: Version,
    },
}

/// Major and minor number of a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The oldest that builds Sluice.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "cargo checked the number")]
    pub fn minimum() -> Self {
        Self::parse(MINIMUM).expect("invariant: cargo checked rust-version in Cargo.toml")
    }

    /// Reads `1.95`, `1.95.0` or `1.97.0-nightly`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.');
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }

    /// Asks a compiler.
    ///
    /// # Errors
    /// It does not run, or is none.
    pub fn of(compiler: &str) -> Result<Self, ToolchainError> {
        let line = process::output(Command::new(compiler).arg("--version")).map_err(|error| match error {
            CommandError::Start { source, .. } if source.kind() == ErrorKind::NotFound => {
                ToolchainError::Missing { compiler: compiler.to_owned() }
            }
            other => ToolchainError::Ask(other),
        })?;
        Self::from_line(&line).ok_or_else(|| ToolchainError::Version { compiler: compiler.to_owned(), line })
    }

    /// Reads `rustc 1.95.0 (59807616e 2026-04-14)`.
    fn from_line(line: &str) -> Option<Self> {
        line.split_whitespace().nth(1).and_then(Self::parse)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The compiler that cargo uses here.
#[must_use]
pub fn rustc() -> String {
    env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
}

/// Where the active toolchain is installed.
///
/// # Errors
/// The compiler does not run.
pub fn sysroot() -> Result<PathBuf, CommandError> {
    process::output(Command::new(rustc()).args(["--print", "sysroot"])).map(PathBuf::from)
}

/// Fails with an explanation if the active compiler is missing or too old.
///
/// # Errors
/// What to do about it.
pub fn check() -> Result<(), ToolchainError> {
    let found = Version::of(&rustc())?;
    if found < Version::minimum() { Err(ToolchainError::Old { found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered_by_number() {
        let version = |line| Version::from_line(line);
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)"), Some(Version { major: 1, minor: 95 }));
        assert_eq!(version("rustc 1.97.0-nightly (abc 2026-05-01)"), Some(Version { major: 1, minor: 97 }));
        assert_eq!(version("clang"), None);
        assert!(version("rustc 1.100.0") > version("rustc 1.95.0"));
    }

    #[test]
    fn the_compiler_that_runs_this_test_is_new_enough() {
        check().unwrap();
    }

    #[test]
    fn who_has_no_compiler_is_told_how_to_get_one() {
        let told = Version::of("no-such-rustc").unwrap_err().to_string();
        assert!(told.contains("`no-such-rustc` is not installed") && told.contains("rustup"), "{told}");
    }
}
