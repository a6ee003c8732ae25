//! The release commit: the app's files and what its gates made, on the release before, under a seal.
//!
//! It is made of nothing but the source commit, the artifacts and its parent, so that a second run makes the same one.

use std::path::Path;

use sluice_infra_host::Sealed;

use super::checkout::Checkout;
use super::deliver::Tip;
use super::{DeployError, Order};
use crate::git::Git;
use crate::note::{Commit, Note};
use crate::{Say, short};

/// Who makes release commits: nobody in particular, or their ids would differ.
const NAME: &str = "Sluice";
const EMAIL: &str = "deploy@sluice.invalid";
/// Files that are named when artifacts differ.
const DIFFERING_MAX: usize = 10;

/// A release commit, in the checkout.
pub(super) struct Release {
    /// Its id.
    pub(super) commit: String,
    /// The source commit.
    pub(super) source: String,
}

/// Makes the release commit of this source commit, or finds it if it is the newest on droplets.
pub(super) async fn make(
    order: &Order<'_>,
    source: &str,
    checkout: &Checkout,
    tips: &[Tip],
    say: Say<'_>,
) -> Result<Release, DeployError> {
    let git = checkout.git();
    let tree = tree(order, source, checkout).await?;
    let Some(tip) = newest(git, tips).await? else {
        let commit = commit(order, source, &tree, None, git).await?;
        return Ok(Release { commit, source: source.to_owned() });
    };
    let before = Commit::parse(&git.text(&["cat-file", "commit", tip]).await?);
    let before = before.ok_or_else(|| DeployError::NoRelease(format!("{} on droplets is no commit", short(tip))))?;
    let is_same_source = Note::parse(&before.message)
        .is_some_and(|note| note.source == source && note.is_sealed(order.key, order.fleet, &before));
    if !is_same_source {
        let commit = commit(order, source, &tree, Some(tip), git).await?;
        return Ok(Release { commit, source: source.to_owned() });
    }
    if before.tree != tree {
        let differing = git.text(&["diff-tree", "-r", "--name-only", &before.tree, &tree]).await?;
        let files: Vec<&str> = differing.lines().collect();
        say(&format!(
            "the artifacts differ from those of the release {} of the same commit, which stays: its build is not \
             reproducible. {} files, first: {}",
            short(tip),
            files.len(),
            files.iter().take(DIFFERING_MAX).copied().collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(Release { commit: tip.to_owned(), source: source.to_owned() })
}

/// The files of the release: those of the app in the commit, and the artifacts.
async fn tree(order: &Order<'_>, source: &str, checkout: &Checkout) -> Result<String, DeployError> {
    let index = checkout.git().clone().with("GIT_INDEX_FILE", checkout.beside("index"));
    let folder = order.source.folder();
    let from = if folder.is_empty() { source.to_owned() } else { format!("{source}:{folder}") };
    index.text(&["read-tree", &from]).await?;
    let app = checkout.app_folder();
    for artifact in &order.app.pipeline.artifacts {
        if !app.join(artifact).exists() {
            return Err(DeployError::Artifact { path: artifact.clone() });
        }
        add(&index, checkout.git(), app, artifact).await?;
    }
    Ok(index.text(&["write-tree"]).await?)
}

/// Adds one artifact, as it is: no ignored file is left out, no line end is changed.
async fn add(index: &Git, checkout: &Git, app: &Path, artifact: &str) -> Result<(), DeployError> {
    let inside = index.clone().with("GIT_WORK_TREE", app).with("GIT_DIR", checkout.folder().join(".git"));
    let place = format!(":(top,literal){artifact}");
    inside.text(&["-c", "core.autocrlf=false", "-c", "core.fileMode=true", "add", "--force", "--", &place]).await?;
    Ok(())
}

async fn commit(
    order: &Order<'_>,
    source: &str,
    tree: &str,
    parent: Option<&str>,
    git: &Git,
) -> Result<String, DeployError> {
    let app = order.app.name.clone();
    let seal = order.key.seal(&Sealed { fleet: order.fleet, app: &app, source, tree, parent });
    let gates = order.app.pipeline.steps.iter().map(|step| step.name.clone()).collect();
    let subject = git.text(&["show", "--no-patch", "--format=%s", source]).await?;
    let message = Note { app, source: source.to_owned(), gates, seal }.message(&subject);
    let date = git.text(&["show", "--no-patch", "--format=@%ct +0000", source]).await?;
    let mut signed = git.clone();
    for role in ["AUTHOR", "COMMITTER"] {
        signed = signed.with(&format!("GIT_{role}_NAME"), NAME).with(&format!("GIT_{role}_EMAIL"), EMAIL);
        signed = signed.with(&format!("GIT_{role}_DATE"), &date);
    }
    let mut arguments = vec!["-c", "i18n.commitEncoding=UTF-8", "commit-tree", tree];
    arguments.extend(parent.iter().flat_map(|parent| ["-p", parent]));
    let made = signed.bytes(&arguments, message.as_bytes()).await?;
    Ok(String::from_utf8_lossy(&made).trim().to_owned())
}

/// The release that stands on all others; `None` = there is none yet.
async fn newest<'a>(git: &Git, tips: &'a [Tip]) -> Result<Option<&'a str>, DeployError> {
    let mut known = tips.iter().filter_map(|tip| Some((tip.droplet.as_str(), tip.commit.as_deref()?)));
    let Some(mut newest) = known.next() else { return Ok(None) };
    for (droplet, commit) in known {
        if git.says_yes(&["merge-base", "--is-ancestor", commit, newest.1]).await? {
            continue;
        }
        if !git.says_yes(&["merge-base", "--is-ancestor", newest.1, commit]).await? {
            return Err(DeployError::Diverged { one: newest.0.to_owned(), other: droplet.to_owned() });
        }
        newest = (droplet, commit);
    }
    Ok(Some(newest.1))
}
