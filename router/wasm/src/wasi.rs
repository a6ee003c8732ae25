//! What of WASI 0.2 a plugin in another language may import. Its language's runtime asks for it, used or not.
//!
//! Given are clocks, random numbers and an output that goes to the plugin's log; environment and arguments are empty, the
//! input is closed. Nothing waits: a call that would have to is a trap. Files, sockets and HTTP are linked, so that such a
//! plugin loads, and granted to nobody. Resources are plain numbers, so no table of the host grows with what a plugin opens.

mod cli;
mod clocks;
mod denied;
mod io;
mod output;
mod random;

use std::time::Instant;

use wasmtime::component::{Component, Linker};

use crate::host::Host;
use output::Line;

/// Interfaces that a plugin may use. A definition serves all versions 0.2.x: the linker matches them by semver.
const GIVEN: [&str; 17] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/random",
];

/// Has the name of its only function, and so a line of its own.
const INSECURE_SEED: &str = "wasi:random/insecure-seed";

/// Packages that are linked, and whose functions trap.
const DENIED: [&str; 3] = ["wasi:filesystem/", "wasi:http/", "wasi:sockets/"];

/// The series of versions that there are definitions for.
const SERIES: &str = "0.2.";

/// What becomes of an import from WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It works.
    Given,
    /// It links, and every function of it traps.
    Denied,
}

/// What a plugin's output and clocks stand on.
pub(crate) struct Wasi {
    started: Instant,
    stdout: Line,
    stderr: Line,
}

impl Wasi {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), stdout: Line::default(), stderr: Line::default() }
    }
}

/// What becomes of the import `name`; `None` = it is not of WASI 0.2, or of a part that is not even linked.
pub(crate) fn access(name: &str) -> Option<Access> {
    let (interface, version) = name.split_once('@')?;
    let patch = version.strip_prefix(SERIES)?;
    if patch.is_empty() || !patch.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if GIVEN.contains(&interface) || interface == INSECURE_SEED {
        return Some(Access::Given);
    }
    DENIED.iter().any(|package| interface.starts_with(package)).then_some(Access::Denied)
}

/// Defines what every plugin may use.
pub(crate) fn define(linker: &mut Linker<Host>) -> Result<(), wasmtime::Error> {
    io::define(linker)?;
    clocks::define(linker)?;
    random::define(linker)?;
    cli::define(linker)
}

/// A linker for `component`: `linker`, and what the component imports of the denied packages.
pub(crate) fn linker_for(linker: &Linker<Host>, component: &Component) -> Result<Linker<Host>, wasmtime::Error> {
    let mut linker = linker.clone();
    denied::define(&mut linker, component)?;
    Ok(linker)
}

/// An interface by the version that it is defined under.
fn first_version(interface: &str) -> String {
    format!("{interface}@{SERIES}0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_of_the_series_is_known_and_nothing_else() {
        for name in ["wasi:io/streams@0.2.0", "wasi:io/streams@0.2.12", "wasi:random/insecure-seed@0.2.6"] {
            assert_eq!(access(name), Some(Access::Given), "{name}");
        }
        for name in ["wasi:filesystem/types@0.2.6", "wasi:sockets/tcp@0.2.0", "wasi:http/types@0.2.3"] {
            assert_eq!(access(name), Some(Access::Denied), "{name}");
        }
        for name in [
            "wasi:io/streams",
            "wasi:io/streams@0.2",
            "wasi:io/streams@0.2.",
            "wasi:io/streams@0.3.0",
            "wasi:io/streams@0.2.0-rc-2023-11-10",
            "wasi:io/other@0.2.0",
            "wasi:filesystem@0.2.0",
            "wasi:nn/graph@0.2.0",
            "env",
        ] {
            assert_eq!(access(name), None, "{name}");
        }
    }
}
