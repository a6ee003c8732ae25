//! How a command's end becomes an exit code: scripts branch on it.

use std::process::ExitCode;

use sluice_infra_cloud::CloudError;

/// There are changes.
pub(crate) const CHANGES: u8 = 2;
/// Done in part.
pub(crate) const PARTIAL: u8 = 3;
/// A quota or the budget is in the way.
pub(crate) const QUOTA: u8 = 4;
/// The cloud does not answer.
pub(crate) const CLOUD_AWAY: u8 = 5;

/// The code of this end; a fault is printed with its causes.
#[expect(clippy::print_stderr, reason = "this is where the program says why it failed")]
pub(crate) fn of(end: anyhow::Result<ExitCode>) -> ExitCode {
    match end {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<CloudError>() {
                Some(CloudError::Quota { .. }) => QUOTA.into(),
                Some(CloudError::Transient { .. } | CloudError::Unclear { .. } | CloudError::RateLimited { .. }) => {
                    CLOUD_AWAY.into()
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}
