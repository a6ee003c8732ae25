//! A Python with given packages from PyPI, in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use sluice_plugin_build::process;

use crate::program::Program;

/// Found or installed on demand.
const PYTHON: Program = Program {
    name: "python3",
    variable: "SLUICE_PYTHON",
    packages: &["python3", "python3-venv"],
    // Any 3: pip itself refuses one that is too old for the packages.
    major_min: 3,
    major,
};

/// Makes the environment `folder` anew, with `packages` as pip names them, and returns its Python.
///
/// # Errors
/// There is no Python, or the packages cannot be fetched.
pub(crate) fn environment(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    process::run(Command::new(PYTHON.find()?).args(["-m", "venv", "--clear"]).arg(folder))?;
    let python = folder.join("bin/python");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    process::run(&mut pip)?;
    Ok(python)
}

/// Reads `Python 3.11.7`.
fn major(line: &str) -> Option<u32> {
    line.strip_prefix("Python ")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_python_prints() {
        assert_eq!(major("Python 3.11.7"), Some(3));
        assert_eq!(major("3.11.7"), None);
        assert_eq!(major("pypy"), None);
    }
}
