//! Alerts on their way into the store: in order, or onto the spool while it does not answer, and from there once it does.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_model::alert::Alert;
use sluice_state::StoreError;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use super::spool::{Added, Spool};
use super::{Course, FOLDER, course, find_rule};
use crate::fault::{FaultSource, chain};
use crate::shared::Shared;
use crate::tasks::Tasks;

/// First wait after a failure, and the longest; each wait doubles the one before.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Alerts that wait on disk. More at a time would bury people who read them.
pub(crate) const ALERTS_SPOOLED_MAX: usize = 1_000;
/// Alerts that leave the spool between two writes of its file.
const BATCH_MAX: usize = 64;

const FILE: &str = "alerts.jsonl";
/// The fault of the spool.
const SUBJECT: &str = "spool/alerts.jsonl";

/// See the module.
pub(crate) struct Raiser {
    shared: Arc<Shared>,
    tasks: Tasks,
    spool: Arc<Mutex<Spool<Alert>>>,
    wait: Duration,
}

impl Raiser {
    /// Reads what the last run has left. Blocking.
    ///
    /// # Errors
    /// If the folder cannot be made, or the file not be read.
    pub(crate) fn open(data: &Path, shared: &Arc<Shared>, tasks: &Tasks) -> io::Result<Self> {
        let (spool, left_out) = Spool::open(&data.join(FOLDER), FILE, ALERTS_SPOOLED_MAX)?;
        let unreadable = (left_out > 0).then(|| format!("{left_out} lines cannot be read and were left out"));
        shared.board.set(FaultSource::Store, SUBJECT, unreadable);
        shared.alerting.set_spooled(spool.entries().len());
        let spool = Arc::new(Mutex::new(spool));
        Ok(Self { shared: Arc::clone(shared), tasks: tasks.clone(), spool, wait: RETRY_MIN })
    }

    /// Runs until no more alerts can come; what the store has not taken by then stays on the spool. `_writing` tells the
    /// apply loop that fences may still have to be answered.
    pub(crate) async fn run(mut self, mut alerts: mpsc::Receiver<Alert>, _writing: Arc<DropGuard>) {
        loop {
            let is_waiting = !self.lock().entries().is_empty();
            tokio::select! {
                alert = alerts.recv() => match alert {
                    Some(alert) => self.raise(alert).await,
                    None => return,
                },
                () = sleep(self.wait), if is_waiting => self.replay().await,
            }
        }
    }

    async fn raise(&self, alert: Alert) {
        let alert = self.complete(alert);
        // Behind those that wait: alerts keep their order.
        if self.lock().entries().is_empty() && self.store(&alert).await {
            return;
        }
        let (id, rule) = (alert.id.clone(), alert.rule.clone());
        let added = self.on_disk(move |spool| {
            if spool.entries().iter().any(|known| known.id == alert.id) {
                return Ok(Added::Kept);
            }
            spool.add(alert)
        });
        match added.await {
            Some(Ok(Added::Kept)) => {}
            Some(Ok(Added::Refused)) => {
                tracing::error!(%id, rule, "alert dropped: too many wait for the store");
                self.shared.board.update(|content| content.alerts_dropped += 1);
            }
            Some(Err(error)) => self.say(&error),
            None => tracing::error!(%id, rule, "alert dropped: the router ends"),
        }
    }

    /// What the rule and this router add to it.
    fn complete(&self, mut alert: Alert) -> Alert {
        let policy = Arc::clone(&self.shared.published.load().1.policy);
        if let Some(rule) = find_rule(&policy, &alert.rule) {
            alert.labels.extend(rule.labels.clone());
        }
        if alert.router.is_empty() {
            alert.router.clone_from(&self.shared.alerting.router);
        }
        alert
    }

    /// True if the store has it, or never will.
    async fn store(&self, alert: &Alert) -> bool {
        let policy = Arc::clone(&self.shared.published.load().1.policy);
        let Course { keep, cooldown } = course(find_rule(&policy, &alert.rule));
        let store = &self.shared.store;
        let stored = if keep.is_zero() {
            store.append_alert(alert, cooldown).await
        } else {
            store.keep_firing(alert, keep, cooldown).await
        };
        let (id, rule) = (&alert.id, &alert.rule);
        match stored {
            Ok(true) => tracing::warn!(%id, rule, route = alert.route, reason = alert.message, "alert raised"),
            // It is up, or it was raised just now; or it is written, and told of a little later.
            Ok(false) | Err(StoreError::Unconfirmed) => {}
            Err(error) if is_final(&error) => tracing::error!(%id, rule, reason = chain(&error), "alert not stored"),
            Err(error) => {
                tracing::debug!(%id, rule, reason = chain(&error), "alert waits for the store");
                return false;
            }
        }
        true
    }

    async fn replay(&mut self) {
        let waiting: Vec<Alert> = self.lock().entries().iter().take(BATCH_MAX).cloned().collect();
        let mut done = Vec::new();
        for alert in waiting {
            if !self.store(&alert).await {
                break;
            }
            done.push(alert.id);
        }
        if done.is_empty() {
            self.wait = (self.wait * 2).min(RETRY_MAX);
            return;
        }
        self.wait = RETRY_MIN;
        let struck = self.on_disk(move |spool| spool.retain(|alert| !done.contains(&alert.id))).await;
        if let Some(Err(error)) = struck {
            self.say(&error);
        }
    }

    /// Changes the spool, off the runtime.
    async fn on_disk<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Spool<Alert>) -> io::Result<R> + Send + 'static,
    ) -> Option<io::Result<R>> {
        let spool = Arc::clone(&self.spool);
        let changed = move || change(&mut spool.lock().unwrap_or_else(PoisonError::into_inner));
        let changed = self.tasks.blocking(changed).await;
        self.shared.alerting.set_spooled(self.lock().entries().len());
        changed
    }

    fn say(&self, error: &io::Error) {
        let message = format!("alerts that wait for the store are known to this process only: {error}");
        self.shared.board.set(FaultSource::Store, SUBJECT, Some(message));
    }

    fn lock(&self) -> MutexGuard<'_, Spool<Alert>> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True if another try would end the same.
const fn is_final(error: &StoreError) -> bool {
    matches!(error, StoreError::Invalid(_) | StoreError::Document(_))
}
