//! The calls of the [`Store`]: checked here, done by the writer, or read beside it.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sluice_model::alert::{Alert, AlertId, DeadLetter, Firing};
use sluice_model::audit::{AuditEntry, Author};
use sluice_model::lease::Server;
use sluice_model::rollout::{Command, Rollout};
use sluice_model::silence::Silence;
use sluice_model::stats::VariantStats;
use tokio::time::timeout;

use super::{EmbeddedStore, deliveries, log, notices};
use crate::clock::now_ms;
use crate::error::StoreError;
use crate::event::FlagDocument;
use crate::names::{
    check_alert, check_flag_set, check_flags, check_holder, check_job, check_letter, check_rollout,
    check_scale_operation, check_sent, check_server, check_server_id, check_silence, check_silence_id, check_stats,
    check_switches,
};
use crate::record::Record;
use crate::store::{
    ALERTS_MAX, AUDIT_ENTRIES_MAX, DEAD_LETTERS_MAX, DELIVERIES_AT_ONCE_MAX, Delivery, Group, Leadership, Store,
};

/// The token of whoever leads here: nobody else ever does.
const ONLY_TOKEN: u64 = 1;

/// Whoever leads another way led before the data was lost.
fn only_leader(leader: &Leadership) -> Result<(), StoreError> {
    if leader.token == ONLY_TOKEN { Ok(()) } else { Err(StoreError::Fenced(leader.job.clone())) }
}

impl EmbeddedStore {
    async fn write_switch(&self, name: &str, value: Option<bool>, author: Author<'_>) -> Result<bool, StoreError> {
        let (switch, record) = (name.to_owned(), Record::new(author, format!("flag:{name}")));
        let value = self.jobs.run(move |state| state.write_switch(&switch, value, record, now_ms())).await?;
        tracing::info!(switch = name, value, by = author.by, "switch written");
        Ok(value)
    }

    async fn take_now(&self, group: Group, consumer: &str, count_max: usize) -> Result<Vec<Delivery>, StoreError> {
        let (consumer, idle) = (consumer.to_owned(), self.delivery_idle);
        self.jobs
            .run_unfenced(move |state| state.take_deliveries(group, &consumer, count_max, idle, Instant::now()))
            .await
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn set_switch(&self, name: &str, value: bool, author: Author<'_>) -> Result<(), StoreError> {
        self.write_switch(name, Some(value), author).await.map(drop)
    }

    async fn flip_switch(&self, name: &str, author: Author<'_>) -> Result<bool, StoreError> {
        self.write_switch(name, None, author).await
    }

    async fn watch_switches(&self, names: &[String]) -> Result<(), StoreError> {
        check_switches(names)?;
        let names = names.to_vec();
        self.jobs.run(move |state| Ok(((), state.watch_switches(names)))).await
    }

    async fn ensure_rollout(&self, name: &str, initial: &Rollout) -> Result<Rollout, StoreError> {
        check_rollout(name)?;
        let (name, initial) = (name.to_owned(), initial.clone());
        self.jobs.run(move |state| state.ensure_rollout(&name, initial, now_ms())).await
    }

    async fn apply_rollout(
        &self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
        leader: Option<&Leadership>,
    ) -> Result<Rollout, StoreError> {
        leader.map_or(Ok(()), only_leader)?;
        let (name, command) = (name.to_owned(), command.clone());
        let (by, reason) = (author.by.to_owned(), author.reason.to_owned());
        self.jobs
            .run(move |state| state.apply_rollout(&name, &command, Author { by: &by, reason: &reason }, now_ms))
            .await
    }

    async fn put_server(&self, server: &Server) -> Result<(), StoreError> {
        check_server(server)?;
        let server = server.clone();
        self.jobs.run(move |state| state.put_server(server, now_ms())).await
    }

    async fn delete_server(&self, id: &str) -> Result<(), StoreError> {
        check_server_id(id)?;
        let id = id.to_owned();
        self.jobs.run(move |state| state.delete_server(&id)).await
    }

    async fn append_alert(&self, alert: &Alert, cooldown: Duration) -> Result<bool, StoreError> {
        check_alert(alert)?;
        let alert = alert.clone();
        let new = self.jobs.run(move |state| state.append_alert(alert, cooldown, now_ms())).await?;
        self.arrivals.send_replace(());
        Ok(new)
    }

    async fn alerts(&self, newest: usize) -> Result<Vec<Alert>, StoreError> {
        let texts = self.read(move |file| notices::newest(file, newest.min(ALERTS_MAX))).await?;
        notices::parsed(&texts)
    }

    async fn put_flags(
        &self,
        set: &str,
        text: &str,
        expected: Option<u64>,
        author: Author<'_>,
    ) -> Result<u64, StoreError> {
        check_flag_set(set)?;
        check_flags(text)?;
        let record = Record::new(author, format!("flags:{set}"));
        let (name, text) = (set.to_owned(), text.to_owned());
        let version = self.jobs.run(move |state| state.put_flags(&name, &text, expected, record, now_ms())).await?;
        tracing::info!(set, version, by = author.by, "flag definitions written");
        Ok(version)
    }

    async fn delete_flags(&self, set: &str, author: Author<'_>) -> Result<bool, StoreError> {
        check_flag_set(set)?;
        let (set, record) = (set.to_owned(), Record::new(author, format!("flags:{set}")));
        self.jobs.run(move |state| state.delete_flags(&set, record, now_ms())).await
    }

    async fn flags(&self, set: &str) -> Result<Option<FlagDocument>, StoreError> {
        check_flag_set(set)?;
        let set = set.to_owned();
        self.jobs.run_unfenced(move |state| Ok((state.flags(&set), Vec::new()))).await
    }

    async fn audit(&self, key: Option<&str>, newest: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let key = key.map(str::to_owned);
        self.read(move |file| log::newest(file, key.as_deref(), newest.min(AUDIT_ENTRIES_MAX))).await
    }

    async fn add_stats(
        &self,
        rollout: &str,
        at_ms: u64,
        variants: &BTreeMap<String, VariantStats>,
    ) -> Result<(), StoreError> {
        check_rollout(rollout)?;
        check_stats(variants)?;
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).add(rollout, at_ms, variants);
        Ok(())
    }

