//! The Rust compiler: which one is active, and whether it is new enough to build Sluice.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// `rust-version` of the workspace, for example `1.95`.
const MINIMUM: &str = env!("CARGO_PKG_RUST_VERSION");

/// Major and minor number of a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The oldest that builds Sluice.
    pub(crate) fn minimum() -> Self {
        Self::parse(MINIMUM).expect("invariant: cargo checked rust-version in Cargo.toml")
    }

    /// Reads `1.95`, `1.95.0` or `1.97.0-nightly`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.');
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }

    /// Asks a compiler.
    pub(crate) fn of(compiler: &str) -> Result<Self> {
        let line = process::output(Command::new(compiler).arg("--version"))?;
        Self::from_line(&line).with_context(|| format!("read the version of {compiler}: `{line}`"))
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
pub(crate) fn rustc() -> String {
    env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
}

/// Where the active toolchain is installed.
pub(crate) fn sysroot() -> Result<PathBuf> {
    process::output(Command::new(rustc()).args(["--print", "sysroot"])).map(PathBuf::from)
}

/// Fails with an explanation if the active compiler is too old.
pub(crate) fn check() -> Result<()> {
    let (found, minimum) = (Version::of(&rustc())?, Version::minimum());
    if found < minimum {
        bail!(
            "Sluice needs Rust {minimum} or newer, the active toolchain is {found}.\n\
             With rustup: `rustup update stable`, then `rustup default stable`."
        );
    }
    Ok(())
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
}
