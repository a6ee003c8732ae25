//! Brings a machine to the state that a manifest describes. Runs on that machine, as `sluice-infra agent converge`.
//!
//! Each resource is checked; a difference is shown, applied, and checked again. So a dry run is the same without the
//! applying, drift is a dry run later, and a second run changes nothing. Resources come in the order of the manifest, and
//! the first that cannot be brought about ends the run: what follows may stand on it. Files are read and written on the
//! thread of the runtime, which has nothing else to do.

mod diff;
mod file;
mod firewall;
mod folder;
mod machine;
mod masked;
mod only_files;
mod package;
mod program;
mod report;
mod repository;
mod service;
mod user;
mod validate;

use std::fs::File;

use async_trait::async_trait;
use rustix::fs::{FlockOperation, flock};

use crate::init::Init;
use crate::layout::Layout;
use crate::manifest::{Manifest, Resource};
use machine::Machine;

pub use firewall::ruleset;
pub use report::{Action, Change, ConvergeError, Difference, Fault, Report, Stopped};
pub use repository::{SETTINGS as REPOSITORY_SETTINGS, hooks as repository_hooks};
pub use validate::{MANIFEST_BYTES_MAX, validate};

/// What one run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Checks only.
    DryRun,
    /// Checks and applies.
    Apply,
}

/// One kind of resource.
#[async_trait]
trait Converge: Send + Sync {
    /// What it is, for people: `file /etc/hosts`.
    fn shown(&self) -> String;

    /// What would have to change; `None` = it is as wanted.
    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault>;

    /// Changes it. Called only after a difference was found.
    async fn apply(&self, machine: &Machine<'_>) -> Result<(), Fault>;

    /// The path that others may watch.
    fn path(&self) -> Option<&str> {
        None
    }
}

/// Brings this machine to the state that the manifest describes, or says what that would take.
///
/// # Errors
/// If the manifest is not sound, or another run is at work here. A resource that cannot be brought about is no error here:
/// it stands in the report, with all that was changed before it.
pub async fn converge(
    layout: &Layout,
    init: &dyn Init,
    manifest: &Manifest,
    mode: Mode,
) -> Result<Report, ConvergeError> {
    validate(manifest).map_err(ConvergeError::Manifest)?;
    let _alone = match mode {
        Mode::Apply => Some(alone(layout)?),
        Mode::DryRun => None,
    };
    let mut machine = Machine::new(layout, init);
    let mut report = Report::new(mode);
    for resource in &manifest.resources {
        let resource = of(resource);
        let changed = match bring_about(resource.as_ref(), &machine, mode).await {
            Ok(None) => {
                report.unchanged += 1;
                continue;
            }
            Ok(Some(difference)) => difference,
            Err(fault) => {
                report.stop(resource.shown(), &fault);
                break;
            }
        };
        tracing::debug!(resource = resource.shown(), "resource changed");
        machine.changed.extend(resource.path().map(str::to_owned));
        report.add(resource.shown(), changed);
    }
    if mode == Mode::Apply && report.stopped.is_none() {
        file::forget_blobs(layout, manifest);
    }
    Ok(report)
}

/// What differed.
async fn bring_about(resource: &dyn Converge, machine: &Machine<'_>, mode: Mode) -> Result<Option<Difference>, Fault> {
    let Some(difference) = resource.check(machine).await? else { return Ok(None) };
    if mode == Mode::Apply {
        resource.apply(machine).await?;
        if let Some(left) = resource.check(machine).await? {
            return Err(Fault::Stays { difference: left.summary });
        }
    }
    Ok(Some(difference))
}

/// Two runs at a time would undo each other's steps.
fn alone(layout: &Layout) -> Result<File, ConvergeError> {
    let file = layout.at("/var/lib/sluice/converge.lock");
    let locked = |file: &std::path::Path| {
        std::fs::create_dir_all(file.parent().unwrap_or_else(|| layout.root()))?;
        let lock = File::create(file)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(lock)
    };
    locked(&file).map_err(|source: std::io::Error| match source.kind() {
        std::io::ErrorKind::WouldBlock => ConvergeError::Busy,
        _ => ConvergeError::Lock { path: file.display().to_string(), source },
    })
}

fn of(resource: &Resource) -> Box<dyn Converge + '_> {
    match resource {
        Resource::Package { name, program } => Box::new(package::Package { name, program }),
        Resource::Masked { service } => Box::new(masked::Masked { service }),
        Resource::User { name, home } => Box::new(user::User { name, home }),
        Resource::Folder { path, owner, mode } => Box::new(folder::Folder { path, owner, mode: *mode }),
        Resource::OnlyFiles { folder, names } => Box::new(only_files::OnlyFiles { folder, names }),
        Resource::File { path, content, owner, mode } => {
            Box::new(file::WholeFile { path, content, owner, mode: *mode })
        }
        Resource::Service(unit) => Box::new(service::Service { unit }),
        Resource::Repository { app } => Box::new(repository::Repository { app }),
        Resource::Firewall { tcp } => Box::new(firewall::Firewall { tcp }),
    }
}
