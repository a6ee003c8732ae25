//! What became of notices, as this router knows: figures by sink, and the last alerts one by one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_model::alert::AlertId;

/// Alerts that are remembered one by one: as many as a page shows.
const REMEMBERED_MAX: usize = 1_000;

/// Of one sink, since the start.
#[derive(Debug, Default)]
pub(crate) struct SinkFigures {
    delivered: AtomicU64,
    failed: AtomicU64,
    dead: AtomicU64,
}

/// `SinkFigures` at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkTotals {
    /// Notices that it took.
    pub delivered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Notices that were given up.
    pub dead: u64,
}

impl SinkFigures {
    pub(crate) fn count(&self, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Told => &self.delivered,
            Outcome::Failed { .. } => &self.failed,
            Outcome::Dead { .. } => &self.dead,
            Outcome::Silenced | Outcome::Known => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> SinkTotals {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SinkTotals { delivered: read(&self.delivered), failed: read(&self.failed), dead: read(&self.dead) }
    }
}

/// How one notice stands with one sink.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// The sink took it.
    Told,
    /// The sink has it from another router, or from before a restart.
    Known,
    /// It failed and is tried again.
    Failed {
        /// Tries so far.
        tries: u32,
        /// Why the last one failed.
        error: String,
    },
    /// It was given up and lies among the dead letters.
    Dead {
        /// Tries.
        tries: u32,
        /// Why the last one failed.
        error: String,
    },
    /// A silence keeps it from being told.
    Silenced,
}

/// The last alerts, by id, and how each stands with its sinks.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(Mutex<VecDeque<(AlertId, BTreeMap<String, Outcome>)>>);

impl Outcomes {
    /// Remembers the newest outcome of an alert at a sink.
    pub(crate) fn remember(&self, id: &AlertId, sink: &str, outcome: Outcome) {
        let mut known = self.lock();
        if let Some((_, sinks)) = known.iter_mut().rev().find(|(known, _)| known == id) {
            sinks.insert(sink.to_owned(), outcome);
            return;
        }
        if known.len() == REMEMBERED_MAX {
            known.pop_front();
        }
        known.push_back((id.clone(), BTreeMap::from([(sink.to_owned(), outcome)])));
    }

    /// How an alert stands with its sinks; empty if this router did not tell them, or has forgotten.
    pub(crate) fn of(&self, id: &AlertId) -> BTreeMap<String, Outcome> {
        self.lock().iter().rev().find(|(known, _)| known == id).map(|(_, sinks)| sinks.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(AlertId, BTreeMap<String, Outcome>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_outcome_counts_and_the_oldest_alert_is_forgotten() {
        let outcomes = Outcomes::default();
        let id = |number: usize| AlertId::from_text(number.to_string());
        outcomes.remember(&id(0), "mail", Outcome::Failed { tries: 1, error: "x".to_owned() });
        outcomes.remember(&id(0), "mail", Outcome::Told);
        assert_eq!(outcomes.of(&id(0)), BTreeMap::from([("mail".to_owned(), Outcome::Told)]));
        for number in 1..=REMEMBERED_MAX {
            outcomes.remember(&id(number), "mail", Outcome::Told);
        }
        assert!(outcomes.of(&id(0)).is_empty() && !outcomes.of(&id(1)).is_empty());
    }

    #[test]
    fn an_outcome_is_told_with_its_state() {
        let told = serde_json::to_value(Outcome::Dead { tries: 2, error: "no".to_owned() }).unwrap();
        assert_eq!(told, serde_json::json!({"state": "dead", "tries": 2, "error": "no"}));
    }
}
