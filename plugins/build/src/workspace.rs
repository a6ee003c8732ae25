//! A cargo workspace as cargo sees it: its folders, and which of its packages are plugins.

use std::path::{Path, PathBuf};

use cargo_metadata::{CrateType, Metadata, MetadataCommand, Package};

use crate::process;

/// What an author of a plugin depends on; depending on it is what makes a library a plugin.
const SDK: &str = "sluice-plugin";

/// Folders and plugins of a workspace; a lone package is a workspace of one.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    plugins: Vec<Plugin>,
}

#[derive(Debug)]
struct Plugin {
    name: String,
    folder: PathBuf,
}

/// Why cargo does not know a workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// No package here, or cargo cannot read it.
    #[error("read the cargo metadata")]
    Metadata(#[from] cargo_metadata::Error),
}

impl Workspace {
    /// Asks cargo for the workspace of this Cargo.toml.
    ///
    /// # Errors
    /// What cargo says.
    pub fn load(manifest: &Path) -> Result<Self, WorkspaceError> {
        let mut command = MetadataCommand::new();
        command.cargo_path(process::cargo().get_program()).manifest_path(manifest).no_deps();
        let metadata = command.exec()?;
        Ok(Self {
            root: metadata.workspace_root.clone().into(),
            target: metadata.target_directory.clone().into(),
            plugins: plugins(&metadata),
        })
    }

    /// Where its Cargo.toml and Cargo.lock lie.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The packages that are plugins, by name.
    #[must_use]
    pub fn plugins(&self) -> Vec<String> {
        self.plugins.iter().map(|plugin| plugin.name.clone()).collect()
    }

    /// The plugin whose package lies in this folder; none there, all that lie below it.
    #[must_use]
    pub fn plugins_of(&self, folder: &Path) -> Vec<String> {
        let named = |is_meant: &dyn Fn(&Path) -> bool| -> Vec<String> {
            self.plugins.iter().filter(|plugin| is_meant(&plugin.folder)).map(|plugin| plugin.name.clone()).collect()
        };
        let own = named(&|its| its == folder);
        if own.is_empty() { named(&|its| its.starts_with(folder)) } else { own }
    }
}

fn plugins(metadata: &Metadata) -> Vec<Plugin> {
    let packages = metadata.workspace_packages().into_iter().filter(|package| is_plugin(package));
    packages.map(|package| Plugin { name: package.name.to_string(), folder: folder(package) }).collect()
}

fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().map_or_else(PathBuf::new, Into::into)
}

fn is_plugin(package: &Package) -> bool {
    let library = package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib));
    library && package.dependencies.iter().any(|dependency| dependency.name == SDK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_found_by_what_they_are_and_where_they_lie() {
        let workspace = Workspace::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
        for name in ["feature-flags", "canary", "upload-alert", "hostile"] {
            assert!(workspace.plugins().iter().any(|plugin| plugin == name), "{name}");
        }
        assert!(!workspace.plugins().iter().any(|plugin| plugin == SDK || plugin == "sluice"));
        let folder = workspace.root().join("plugins");
        assert_eq!(workspace.plugins_of(&folder.join("canary")), ["canary"]);
        assert!(workspace.plugins_of(&folder).contains(&"canary".to_owned()));
        assert!(!workspace.plugins_of(&folder).contains(&"hostile".to_owned()));
        assert!(workspace.plugins_of(&folder.join("sdk")).is_empty());
    }
}
