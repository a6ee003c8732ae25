//! Brings one machine to what it should be: our program first, then files that are large, then the manifest.

use std::time::Duration;

use sluice_infra_host::converge::{Mode, Report};
use sluice_infra_host::remote::{Remote, RemoteError};

use crate::machine::{FleetFiles, Needs};

/// How long a new droplet may take until its sshd lets us in.
const REACHED_MAX: Duration = Duration::from_secs(120);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a machine was not configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// It is not reached, or a command there failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Its agent says something else than a report.
    #[error("{host}: the agent's answer makes no sense: {message}")]
    Answer {
        /// Which machine.
        host: String,
        /// What it says.
        message: String,
    },
}

/// Brings a machine there, or says what that would take. A resource that cannot be brought about stands in the report.
///
/// # Errors
/// [`ConfigureError`]
pub async fn configure(
    fleet: &FleetFiles,
    remote: &dyn Remote,
    needs: &Needs,
    mode: Mode,
) -> Result<Report, ConfigureError> {
    reached(remote).await?;
    install(fleet, remote).await?;
    for (digest, file) in &needs.blobs {
        remote.upload(file, digest).await?;
    }
    let program = remote.layout().programs().join("sluice-infra");
    let program = program.display().to_string();
    let mut words = vec![program.as_str(), "agent", "converge", "--json"];
    words.extend((mode == Mode::DryRun).then_some("--dry-run"));
    let manifest = serde_json::to_vec(&needs.manifest).unwrap_or_default();
    let output = remote.run(&words, &manifest).await?;
    let answer = |message: String| ConfigureError::Answer { host: remote.name().to_owned(), message };
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = output.stderr.lines().last().unwrap_or_default();
        answer(if said.is_empty() { error.to_string() } else { said.to_owned() })
    })
}

/// Waits until it lets us in: a droplet is active before its sshd listens.
async fn reached(remote: &dyn Remote) -> Result<(), RemoteError> {
    let until = tokio::time::Instant::now() + REACHED_MAX;
    loop {
        match remote.run(&["true"], &[]).await {
            Ok(_) => return Ok(()),
            Err(error) if tokio::time::Instant::now() >= until => return Err(error),
            Err(_not_yet) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Puts our program into its place, if it is not there in this version: it does everything else.
async fn install(fleet: &FleetFiles, remote: &dyn Remote) -> Result<(), RemoteError> {
    let (file, digest) = &fleet.agent;
    let layout = remote.layout();
    let program = layout.programs().join("sluice-infra").display().to_string();
    let script = "set -e; mkdir -p \"$1\"; test \"$(sha256sum < \"$2\" 2>/dev/null | cut -d' ' -f1)\" = \"$4\" && exit 0; \
                  test -f \"$3/$4\" || exit 9; cp \"$3/$4\" \"$2.fresh\"; chmod 755 \"$2.fresh\"; mv \"$2.fresh\" \"$2\"";
    let (programs, blobs) = (layout.programs().display().to_string(), layout.blobs().display().to_string());
    let words = ["sh", "-c", script, "sh", &programs, &program, &blobs, digest.as_str()];
    if remote.run(&words, &[]).await?.status == 0 {
        return Ok(());
    }
    remote.upload(file, digest).await?;
    let output = remote.run(&words, &[]).await?;
    if output.status == 0 {
        return Ok(());
    }
    Err(RemoteError::Failed {
        host: remote.name().to_owned(),
        command: "install sluice-infra".to_owned(),
        status: output.status,
        stderr: output.stderr,
    })
}
