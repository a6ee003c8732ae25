//! What the commands that deploy share: the droplets of an app, and how it ended for each of them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use sluice_infra_cloud::Droplet;
use sluice_infra_deploy::operator::{Target, TargetOutcome, TargetReport};
use sluice_infra_host::{DEPLOY_KEY_FILE, DeployKey, Ssh, SshSettings};
use sluice_infra_plan::tags;
use sluice_infra_spec::{App, Spec};

use crate::context::Context;
use crate::session::Session;
use crate::{exit, print, table};

/// Host keys that were seen, in the folder of state.
const KNOWN_HOSTS: &str = "ssh/known_hosts";

/// The app of this name; none is needed where there is only one.
///
/// # Errors
/// If there is none, or the name is missing.
pub(crate) fn app<'s>(spec: &'s Spec, name: Option<&str>) -> anyhow::Result<&'s App> {
    let names = || spec.apps.iter().map(|app| app.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, spec.apps.as_slice()) {
        (Some(name), _) => spec.app(name).with_context(|| format!("no app is named {name}; there are: {}", names())),
        (None, [only]) => Ok(only),
        (None, _) => anyhow::bail!("say which app: {}", names()),
    }
}

/// The droplets of an app, canaries first, then by name; with `pool`, those of one pool.
///
/// # Errors
/// If the cloud does not answer, or there is no such pool.
pub(crate) async fn targets(
    context: &Context,
    session: &Session,
    app: &App,
    pool: Option<&str>,
) -> anyhow::Result<Vec<Target>> {
    let of_app = session.spec.pools.iter().filter(|of| of.app.as_ref() == Some(&app.name));
    let pools: Vec<_> = of_app.filter(|of| pool.is_none_or(|pool| of.name == pool)).collect();
    ensure!(!pools.is_empty(), "no pool {} runs {}", pool.unwrap_or("of any name"), app.name);
    let mut targets = Vec::new();
    for pool in pools {
        for droplet in session.cloud.droplets(&tags::pool(&session.spec.fleet, &pool.name)).await? {
            let (pool, variant) = (pool.name.clone(), pool.variant.clone().unwrap_or_default());
            targets.push(Target { pool, variant, ssh: reach(context, session, &droplet)? });
        }
    }
    targets.sort_by(|one, other| (!one.is_canary(), one.name()).cmp(&(!other.is_canary(), other.name())));
    Ok(targets)
}

/// How git and we reach a droplet. Git runs ssh in another folder than ours, so the paths are absolute.
pub(crate) fn reach(context: &Context, session: &Session, droplet: &Droplet) -> anyhow::Result<Ssh> {
    let access = session.cloud.access(droplet).with_context(|| format!("{} has no address yet", droplet.name))?;
    let absolute = |path: PathBuf| std::path::absolute(path).context("find the current folder");
    Ok(Ssh::new(SshSettings {
        name: droplet.name.clone(),
        host: access.host,
        port: access.port,
        user: access.user,
        root: access.root,
        identity: absolute(session.keys.identity.clone())?,
        known_hosts: absolute(context.state_folder().join(KNOWN_HOSTS))?,
    })?)
}

/// What seals the releases of this fleet.
///
/// # Errors
/// If it cannot be read or made.
pub(crate) fn key(context: &Context) -> anyhow::Result<DeployKey> {
    let file = context.state_folder().join(DEPLOY_KEY_FILE);
    DeployKey::ensure(&file).with_context(|| format!("read the deploy key {}", file.display()))
}

/// Shows what became of each droplet.
///
/// # Errors
/// If stdout cannot be written.
pub(crate) fn show(context: &Context, reports: &[TargetReport]) -> anyhow::Result<ExitCode> {
    if context.json() {
        return Ok(code(reports));
    }
    let rows = reports.iter().map(|report| {
        let (outcome, reason) = match &report.outcome {
            TargetOutcome::Serves => ("serves", String::new()),
            TargetOutcome::ServedAlready => ("served already", String::new()),
            TargetOutcome::Failed { reason } => ("FAILED", reason.clone()),
            TargetOutcome::Skipped => ("not asked", String::new()),
        };
        let took = format!("{:.1}s", report.seconds);
        vec![report.droplet.clone(), report.variant.clone(), outcome.to_owned(), took, reason]
    });
    print::text(&table::render(&["droplet", "variant", "outcome", "took", ""], rows, &[3]))?;
    Ok(code(reports))
}

/// Scripts branch on it: some serve it and some do not.
fn code(reports: &[TargetReport]) -> ExitCode {
    let failed = |report: &TargetReport| matches!(report.outcome, TargetOutcome::Failed { .. });
    let serves = |report: &TargetReport| matches!(report.outcome, TargetOutcome::Serves | TargetOutcome::ServedAlready);
    match (reports.iter().any(failed), reports.iter().any(serves)) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => exit::PARTIAL.into(),
        (true, false) => ExitCode::FAILURE,
    }
}
