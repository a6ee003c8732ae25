//! The order of droplets: every canary first, and production only if all of them serve.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use sluice_infra_spec::App;

use super::deliver::{Target, TargetOutcome, TargetReport, deliver, report};
use super::release::Release;
use crate::Say;
use crate::git::Git;

/// Droplets of one kind that change at the same time.
const AT_ONCE: usize = 4;

/// Brings the release to all of them; one report for each, in the order of `targets`, canaries first.
pub(super) async fn run(
    git: &Git,
    release: &Release,
    app: &App,
    targets: &[Target],
    canary_only: bool,
    say: Say<'_>,
) -> Vec<TargetReport> {
    let (canaries, production): (Vec<&Target>, Vec<&Target>) = targets.iter().partition(|target| target.is_canary());
    let mut reports = wave(git, release, app, &canaries, say).await;
    let all_serve = reports.iter().all(|report| !matches!(report.outcome, TargetOutcome::Failed { .. }));
    if all_serve && !canary_only {
        reports.extend(wave(git, release, app, &production, say).await);
        return reports;
    }
    if !all_serve && !production.is_empty() {
        say("a canary does not serve it, so production was not asked");
    }
    reports.extend(production.iter().map(|target| skipped(target)));
    reports
}

/// Some at a time; after one that failed, those that have not begun are left alone.
pub(super) async fn wave(
    git: &Git,
    release: &Release,
    app: &App,
    targets: &[&Target],
    say: Say<'_>,
) -> Vec<TargetReport> {
    let failed = AtomicBool::new(false);
    let one = |target| deliver_unless(&failed, git, release, app, target, say).boxed();
    let deliveries: Vec<_> = targets.iter().copied().map(one).collect();
    stream::iter(deliveries).buffered(AT_ONCE).collect().await
}

async fn deliver_unless(
    failed: &AtomicBool,
    git: &Git,
    release: &Release,
    app: &App,
    target: &Target,
    say: Say<'_>,
) -> TargetReport {
    if failed.load(Ordering::Relaxed) {
        return skipped(target);
    }
    let report = deliver(git, &release.commit, &release.source, app, target, say).await;
    if matches!(report.outcome, TargetOutcome::Failed { .. }) {
        failed.store(true, Ordering::Relaxed);
    }
    report
}

fn skipped(target: &Target) -> TargetReport {
    report(target, TargetOutcome::Skipped, std::time::Duration::ZERO)
}
