//! Where the sources of an app are: a repository, and the folder of it that the app is in.

use std::path::{Path, PathBuf};

use super::DeployError;
use crate::GitError;
use crate::git::Git;

/// Where the sources of an app are.
#[derive(Clone, Debug)]
pub struct Source {
    git: Git,
    folder: String,
    is_bare: bool,
}

impl Source {
    /// In the repository that `place` is in. In a work tree the app is in the folder `place` itself, so that each app of a
    /// repository of many has its own; `folder` names one below that, and the only way to name one in a bare repository.
    ///
    /// # Errors
    /// If there is no repository.
    pub async fn open(place: &Path, folder: Option<&str>) -> Result<Self, DeployError> {
        let git = Git::at(place);
        let is_bare = git.text(&["rev-parse", "--is-bare-repository"]).await? == "true";
        let prefix = if is_bare { String::new() } else { git.text(&["rev-parse", "--show-prefix"]).await? };
        let names = [prefix.trim_matches('/'), folder.unwrap_or_default().trim_matches('/')];
        let folder = names.into_iter().filter(|name| !name.is_empty() && *name != ".").collect::<Vec<_>>().join("/");
        Ok(Self { git, folder, is_bare })
    }

    /// The commit that this names.
    ///
    /// # Errors
    /// If it names none.
    pub async fn resolve(&self, revision: &str) -> Result<String, DeployError> {
        let name = format!("{revision}^{{commit}}");
        let found = self.git.text(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).await;
        found.map_err(|error| match error {
            GitError::Failed { .. } => DeployError::NoRelease(format!("`{revision}` names no commit here")),
            other => other.into(),
        })
    }

    /// The branch that is checked out; `None` = none is, as in the middle of a rebase.
    ///
    /// # Errors
    /// If git does not say.
    pub async fn branch(&self) -> Result<Option<String>, DeployError> {
        match self.git.text(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await {
            Ok(branch) => Ok(Some(branch)),
            Err(GitError::Failed { status: 1, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// True if a file of the app differs between two commits; also if the older one is not known.
    ///
    /// # Errors
    /// If git does not say.
    pub async fn is_changed(&self, older: &str, newer: &str) -> Result<bool, DeployError> {
        let older = format!("{older}^{{commit}}");
        if !self.git.says_yes(&["rev-parse", "--verify", "--quiet", "--end-of-options", &older]).await? {
            return Ok(true);
        }
        let folder = if self.folder.is_empty() { "." } else { &self.folder };
        let place = format!(":(top){folder}");
        Ok(!self.git.says_yes(&["diff-tree", "--quiet", &older, newer, "--", &place]).await?)
    }

    pub(super) const fn git(&self) -> &Git {
        &self.git
    }

    /// The app's folder in the tree; empty = all of it.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) const fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// The repository itself.
    pub(super) async fn repository(&self) -> Result<PathBuf, DeployError> {
        Ok(self.git.text(&["rev-parse", "--path-format=absolute", "--git-common-dir"]).await?.into())
    }
}
