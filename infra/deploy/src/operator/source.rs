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

    /// True if a commit is one of this app: it changes files of its folder, or nothing at all (which somebody meant), or the
    /// one before is not known.
    ///
    /// # Errors
    /// If git does not say.
    pub async fn is_changed(&self, older: &str, newer: &str) -> Result<bool, DeployError> {
        let older = format!("{older}^{{commit}}");
        if self.folder.is_empty()
            || !self.git.says_yes(&["rev-parse", "--verify", "--quiet", "--end-of-options", &older]).await?
            || self.git.says_yes(&["diff-tree", "-r", "--quiet", &older, newer]).await?
        {
            return Ok(true);
        }
        let place = format!(":(top,literal){}", self.folder);
        Ok(!self.git.says_yes(&["diff-tree", "-r", "--quiet", &older, newer, "--", &place]).await?)
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

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: [&str; 4] = ["-c", "user.name=a", "-c", "user.email=a@example.org"];

    async fn commit(git: &Git, file: &str) -> String {
        let path = git.folder().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
        git.text(&["add", "--all"]).await.unwrap();
        git.text(&[&WHO[..], &["commit", "--quiet", "--message", file]].concat()).await.unwrap();
        git.text(&["rev-parse", "HEAD"]).await.unwrap()
    }

    #[tokio::test]
    async fn an_app_is_what_is_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        git.text(&["init", "--quiet", "--initial-branch=main", "."]).await.unwrap();
        let first = commit(&git, "apps/shop/a").await;
        let second = commit(&git, "apps/blog/b").await;
        let whole = Source::open(folder.path(), None).await.unwrap();
        let shop = Source::open(&folder.path().join("apps/shop"), None).await.unwrap();
        let blog = Source::open(folder.path(), Some("apps/blog/")).await.unwrap();
        assert_eq!((whole.folder(), shop.folder(), blog.folder()), ("", "apps/shop", "apps/blog"));
        assert!(whole.is_changed(&first, &second).await.unwrap());
        assert!(!shop.is_changed(&first, &second).await.unwrap());
        assert!(blog.is_changed(&first, &second).await.unwrap());
        assert!(shop.is_changed(&format!("{first}^"), &first).await.unwrap(), "the first commit");
        git.text(&[&WHO[..], &["commit", "--quiet", "--allow-empty", "--message", "go"]].concat()).await.unwrap();
        assert!(shop.is_changed(&second, "HEAD").await.unwrap(), "somebody means it");
        assert_eq!(whole.branch().await.unwrap().as_deref(), Some("main"));
        git.text(&["checkout", "--quiet", "--detach"]).await.unwrap();
        assert_eq!(whole.branch().await.unwrap(), None);
        assert_eq!(whole.resolve("HEAD^").await.unwrap(), second);
        let error = whole.resolve("--all").await.unwrap_err().to_string();
        assert_eq!(error, "`--all` names no commit here");
    }

    #[tokio::test]
    async fn a_bare_repository_has_apps_too() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        git.text(&["init", "--quiet", "--bare", "."]).await.unwrap();
        let source = Source::open(folder.path(), Some("apps/shop")).await.unwrap();
        assert!(source.is_bare());
        assert_eq!(source.folder(), "apps/shop");
    }
}
