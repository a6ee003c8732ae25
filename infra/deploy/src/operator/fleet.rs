//! What is done with releases that droplets have already: looked at, brought on to production or to a new droplet, and gone
//! back from. Needs no sources, so it works from any machine that reaches the droplets.

use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde::Serialize;
use sluice_infra_host::Releases;
use sluice_infra_spec::App;
use tempfile::TempDir;

use super::deliver::{self, Target, TargetReport};
use super::release::Release;
use super::{DeployError, file, rollout};
use crate::git::Git;
use crate::note::{Commit, Note};
use crate::{Say, short};

/// Droplets that are asked at the same time.
const AT_ONCE: usize = 8;

/// What a droplet says of its releases.
#[derive(Debug, Serialize)]
pub struct DropletStatus {
    /// Its name.
    pub droplet: String,
    /// Its pool.
    pub pool: String,
    /// Its variant.
    pub variant: String,
    /// What runs; `None` = it was not reached.
    pub releases: Option<Releases>,
    /// Why it was not.
    pub fault: Option<String>,
}

/// What runs on these droplets, in their order.
pub async fn status(targets: &[Target]) -> Vec<DropletStatus> {
    let asked: Vec<_> = targets.iter().map(|target| status_of(target).boxed()).collect();
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

async fn status_of(target: &Target) -> DropletStatus {
    let (releases, fault) = match deliver::releases(target).await {
        Ok(releases) => (Some(releases), None),
        Err(error) => (None, Some(crate::described(&error))),
    };
    let (droplet, pool, variant) = (target.name().to_owned(), target.pool.clone(), target.variant.clone());
    DropletStatus { droplet, pool, variant, releases, fault }
}

/// Brings to production what the canary serves.
///
/// # Errors
/// If there is no canary, or it serves nothing, or is not reached.
pub async fn promote(app: &App, targets: &[Target], say: Say<'_>) -> Result<Vec<TargetReport>, DeployError> {
    let canary = targets.iter().find(|target| target.is_canary());
    let canary = canary.ok_or_else(|| DeployError::NoRelease("there is no canary to promote from".to_owned()))?;
    let (folder, git) = scratch().await?;
    let release = held(&git, canary, app).await?;
    say(&format!("{} serves {}", canary.name(), short(&release.source)));
    let mut reports = Vec::new();
    let production: Vec<&Target> = targets.iter().filter(|target| !target.is_canary()).collect();
    reports.extend(rollout::wave(&git, &release, app, &production, say).await);
    drop(folder);
    Ok(reports)
}

/// Brings to a droplet, a new one mostly, what another one serves.
///
/// # Errors
/// If `from` serves nothing or is not reached.
pub async fn spread(app: &App, from: &Target, to: &Target, say: Say<'_>) -> Result<TargetReport, DeployError> {
    let (folder, git) = scratch().await?;
    let release = held(&git, from, app).await?;
    let report = deliver::deliver(&git, &release.commit, &release.source, app, to, say).await;
    drop(folder);
    Ok(report)
}

/// Goes back on these droplets, all at a time: to the release before, or to the one that is named.
pub async fn roll_back(app: &App, wanted: Option<&str>, targets: &[Target], say: Say<'_>) -> Vec<TargetReport> {
    let begun: Vec<_> = targets.iter().map(|target| deliver::roll_back(wanted, app, target, say).boxed()).collect();
    stream::iter(begun).buffered(AT_ONCE).collect().await
}

/// The release that a droplet serves, fetched into this repository. After a rollback that is not its newest one.
async fn held(git: &Git, target: &Target, app: &App) -> Result<Release, DeployError> {
    let nothing = || DeployError::NoRelease(format!("{} serves no release", target.name()));
    let source = deliver::releases(target).await?.current.ok_or_else(nothing)?;
    let mut next = deliver::tip(git, target, &app.name).await?;
    while let Some(commit) = next {
        let text = git.text(&["cat-file", "commit", &commit]).await?;
        let parsed = Commit::parse(&text).ok_or_else(nothing)?;
        if Note::parse(&parsed.message).is_some_and(|note| note.source == source) {
            return Ok(Release { commit, source });
        }
        next = parsed.parents.into_iter().next();
    }
    Err(nothing())
}

/// A repository for a moment.
async fn scratch() -> Result<(TempDir, Git), DeployError> {
    let folder = tempfile::tempdir().map_err(|error| file("make a folder", error))?;
    let git = Git::at(folder.path());
    git.text(&["init", "--quiet", "--bare", "."]).await?;
    Ok((folder, git))
}
