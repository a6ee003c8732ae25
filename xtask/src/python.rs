//! A Python with given packages from PyPI, in a virtual environment of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
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

/// One package that tests need, in an environment of its own, unless some Python is named that has it.
pub(crate) struct Package {
    /// Environment variable that names such a Python; tells the tests which one has it.
    pub(crate) variable: &'static str,
    /// With its version, as pip names it.
    pub(crate) pinned: &'static str,
    /// What is imported of it.
    pub(crate) module: &'static str,
}

impl Package {
    /// A Python that has it; made in `folder` if need be.
    ///
    /// # Errors
    /// There is no Python, or the package cannot be fetched.
    pub(crate) fn python(&self, folder: &Path) -> Result<PathBuf> {
        let Self { variable, pinned, .. } = self;
        if let Some(named) = env::var_os(variable) {
            let python = PathBuf::from(named);
            ensure!(self.is_in(&python), "the Python that {variable} names has no {pinned}");
            return Ok(python);
        }
        let python = folder.join("bin/python");
        if self.is_in(&python) {
            return Ok(python);
        }
        environment(folder, &[pinned])?;
        ensure!(self.is_in(&python), "{pinned} was installed but cannot be imported");
        Ok(python)
    }

    fn is_in(&self, python: &Path) -> bool {
        process::succeeds(Command::new(python).args(["-c", &format!("import {}", self.module)]))
    }
}

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
