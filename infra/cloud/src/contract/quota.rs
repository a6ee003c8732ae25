//! The limit of the account.

use crate::error::CloudError;

use super::trial::{Broken, Trial, broken, failed, promised};

/// An account takes as many droplets as it says, and then refuses for good: waiting would not help.
pub(super) async fn a_full_account_says_so(trial: &Trial<'_>) -> Result<(), Broken> {
    const CLAUSE: &str = "a full account says so";
    let account = trial.cloud.account().await.map_err(failed(CLAUSE))?;
    for number in 0..=account.droplets_max {
        match trial.cloud.create_droplet(&trial.wanted(&format!("quota{number}"))).await {
            Ok(_) => {}
            Err(CloudError::Quota { .. }) => {
                let listed = trial.cloud.droplets(&trial.tag()).await.map_err(failed(CLAUSE))?;
                let made = usize::try_from(number).unwrap_or(usize::MAX);
                return promised(listed.len() == made, CLAUSE, || format!("of {number} it lists {}", listed.len()));
            }
            Err(source) => return Err(Broken::Call { clause: CLAUSE, source }),
        }
    }
    Err(broken(CLAUSE, format!("of {} droplets it made one more", account.droplets_max)))
}
