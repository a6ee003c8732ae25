//! The official engines for flag definitions and the official OpenFeature clients, for the tests: from npm and PyPI, in the
//! versions that their lists in this repository fix, and only if those lists changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sluice_plugin_build::{process, replace};

use crate::javascript::NPM;
use crate::python;
use crate::workspace::Workspace;

/// Programs of others that tests ask.
pub(crate) struct Oracles {
    /// As progress and summary name them.
    pub(crate) name: &'static str,
    /// Tells the tests where they are.
    pub(crate) variable: &'static str,
    /// What the names of the tests that need them begin with.
    pub(crate) tests: &'static str,
    /// What a user may type to see what is wrong.
    pub(crate) install: &'static str,
    /// Where their sources are.
    sources: &'static str,
    files: &'static [&'static str],
    /// Below the target folder.
    folder: &'static str,
}

/// All of them.
pub(crate) const ALL: [Oracles; 2] = [
    Oracles {
        name: "official flag engines",
        variable: "SLUICE_FLAGD_ORACLES",
        tests: "official::",
        install: "cd plugins/flagd/oracles && npm ci && python3 -m venv venv && venv/bin/pip install -r requirements.txt",
        sources: "plugins/flagd/oracles",
        files: &["package.json", "package-lock.json", "requirements.txt", "oracle.js", "oracle.py"],
        folder: "flagd-oracles",
    },
    Oracles {
        name: "official OpenFeature clients",
        variable: "SLUICE_OFREP_CLIENTS",
        tests: "ofrep::clients",
        install: "cd tests/ofrep && npm ci && python3 -m venv venv && venv/bin/pip install -r requirements.txt",
        sources: "tests/ofrep",
        files: &["package.json", "package-lock.json", "requirements.txt", "server.js", "web.js", "client.py"],
        folder: "ofrep-clients",
    },
];

/// A copy of the lists that the folder was made of, one after the other.
const MADE_OF: &str = "made-of";

impl Oracles {
    /// Where they are set up.
    ///
    /// # Errors
    /// There is no npm or no Python, or they cannot fetch the packages.
    pub(crate) fn set_up(&self, workspace: &Workspace) -> Result<PathBuf> {
        let folder = workspace.target_folder().join(self.folder);
        let sources = workspace.root().join(self.sources);
        let contents = self.files.iter().map(|file| read(&sources.join(file))).collect::<Result<Vec<_>>>()?;
        let made_of = contents.concat();
        if fs::read(folder.join(MADE_OF)).is_ok_and(|before| before == made_of) {
            return Ok(folder);
        }
        let npm = NPM.find()?;
        for (file, content) in self.files.iter().zip(&contents) {
            replace(&folder.join(file), content)?;
        }
        process::run(Command::new(&npm).current_dir(&folder).args(["ci", "--no-audit", "--no-fund"]))?;
        let requirements = folder.join("requirements.txt").display().to_string();
        python::environment(&folder.join("venv"), &["-r", &requirements])?;
        replace(&folder.join(MADE_OF), &made_of)?;
        Ok(folder)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
