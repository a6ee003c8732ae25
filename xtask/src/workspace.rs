//! The workspace as cargo sees it: its folders and which of its members are plugins.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{CrateType, Metadata, MetadataCommand, Package};

/// What an author of a plugin depends on; depending on it is what makes a library a plugin.
const SDK: &str = "sluice-plugin";

/// Folders and plugins of this repository.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    plugins: Vec<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let metadata =
            MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("read the cargo metadata")?;
        Ok(Self {
            root: metadata.workspace_root.clone().into(),
            target: metadata.target_directory.clone().into(),
            plugins: plugins(&metadata),
        })
    }

    /// The repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where the built plugins lie.
    pub(crate) fn plugins_folder(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// A program of this workspace, built with the profile that demo and tests share.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// The packages that are plugins, by name.
    pub(crate) fn plugins(&self) -> &[String] {
        &self.plugins
    }
}

fn plugins(metadata: &Metadata) -> Vec<String> {
    metadata.workspace_packages().into_iter().filter(|package| is_plugin(package)).map(|p| p.name.to_string()).collect()
}

fn is_plugin(package: &Package) -> bool {
    let library = package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib));
    library && package.dependencies.iter().any(|dependency| dependency.name == SDK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_found_by_what_they_are() {
        let workspace = Workspace::load().unwrap();
        for name in ["feature-flags", "canary", "upload-alert", "hostile"] {
            assert!(workspace.plugins().iter().any(|plugin| plugin == name), "{name}");
        }
        assert!(!workspace.plugins().iter().any(|plugin| plugin == SDK || plugin == "sluice"));
    }
}
