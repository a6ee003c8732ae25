//! Leading a job of the fleet: a lease with a fencing token, by the clock of Redis.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::{RedisStore, answered};
use crate::clock::millis;
use crate::error::StoreError;
use crate::names::{check_holder, check_job};
use crate::store::Leadership;

static LEAD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/lead.lua")));
static RESIGN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/resign.lua")));

impl RedisStore {
    pub(super) async fn take_lead(
        &self,
        job: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Leadership>, StoreError> {
        check_job(job)?;
        check_holder(holder)?;
        let mut writer = self.writer().await?;
        let mut call = LEAD.key(self.keys.leader(job));
        // A lease of no time at all is refused by Redis.
        call.key(self.keys.fence(job)).arg(holder).arg(millis(ttl).max(1));
        let token: Option<u64> = answered(call.invoke_async(&mut writer)).await?;
        Ok(token.map(|token| Leadership { job: job.to_owned(), token }))
    }

    pub(super) async fn give_lead_up(&self, job: &str, holder: &str) -> Result<(), StoreError> {
        check_job(job)?;
        let mut writer = self.writer().await?;
        let mut call = RESIGN.key(self.keys.leader(job));
        answered(call.arg(holder).invoke_async(&mut writer)).await
    }
}