    async fn stats(
        &self,
        rollout: &str,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<BTreeMap<String, VariantStats>, StoreError> {
        check_rollout(rollout)?;
        Ok(self.stats.lock().unwrap_or_else(PoisonError::into_inner).sum(rollout, from_ms, to_ms))
    }

    async fn lead(&self, job: &str, holder: &str, _ttl: Duration) -> Result<Option<Leadership>, StoreError> {
        check_job(job)?;
        check_holder(holder)?;
        Ok(Some(Leadership { job: job.to_owned(), token: ONLY_TOKEN }))
    }

    async fn resign(&self, job: &str, _holder: &str) -> Result<(), StoreError> {
        check_job(job)
    }

    async fn keep_firing(&self, alert: &Alert, keep: Duration, cooldown: Duration) -> Result<bool, StoreError> {
        check_alert(alert)?;
        let alert = alert.clone();
        let new = self.jobs.run(move |state| state.keep_firing(alert, keep, cooldown, now_ms())).await?;
        self.arrivals.send_replace(());
        Ok(new)
    }

    async fn firing(&self) -> Result<Vec<Firing>, StoreError> {
        let mut firing = self.jobs.run_unfenced(|state| Ok((state.firing(), Vec::new()))).await?;
        firing.sort_by_key(|firing| firing.alert.at_ms);
        Ok(firing)
    }

    async fn resolve_alerts(&self, now_ms: u64) -> Result<Vec<Alert>, StoreError> {
        let resolved = self.jobs.run(move |state| state.resolve_alerts(now_ms)).await?;
        self.arrivals.send_replace(());
        Ok(resolved)
    }

    async fn take_deliveries(
        &self,
        group: Group,
        consumer: &str,
        count_max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        check_holder(consumer)?;
        if count_max == 0 {
            return Ok(Vec::new());
        }
        let count_max = count_max.min(DELIVERIES_AT_ONCE_MAX);
        let mut arrivals = self.arrivals.subscribe();
        let taken = self.take_now(group, consumer, count_max).await?;
        if !taken.is_empty() {
            return Ok(taken);
        }
        let _waited = timeout(wait, arrivals.changed()).await;
        self.take_now(group, consumer, count_max).await
    }

    async fn hold_delivery(&self, group: Group, consumer: &str, entry: &str) -> Result<(), StoreError> {
        let (consumer, entry) = (consumer.to_owned(), entry.to_owned());
        self.jobs.run_unfenced(move |state| state.hold_delivery(group, &consumer, &entry, Instant::now())).await
    }

    async fn finish_delivery(&self, group: Group, entry: &str) -> Result<(), StoreError> {
        let entry = entry.to_owned();
        self.jobs.run_unfenced(move |state| state.finish_delivery(group, &entry)).await
    }

    async fn claim_scale_operation(
        &self,
        alert: &AlertId,
        operation: &str,
        leader: &Leadership,
    ) -> Result<String, StoreError> {
        check_scale_operation(alert, operation)?;
        only_leader(leader)?;
        let (alert, operation) = (alert.clone(), operation.to_owned());
        self.jobs.run_unfenced(move |state| state.claim_alert(&alert, &operation, now_ms())).await
    }

    async fn mark_sent(&self, alert: &AlertId, sink: &str) -> Result<(), StoreError> {
        check_sent(alert, sink)?;
        let (alert, sink) = (alert.clone(), sink.to_owned());
        self.jobs.run_unfenced(move |state| state.mark_sent(&alert, &sink, now_ms())).await
    }

    async fn was_sent(&self, alert: &AlertId, sink: &str) -> Result<bool, StoreError> {
        check_sent(alert, sink)?;
        let (alert, sink) = (alert.clone(), sink.to_owned());
        self.read(move |file| deliveries::was_sent(file, &alert, &sink, now_ms())).await
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), StoreError> {
        check_letter(letter)?;
        let letter = letter.clone();
        self.jobs.run_unfenced(move |state| state.bury(&letter)).await
    }

    async fn dead_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |file| deliveries::dead_letters(file, newest.min(DEAD_LETTERS_MAX))).await
    }

    async fn replay(&self, entry: &str, author: Author<'_>) -> Result<bool, StoreError> {
        let (entry, by, reason) = (entry.to_owned(), author.by.to_owned(), author.reason.to_owned());
        let replayed = self.jobs.run(move |state| state.replay(&entry, &by, &reason, now_ms())).await?;
        self.arrivals.send_replace(());
        Ok(replayed)
    }

    async fn put_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        check_silence(silence)?;
        let author = Author { by: &silence.by, reason: &silence.reason };
        let (record, silence) = (Record::new(author, format!("silence:{}", silence.id)), silence.clone());
        self.jobs.run(move |state| state.put_silence(silence, record, now_ms())).await
    }

    async fn delete_silence(&self, id: &str, author: Author<'_>) -> Result<bool, StoreError> {
        check_silence_id(id)?;
        let (id, record) = (id.to_owned(), Record::new(author, format!("silence:{id}")));
        self.jobs.run(move |state| state.delete_silence(&id, record, now_ms())).await
    }
}
