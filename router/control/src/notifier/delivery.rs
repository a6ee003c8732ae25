//! One delivery: who is to be told of the alert, each of them until it took it or is given up, and the note that it is done.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use sluice_alert::{Notice, SendError};
use sluice_model::alert::{Alert, AlertId, AlertStatus, DeadLetter};
use sluice_state::{DELIVERY_IDLE_MAX, Delivery, Group, StoreError};
use tokio::time::{Instant, sleep};

use super::back_off::{Next, next};
use super::figures::Outcome;
use super::{LANE_MAX, Lane, Notifier, SILENCED};
use crate::alerts::find_rule;
use crate::clock::now_ms;
use crate::fault::chain;

/// How often the store is told that a delivery is still on its way: often enough that one lost word does not matter.
const HOLD_EVERY: Duration = Duration::from_secs(DELIVERY_IDLE_MAX.as_secs() / 3);
/// How often a delivery may come back before it is buried: one that ends the process each time must not for ever.
pub(super) const TIMES_MAX: u64 = 50;
/// How long a try may go on once control stops; it is known then whether the sink took it.
const STOP_WAIT: Duration = Duration::from_secs(3);
/// Wait between two questions that the store does not answer.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Wait between two looks whether another delivery of the same alert has ended.
const TWIN_WAIT: Duration = Duration::from_millis(200);
/// What the store puts behind the id of an alert to name its end.
const RESOLVED_SUFFIX: &str = "-resolved";

/// How far one sink has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It took the notice, or it is buried, or silenced: the store may forget about it.
    Done,
    /// Control stops first: it comes again.
    Interrupted,
}

impl Notifier {
    /// Tells everyone, however long that takes.
    pub(super) async fn deliver(&self, delivery: &Delivery) {
        let work = self.tell_all(delivery);
        let hold = async {
            loop {
                sleep(HOLD_EVERY).await;
                let held =
                    self.shared.store.hold_delivery(Group::Notify, &self.shared.alerting.router, &delivery.entry).await;
                if let Err(error) = held {
                    tracing::debug!(entry = delivery.entry, reason = chain(&error), "delivery not held");
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = hold => {}
        }
    }

    async fn tell_all(&self, delivery: &Delivery) {
        let alert = &delivery.alert;
        if delivery.times > TIMES_MAX {
            tracing::error!(id = %alert.id, times = delivery.times, "alert came back too often");
        }
        let lanes = self.lanes_of(alert);
        if !lanes.is_empty() && self.is_silenced(alert).await {
            self.shared.alerting.silenced.fetch_add(1, Ordering::Relaxed);
            self.shared.alerting.outcomes.remember(&alert.id, SILENCED, Outcome::Silenced);
            if self.note(|| self.shared.store.mark_sent(&alert.id, SILENCED)).await.is_none() {
                return;
            }
        } else {
            let notice = self.shared.alerting.notice(alert);
            let told = join_all(lanes.into_iter().map(|lane| self.tell(lane, delivery, &notice))).await;
            if told.contains(&Ended::Interrupted) {
                return;
            }
        }
        self.note(|| self.shared.store.finish_delivery(Group::Notify, &delivery.entry)).await;
        self.shared.board.touch();
    }

    /// The sinks that the rule names, all without a rule.
    fn lanes_of(&self, alert: &Alert) -> Vec<&Lane> {
        let policy = Arc::clone(&self.shared.published.load().1.policy);
        let named = find_rule(&policy, &alert.rule).and_then(|rule| rule.sinks.as_ref());
        let is_meant = |lane: &&Lane| named.is_none_or(|named| named.iter().any(|name| name == lane.sink.name()));
        self.lanes.iter().filter(is_meant).collect()
    }

    /// A silence covers it, or it is the end of an alert that nobody was told of.
    async fn is_silenced(&self, alert: &Alert) -> bool {
        if self.shared.alerting.is_silenced(alert, now_ms()) {
            return true;
        }
        let firing = alert.id.as_str().strip_suffix(RESOLVED_SUFFIX);
        match (alert.status, firing) {
            (AlertStatus::Resolved, Some(firing)) => {
                let firing = AlertId::from_text(firing);
                self.note(|| self.shared.store.was_sent(&firing, SILENCED)).await.unwrap_or(false)
            }
            _ => false,
        }
    }

    /// Tells one sink, until it took it or is given up.
    async fn tell(&self, lane: &Lane, delivery: &Delivery, notice: &Notice) -> Ended {
        let _waiting = Waiting::begin(lane);
        if lane.waiting.load(Ordering::Relaxed) > LANE_MAX {
            return self.bury(lane, delivery, 0, "too many notices wait for this sink").await;
        }
        if delivery.times > TIMES_MAX {
            return self.bury(lane, delivery, 0, "it was begun too often and never ended").await;
        }
        let (alert, name) = (&delivery.alert, lane.sink.name());
        let Some(_telling) = self.begin_telling(alert, name).await else { return Ended::Interrupted };
        let begun = Instant::now();
        for tried in 1.. {
            match self.note(|| self.shared.store.was_sent(&alert.id, name)).await {
                Some(false) => {}
                Some(true) => {
                    self.remember(alert, name, Outcome::Known);
                    return Ended::Done;
                }
                None => return Ended::Interrupted,
            }
            let error = match self.try_once(lane, notice).await {
                Some(Ok(())) => return self.told(alert, name).await,
                Some(Err(error)) => error,
                None => return Ended::Interrupted,
            };
            let reason = error.reason.clone();
            tracing::warn!(id = %alert.id, sink = name, tried, reason, retryable = error.retryable, "sink not told");
            self.remember(alert, name, Outcome::Failed { tries: tried, error: reason.clone() });
            match next(&error, tried, begun.elapsed(), rand::random()) {
                Next::Bury => return self.bury(lane, delivery, tried, &reason).await,
                Next::Wait(wait) => tokio::select! {
                    () = sleep(wait) => {}
                    () = self.tasks.stop().cancelled() => return Ended::Interrupted,
                },
            }
        }
        Ended::Interrupted
    }

    /// Waits until no other delivery tells this sink of this alert; `None` = control stops.
    async fn begin_telling(&self, alert: &Alert, sink: &str) -> Option<Telling<'_>> {
        let key = (alert.id.clone(), sink.to_owned());
        loop {
            if self.telling.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
                return Some(Telling { of: &self.telling, key });
            }
            tokio::select! {
                () = sleep(TWIN_WAIT) => {}
                () = self.tasks.stop().cancelled() => return None,
            }
        }
    }

