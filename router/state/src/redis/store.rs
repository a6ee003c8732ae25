//! The calls of the [`Store`], each where its matter is.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sluice_model::alert::{Alert, AlertId, DeadLetter, Firing};
use sluice_model::audit::{AuditEntry, Author};
use sluice_model::lease::Server;
use sluice_model::rollout::{Command, Rollout};
use sluice_model::silence::Silence;
use sluice_model::stats::VariantStats;

use super::RedisStore;
use crate::error::StoreError;
use crate::event::FlagDocument;
use crate::names::check_switches;
use crate::store::{Delivery, Group, Leadership, Store};

#[async_trait]
impl Store for RedisStore {
    async fn set_switch(&self, name: &str, value: bool, author: Author<'_>) -> Result<(), StoreError> {
        self.write_switch(name, Some(value), author).await.map(drop)
    }

    async fn flip_switch(&self, name: &str, author: Author<'_>) -> Result<bool, StoreError> {
        self.write_switch(name, None, author).await
    }

    async fn watch_switches(&self, names: &[String]) -> Result<(), StoreError> {
        check_switches(names)?;
        self.follow_switches(names).await
    }

    async fn ensure_rollout(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError> {
        self.create_rollout(name, initial).await
    }

    async fn apply_rollout(
        &self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
        leader: Option<&Leadership>,
    ) -> Result<Rollout, StoreError> {
        self.move_rollout(name, command, author, now_ms, leader).await
    }

    async fn put_server(&self, server: &Server) -> Result<(), StoreError> {
        self.write_server(server).await
    }

    async fn delete_server(&self, id: &str) -> Result<(), StoreError> {
        self.remove_server(id).await
    }

    async fn append_alert(&self, alert: &Alert, cooldown: Duration) -> Result<bool, StoreError> {
        self.write_alert(alert, cooldown).await
    }

    async fn alerts(&self, newest: usize) -> Result<Vec<Alert>, StoreError> {
        self.newest_alerts(newest).await
    }

    async fn put_flags(
        &self,
        set: &str,
        text: &str,
        expected: Option<u64>,
        author: Author<'_>,
    ) -> Result<u64, StoreError> {
        self.write_flags(set, text, expected, author).await
    }

    async fn delete_flags(&self, set: &str, author: Author<'_>) -> Result<bool, StoreError> {
        self.remove_flags(set, author).await
    }

    async fn flags(&self, set: &str) -> Result<Option<FlagDocument>, StoreError> {
        self.flags_now(set).await
    }

    async fn audit(&self, key: Option<&str>, newest: usize) -> Result<Vec<AuditEntry>, StoreError> {
        self.read_audit(key, newest).await
    }

    async fn lead(&self, job: &str, holder: &str, ttl: Duration) -> Result<Option<Leadership>, StoreError> {
        self.take_lead(job, holder, ttl).await
    }

    async fn resign(&self, job: &str, holder: &str) -> Result<(), StoreError> {
        self.give_lead_up(job, holder).await
    }

    async fn add_stats(
        &self,
        rollout: &str,
        at_ms: u64,
        variants: &BTreeMap<String, VariantStats>,
    ) -> Result<(), StoreError> {
        self.write_stats(rollout, at_ms, variants).await
    }

    async fn stats(
        &self,
        rollout: &str,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<BTreeMap<String, VariantStats>, StoreError> {
        self.sum_stats(rollout, from_ms, to_ms).await
    }

    async fn keep_firing(&self, alert: &Alert, keep: Duration, cooldown: Duration) -> Result<bool, StoreError> {
        self.keep_alert_firing(alert, keep, cooldown).await
    }

    async fn firing(&self) -> Result<Vec<Firing>, StoreError> {
        self.all_firing().await
    }

    async fn resolve_alerts(&self, now_ms: u64) -> Result<Vec<Alert>, StoreError> {
        self.resolve_all(now_ms).await
    }

    async fn take_deliveries(
        &self,
        group: Group,
        consumer: &str,
        count_max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.take(group, consumer, count_max, wait).await
    }

    async fn hold_delivery(&self, group: Group, consumer: &str, entry: &str) -> Result<(), StoreError> {
        self.hold(group, consumer, entry).await
    }

    async fn finish_delivery(&self, group: Group, entry: &str) -> Result<(), StoreError> {
        self.finish(group, entry).await
    }

    async fn claim_scale_operation(
        &self,
        alert: &AlertId,
        operation: &str,
        leader: &Leadership,
    ) -> Result<String, StoreError> {
        self.claim_alert(alert, operation, leader).await
    }

    async fn mark_sent(&self, alert: &AlertId, sink: &str) -> Result<(), StoreError> {
        self.note_sent(alert, sink).await
    }

    async fn was_sent(&self, alert: &AlertId, sink: &str) -> Result<bool, StoreError> {
        self.is_sent(alert, sink).await
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), StoreError> {
        self.bury_letter(letter).await
    }

    async fn dead_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.newest_letters(newest).await
    }

    async fn replay(&self, entry: &str, author: Author<'_>) -> Result<bool, StoreError> {
        self.replay_letter(entry, author).await
    }

    async fn put_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        self.write_silence(silence).await
    }

    async fn delete_silence(&self, id: &str, author: Author<'_>) -> Result<bool, StoreError> {
        self.end_silence(id, author).await
    }
}
