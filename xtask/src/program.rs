//! The set-up ladder for a program that is not ours: named by the environment, on `PATH`, or installed with apt.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use sluice_plugin_build::{apt, process};

use crate::say::Say;

/// A program that is needed in a new enough version.
pub(crate) struct Program {
    /// As it stands on `PATH`.
    pub(crate) name: &'static str,
    /// Environment variable that names it, for xtask and for the tests that xtask starts.
    pub(crate) variable: &'static str,
    /// The Debian packages that bring it.
    pub(crate) packages: &'static [&'static str],
    /// The oldest that will do.
    pub(crate) major_min: u32,
    /// Reads the major version from what `--version` prints.
    pub(crate) major: fn(&str) -> Option<u32>,
}

/// Under CI a missing tool is a failure, elsewhere it is listed as skipped.
pub(crate) fn under_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

impl Program {
    /// Finds or installs it.
    ///
    /// # Errors
    /// One message with the reason and the command that helps.
    pub(crate) fn find(&self) -> Result<PathBuf> {
        let Self { name, variable, packages, .. } = self;
        if let Some(named) = env::var_os(variable) {
            let program = PathBuf::from(named);
            self.check(&program).with_context(|| format!("use the program that {variable} names"))?;
            return Ok(program);
        }
        if let Some(program) = process::find_on_path(name) {
            self.check(&program)?;
            return Ok(program);
        }
        if let Err(reason) = apt::install(packages, &Say).map_err(anyhow::Error::from) {
            bail!(
                "{name} is not installed ({reason:#}). Install it (Debian, as root: `{}`), or set {variable}=/path/to/it.",
                apt::install_line(packages)
            );
        }
        let program = process::find_on_path(name);
        let program = program.with_context(|| format!("{name} was installed but is not on PATH"))?;
        self.check(&program)?;
        Ok(program)
    }

    fn check(&self, program: &Path) -> Result<()> {
        let line = process::output(Command::new(program).arg("--version"))?;
        let shown = program.display();
        let major = (self.major)(&line).with_context(|| format!("read the version of {shown}: `{line}`"))?;
        let wanted = self.major_min;
        ensure!(major >= wanted, "{shown} is version {major}, Sluice needs {wanted} or newer");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Program = Program {
        name: "sh",
        variable: "SLUICE_NO_SUCH_VARIABLE",
        packages: &[],
        major_min: 2,
        major: |line| line.split('.').next()?.parse().ok(),
    };

    fn program(folder: &Path, version: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let file = folder.join(version);
        std::fs::write(&file, format!("#!/bin/sh\necho {version}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn the_version_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        SHELL.check(&program(folder.path(), "2.0")).unwrap();
        let old = SHELL.check(&program(folder.path(), "1.9")).unwrap_err().to_string();
        assert!(old.ends_with("is version 1, Sluice needs 2 or newer"), "{old}");
        let other = SHELL.check(&program(folder.path(), "other")).unwrap_err().to_string();
        assert!(other.starts_with("read the version of"), "{other}");
        assert!(SHELL.check(Path::new("/bin/false")).is_err());
    }
}
