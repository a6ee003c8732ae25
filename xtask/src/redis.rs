//! The set-up ladder for a real `redis-server`: named by the environment, on `PATH`, or installed with apt.
//!
//! Only the program is wanted. A service that runs on this machine is never touched, started or stopped.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{apt, process};

/// Names the program, for xtask and for the tests that xtask starts.
pub(crate) const VARIABLE: &str = "SLUICE_REDIS_SERVER";
const PROGRAM: &str = "redis-server";
const PACKAGES: [&str; 1] = ["redis-server"];
/// The oldest that the store is built and measured on.
const MAJOR_MIN: u32 = 7;

/// Finds or installs it.
///
/// # Errors
/// One message with the reason and the command that helps.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        let program = PathBuf::from(named);
        check(&program).with_context(|| format!("use the program that {VARIABLE} names"))?;
        return Ok(program);
    }
    if let Some(program) = process::find_on_path(PROGRAM) {
        check(&program)?;
        return Ok(program);
    }
    if let Err(reason) = apt::install(&PACKAGES) {
        bail!(
            "{PROGRAM} is not installed ({reason:#}). Install it (Debian, as root: `{}`), or set {VARIABLE}=/path/to/it.",
            apt::install_line(&PACKAGES)
        );
    }
    let program = process::find_on_path(PROGRAM).context("redis-server was installed but is not on PATH")?;
    check(&program)?;
    Ok(program)
}

fn check(program: &PathBuf) -> Result<()> {
    let line = process::output(Command::new(program).arg("--version"))?;
    let major = major(&line).with_context(|| format!("read the version of {}: `{line}`", program.display()))?;
    ensure!(major >= MAJOR_MIN, "{} is version {major}, Sluice needs {MAJOR_MIN} or newer", program.display());
    Ok(())
}

/// Reads `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=...`.
fn major(line: &str) -> Option<u32> {
    let version = line.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_the_server_prints() {
        assert_eq!(major("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64"), Some(7));
        assert_eq!(major("Valkey server v=8.1.0 sha=0"), Some(8));
        assert_eq!(major("redis"), None);
    }

    #[test]
    fn a_program_that_is_no_redis_is_refused() {
        assert!(check(&PathBuf::from("/bin/true")).is_err());
    }
}
