//! The handle's part for alerts: what is up, what was told, silences, dead letters, trying sinks out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sluice_alert::Sink;
use sluice_model::alert::{Alert, AlertId, DeadLetter, Firing};
use sluice_model::silence::Silence;

use crate::clock::now_ms;
use crate::handle::{CommandError, Handle};
use crate::notifier::SILENCED;
use crate::notifier::figures::{Outcome, SinkTotals};

/// Rule of a notice that tries sinks out.
const TEST_RULE: &str = "test";

/// What became of a notice that tries a sink out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkTried {
    /// The sink.
    pub sink: String,
    /// `smtp`, `webhook` or `slack`.
    pub kind: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, and whether another try may do better.
    pub error: Option<(String, bool)>,
}

/// Alerts at one moment, as metrics show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFigures {
    /// By sink.
    pub sinks: BTreeMap<String, SinkTotals>,
    /// Alerts that wait on disk for the store.
    pub spooled: u64,
    /// Alerts that nobody was told of, for a silence.
    pub silenced: u64,
    /// Alerts that are up, as the store last said.
    pub firing: u64,
}

impl Handle {
    /// Alerts that are up, oldest first.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn firing(&self) -> Result<Vec<Firing>, CommandError> {
        Ok(self.shared.store.firing().await?)
    }

    /// How an alert stands with the sinks that this router told; empty if another one did. `None` in place of a sink's name
    /// = a silence.
    #[must_use]
    pub fn deliveries(&self, id: &AlertId) -> BTreeMap<Option<String>, Outcome> {
        let named = |(sink, outcome): (String, Outcome)| ((sink != SILENCED).then_some(sink), outcome);
        self.shared.alerting.outcomes.of(id).into_iter().map(named).collect()
    }

    /// What became of notices since the start.
    #[must_use]
    pub fn alert_figures(&self) -> AlertFigures {
        let alerting = &self.shared.alerting;
        AlertFigures {
            sinks: alerting.figures.iter().map(|(sink, figures)| (sink.clone(), figures.totals())).collect(),
            spooled: alerting.spooled.load(Ordering::Relaxed),
            silenced: alerting.silenced.load(Ordering::Relaxed),
            firing: alerting.firing.load(Ordering::Relaxed),
        }
    }

    /// All silences.
    #[must_use]
    pub fn silences(&self) -> Arc<Vec<Silence>> {
        self.shared.alerting.silences()
    }

    /// Makes a silence, with an id of its own, and returns it.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn put_silence(&self, silence: Silence) -> Result<Silence, CommandError> {
        let silence = Silence { id: format!("{:08x}", rand::random::<u32>()), ..silence };
        self.shared.store.put_silence(&silence).await?;
        Ok(silence)
    }

    /// Ends a silence; false if there is none.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn delete_silence(&self, id: &str, by: &str) -> Result<bool, CommandError> {
        Ok(self.shared.store.delete_silence(id, by.into()).await?)
    }

    /// Dead letters, newest first.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn dead_letters(&self, newest: usize) -> Result<Vec<DeadLetter>, CommandError> {
        Ok(self.shared.store.dead_letters(newest).await?)
    }

    /// Lets the notice of a dead letter be told again, to those who do not have it; false if there is no such letter.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn replay(&self, entry: &str, by: &str) -> Result<bool, CommandError> {
        Ok(self.shared.store.replay(entry, by.into()).await?)
    }

    /// Tells one sink, or all, of something that did not happen: once, at once, past the store.
    ///
    /// # Errors
    /// [`CommandError`] if there is no such sink, or none at all.
    pub async fn try_sinks(&self, only: Option<&str>, by: &str) -> Result<Vec<SinkTried>, CommandError> {
        let alerting = &self.shared.alerting;
        let is_meant = |sink: &&Arc<Sink>| only.is_none_or(|name| sink.name() == name);
        let meant: Vec<&Arc<Sink>> = alerting.sinks.iter().filter(is_meant).collect();
        if meant.is_empty() {
            return Err(CommandError::Refused(match only {
                Some(name) => format!("sluice.toml has no sink `{name}`"),
                None => "sluice.toml has no sinks: add [alerts.sinks.NAME]".to_owned(),
            }));
        }
        let at_ms = now_ms();
        let notice = alerting.notice(&Alert {
            id: AlertId::derive(&[TEST_RULE, &alerting.router, &at_ms.to_string(), &rand::random::<u64>().to_string()]),
            rule: TEST_RULE.to_owned(),
            message: format!("a notice that {by} asked for, to try this sink out; nothing has happened"),
            at_ms,
            router: alerting.router.clone(),
            ..Alert::default()
        });
        let tried = meant.into_iter().map(|sink| async {
            let begun = Instant::now();
            let error = sink.send(&notice).await.err().map(|error| (error.reason, error.retryable));
            SinkTried { sink: sink.name().to_owned(), kind: sink.kind(), took: begun.elapsed(), error }
        });
        Ok(join_all(tried).await)
    }
}
