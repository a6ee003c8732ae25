//! A service: installed as its unit says, running, and running on the files that are there now.
//!
//! What it was started on is kept as a digest, so that a run that broke off between a file and the restart is made good by
//! the next one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::machine::Machine;
use super::report::{Action, Difference, Fault};
use super::{Converge, diff};
use crate::init::ServiceStatus;
use crate::manifest::ServiceUnit;
use crate::remote::sha256_of;

/// A service that ends within this after its start did not start.
const SETTLE: Duration = Duration::from_millis(600);
/// Time between two looks at it meanwhile.
const SETTLE_STEP: Duration = Duration::from_millis(100);
/// Lines of its log that are shown when it does not stay up.
const LOG_LINES_MAX: usize = 20;

pub(super) struct Service<'r> {
    pub(super) unit: &'r ServiceUnit,
}

#[async_trait]
impl Converge for Service<'_> {
    fn shown(&self) -> String {
        format!("service {}", self.unit.name)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        let Some(installed) = machine.init.installed(&self.unit.name).await? else {
            return Ok(Some(Difference::create("is not installed")));
        };
        if installed != *self.unit {
            let diff = diff::unified(&self.unit.name, &lines_of(&installed), &lines_of(self.unit));
            return Ok(Some(Difference::change("another unit").with(diff)));
        }
        let restart = |summary: String| Difference { action: Action::Restart, summary, diff: String::new() };
        match machine.init.status(&self.unit.name).await? {
            ServiceStatus::Running { .. } => {}
            other => return Ok(Some(restart(state_of(&other)))),
        }
        if let Some(path) = self.unit.restart_on.iter().find(|path| machine.changed.contains(*path)) {
            // Applied, it was started anew already, and the digest below says so.
            if self.kept(machine) != Some(self.digest(machine)?) {
                return Ok(Some(restart(format!("{path} changed"))));
            }
        }
        let stale = self.kept(machine) != Some(self.digest(machine)?);
        Ok(stale.then(|| restart("what it runs on changed since it was started".to_owned())))
    }

    async fn apply(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        let name = &self.unit.name;
        machine.init.install(self.unit).await?;
        // Before the start: a file that changes meanwhile is found by the next run.
        let digest = self.digest(machine)?;
        if matches!(machine.init.status(name).await?, ServiceStatus::Running { .. }) {
            machine.init.stop(name).await?;
        }
        machine.init.start(name).await?;
        self.settle(machine).await?;
        self.keep(machine, &digest)
    }
}

impl Service<'_> {
    /// Waits a moment: what cannot read its configuration ends at once.
    async fn settle(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        let name = &self.unit.name;
        let first = machine.init.status(name).await?;
        let until = tokio::time::Instant::now() + SETTLE;
        loop {
            let status = machine.init.status(name).await?;
            if status != first || !matches!(status, ServiceStatus::Running { .. }) {
                let lines = machine.init.log(name, LOG_LINES_MAX).await?;
                let log = lines.iter().map(|line| format!("\n  {line}")).collect();
                return Err(Fault::Down { service: name.clone(), state: state_of(&status), log });
            }
            if tokio::time::Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep(SETTLE_STEP).await;
        }
    }

    /// Digest of all that a start reads.
    fn digest(&self, machine: &Machine<'_>) -> Result<String, Fault> {
        let mut hash = Sha256::new();
        hash.update(lines_of(self.unit));
        for path in &self.unit.restart_on {
            let digest = match sha256_of(&machine.layout.at(path)) {
                Ok(digest) => digest,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => "missing".to_owned(),
                Err(source) => return Err(Fault::File { doing: format!("read {path}"), source }),
            };
            hash.update(format!("{path} {digest}\n"));
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn place(&self, machine: &Machine<'_>) -> PathBuf {
        machine.layout.at("/var/lib/sluice/started").join(&self.unit.name)
    }

    fn kept(&self, machine: &Machine<'_>) -> Option<String> {
        fs::read_to_string(self.place(machine)).ok()
    }

    fn keep(&self, machine: &Machine<'_>, digest: &str) -> Result<(), Fault> {
        let place = self.place(machine);
        let failed = |source| Fault::File { doing: format!("write {}", place.display()), source };
        fs::create_dir_all(place.parent().unwrap_or_else(|| machine.layout.root())).map_err(failed)?;
        fs::write(&place, digest).map_err(failed)
    }
}

fn state_of(status: &ServiceStatus) -> String {
    match status {
        ServiceStatus::Unknown => "is not known".to_owned(),
        ServiceStatus::Running { pid } => format!("runs anew, as process {pid}"),
        ServiceStatus::Stopped => "does not run".to_owned(),
        ServiceStatus::Failed { reason } => format!("failed: {reason}"),
    }
}

fn lines_of(unit: &ServiceUnit) -> String {
    serde_json::to_string_pretty(unit).unwrap_or_default()
}
