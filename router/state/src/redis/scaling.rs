//! Which operation carries out an alert: one per alert, of whoever leads.

use std::sync::LazyLock;

use redis::Script;
use sluice_model::alert::AlertId;

use super::{FENCED, RedisStore, answered};
use crate::clock::millis;
use crate::error::StoreError;
use crate::names::{check_job, check_scale_operation};
use crate::store::{Leadership, SCALE_OPERATION_KEPT};

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/claim_scale_operation.lua")));

impl RedisStore {
    pub(super) async fn claim_alert(
        &self,
        alert: &AlertId,
        operation: &str,
        leader: &Leadership,
    ) -> Result<String, StoreError> {
        check_scale_operation(alert, operation)?;
        check_job(&leader.job)?;
        let mut writer = self.writer().await?;
        let mut call = CLAIM.key(self.keys.scale_operation(alert.as_str()));
        call.key(self.keys.fence(&leader.job)).arg(leader.token).arg(operation).arg(millis(SCALE_OPERATION_KEPT));
        match answered(call.invoke_async(&mut writer)).await {
            Err(StoreError::Redis(error)) if error.code() == Some(FENCED) => {
                Err(StoreError::Fenced(leader.job.clone()))
            }
            claimed => claimed,
        }
    }
}