    /// One try, when it is its turn; `None` = control stops.
    async fn try_once(&self, lane: &Lane, notice: &Notice) -> Option<Result<(), SendError>> {
        let stop = self.tasks.stop();
        let turn = tokio::select! {
            turn = lane.turns.acquire() => turn.ok()?,
            () = stop.cancelled() => return None,
        };
        let late = async {
            stop.cancelled().await;
            sleep(STOP_WAIT).await;
        };
        let sent = tokio::select! {
            sent = Box::pin(lane.sink.send(notice)) => Some(sent),
            () = late => None,
        };
        drop(turn);
        sent
    }

    async fn told(&self, alert: &Alert, sink: &str) -> Ended {
        tracing::info!(id = %alert.id, sink, rule = alert.rule, status = alert.status.as_str(), "sink told");
        self.remember(alert, sink, Outcome::Told);
        let noted = self.note(|| self.shared.store.mark_sent(&alert.id, sink)).await;
        if noted.is_some() { Ended::Done } else { Ended::Interrupted }
    }

    async fn bury(&self, lane: &Lane, delivery: &Delivery, attempts: u32, error: &str) -> Ended {
        let (alert, sink) = (&delivery.alert, lane.sink.name());
        let letter = DeadLetter {
            entry: String::new(),
            alert: alert.clone(),
            sink: sink.to_owned(),
            error: error.to_owned(),
            attempts,
            at_ms: now_ms(),
        };
        tracing::error!(id = %alert.id, sink, attempts, reason = error, "sink given up; see `sluice alerts dead`");
        let buried = self.note(|| self.shared.store.bury(&letter)).await;
        if buried.is_none() {
            return Ended::Interrupted;
        }
        self.remember(alert, sink, Outcome::Dead { tries: attempts, error: error.to_owned() });
        Ended::Done
    }

    fn remember(&self, alert: &Alert, sink: &str, outcome: Outcome) {
        if let Some(figures) = self.shared.alerting.figures.get(sink) {
            figures.count(&outcome);
        }
        self.shared.alerting.outcomes.remember(&alert.id, sink, outcome);
        self.shared.board.touch();
    }

    /// Asks the store until it answers; `None` = control stops, or the store will never take it.
    async fn note<T, F>(&self, ask: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            let error = match ask().await {
                Ok(answer) => return Some(answer),
                Err(error) => error,
            };
            if matches!(error, StoreError::Closed | StoreError::Invalid(_) | StoreError::Document(_)) {
                tracing::error!(reason = chain(&error), "the store does not take a note of a delivery");
                return None;
            }
            tokio::select! {
                () = sleep(STORE_RETRY) => {}
                () = self.tasks.stop().cancelled() => return None,
            }
        }
    }
}

/// While it lives, no other delivery tells this sink of this alert.
struct Telling<'n> {
    of: &'n Mutex<BTreeSet<(AlertId, String)>>,
    key: (AlertId, String),
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Counts who waits for a sink.
struct Waiting<'l>(&'l Lane);

impl<'l> Waiting<'l> {
    fn begin(lane: &'l Lane) -> Self {
        lane.waiting.fetch_add(1, Ordering::Relaxed);
        Self(lane)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
