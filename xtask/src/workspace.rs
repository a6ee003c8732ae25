//! This repository: its packages as cargo sees them, and where it keeps what is built.

use std::path::{Path, PathBuf};

use anyhow::Result;
use sluice_plugin_build::Workspace as Packages;

/// The workspace that xtask belongs to.
#[derive(Debug)]
pub(crate) struct Workspace(Packages);

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        Ok(Self(Packages::load(&manifest)?))
    }

    /// As cargo sees it.
    pub(crate) const fn packages(&self) -> &Packages {
        &self.0
    }

    /// The repository.
    pub(crate) fn root(&self) -> &Path {
        self.0.root()
    }

    /// Where the built plugins lie.
    pub(crate) fn plugins_folder(&self) -> PathBuf {
        self.0.target().join("plugins")
    }

    /// Where everything is built.
    pub(crate) fn target_folder(&self) -> PathBuf {
        self.0.target().to_owned()
    }

    /// Where the example plugin in JavaScript is built.
    pub(crate) fn javascript_folder(&self) -> PathBuf {
        self.0.target().join("javascript")
    }

    /// Where the Python of the mail server of the tests is.
    pub(crate) fn smtp_folder(&self) -> PathBuf {
        self.0.target().join("smtp")
    }

    /// A program of this workspace, built with the profile that demo and tests share.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.target().join("debug").join(name)
    }

    /// The packages that are plugins, by name.
    pub(crate) fn plugins(&self) -> Vec<String> {
        self.0.plugins()
    }
}
