//! A clean checkout of one commit, away from anything that lies around in a work tree.
//!
//! It is in the folder for temporary files, under a name that is the same for each deploy of an app: build tools keep
//! what they know of a file by its path, and a fresh one each time would make their caches grow without end. The turn
//! keeps others out of it, and nobody but its owner may look into it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::source::Source;
use super::{DeployError, file};
use crate::git::Git;

/// Digits of the folder's name.
const NAME_BYTES: usize = 8;

/// The checkout.
pub(super) struct Checkout {
    folder: PathBuf,
    git: Git,
    app: PathBuf,
}

impl Checkout {
    /// Makes it; what a broken-off deploy left there is removed.
    pub(super) async fn make(source: &Source, commit: &str, state: &Path) -> Result<Self, DeployError> {
        let folder = place(state).map_err(|error| file("find a folder for the checkout", error))?;
        prepare(&folder).map_err(|error| file(format!("prepare {}", folder.display()), error))?;
        let tree = folder.join("tree");
        let path = tree.display().to_string();
        let repository = source.repository().await?.display().to_string();
        let parent = Git::at(&folder);
        // Objects of the sources are read where they are; ours stay here.
        parent.text(&["clone", "--quiet", "--shared", "--no-checkout", "--no-tags", &repository, &path]).await?;
        let git = Git::at(&tree);
        git.text(&["-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit]).await?;
        let app = tree.join(source.folder());
        if !app.is_dir() {
            let fault = format!("the commit has no folder `{}`", source.folder());
            return Err(DeployError::NoRelease(fault));
        }
        Ok(Self { folder, git, app })
    }

    /// Git in it.
    pub(super) const fn git(&self) -> &Git {
        &self.git
    }

    /// The folder that the app is in: where its gates run.
    pub(super) fn app_folder(&self) -> &Path {
        &self.app
    }

    /// Room for our own files, beside the tree.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // What is left is removed before the next one.
        let _left = fs::remove_dir_all(&self.folder);
    }
}

/// Where it is: the same for the same folder of state.
fn place(state: &Path) -> io::Result<PathBuf> {
    let digest = Sha256::digest(state.canonicalize()?.as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
    Ok(std::env::temp_dir().join(format!("sluice-deploy-{}-{name}", rustix::process::geteuid().as_raw())))
}

/// An empty folder that is ours alone. In a folder that everybody writes to, somebody else may have been there first.
fn prepare(folder: &Path) -> io::Result<()> {
    if let Err(error) = DirBuilder::new().mode(0o700).create(folder)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else; remove it"));
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_not_used() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("checkout");
        prepare(&folder).unwrap();
        fs::write(folder.join("left"), "").unwrap();
        fs::create_dir(folder.join("tree")).unwrap();
        prepare(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(prepare(&folder).is_err());
        let link = above.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        assert!(prepare(&link).is_err());
    }
}
