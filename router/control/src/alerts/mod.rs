//! Alerts, from the task that raises them to the sinks: what the tasks of `alerts`, `alert_rules` and `notifier` share.
//!
//! `raise` brings alerts into the store, or onto the `spool` while it is away; `aborts` keeps the aborts that the store has
//! not heard of, over a restart too.

pub(crate) mod aborts;
pub(crate) mod identity;
pub(crate) mod raise;
mod spool;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_alert::{Notice, Sink};
use sluice_model::alert::{ALERT_COOLDOWN_MS, Alert};
use sluice_model::alert_rule::AlertRule;
use sluice_model::silence::Silence;
use sluice_policy::Policy;

use crate::notifier::figures::{Outcomes, SinkFigures};

/// Folder of the spool, in the data folder.
pub(crate) const FOLDER: &str = "spool";
/// How long an alert stays up after it was last seen, if no policy has a rule of its name.
const KEEP_FIRING_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// See the module.
#[derive(Debug)]
pub(crate) struct Alerting {
    /// This router, among those of the fleet: the same over a restart.
    pub(crate) router: String,
    /// Where notices go, sorted by name.
    pub(crate) sinks: Vec<Arc<Sink>>,
    /// Address of a page that shows alerts.
    link: Option<String>,
    /// What became of notices, by sink.
    pub(crate) figures: BTreeMap<String, SinkFigures>,
    /// What became of the last alerts.
    pub(crate) outcomes: Outcomes,
    /// Alerts that wait on disk for the store.
    pub(crate) spooled: AtomicU64,
    /// Deliveries that nobody was told of, for a silence.
    pub(crate) silenced: AtomicU64,
    /// Alerts that are up, as the store last said.
    pub(crate) firing: AtomicU64,
    silences: Mutex<Arc<Vec<Silence>>>,
}

/// How one alert is kept up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Course {
    /// How long it stays up after it was last seen; zero = it is an event, and never up.
    pub(crate) keep: Duration,
    /// How long the same one is not raised again.
    pub(crate) cooldown: Duration,
}

impl Alerting {
    pub(crate) fn new(router: String, sinks: Vec<Arc<Sink>>, link: Option<String>) -> Self {
        let figures = sinks.iter().map(|sink| (sink.name().to_owned(), SinkFigures::default())).collect();
        Self {
            router,
            sinks,
            link,
            figures,
            outcomes: Outcomes::default(),
            spooled: AtomicU64::new(0),
            silenced: AtomicU64::new(0),
            firing: AtomicU64::new(0),
            silences: Mutex::default(),
        }
    }

    /// What people are told of an alert.
    pub(crate) fn notice(&self, alert: &Alert) -> Notice {
        Notice::new(alert, self.link.as_deref())
    }

    /// All silences, as the store last had them.
    pub(crate) fn silences(&self) -> Arc<Vec<Silence>> {
        Arc::clone(&self.silences.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_silences(&self, silences: Vec<Silence>) {
        *self.silences.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(silences);
    }

    /// True if nobody is to be told of this alert now.
    pub(crate) fn is_silenced(&self, alert: &Alert, now_ms: u64) -> bool {
        self.silences().iter().any(|silence| silence.covers(alert, now_ms))
    }

    /// Alerts that wait on disk for the store.
    pub(crate) fn set_spooled(&self, count: usize) {
        self.spooled.store(count as u64, Ordering::Relaxed);
    }
}

/// The rule of this name.
pub(crate) fn find_rule<'p>(policy: &'p Policy, name: &str) -> Option<&'p AlertRule> {
    policy.alerts.iter().find(|rule| rule.name == name)
}

/// How alerts of a rule are kept up; `None` = no policy has it.
pub(crate) fn course(rule: Option<&AlertRule>) -> Course {
    rule.map_or_else(
        || Course { keep: KEEP_FIRING_DEFAULT, cooldown: Duration::from_millis(ALERT_COOLDOWN_MS) },
        |rule| Course {
            keep: Duration::from_millis(rule.keep_firing_ms),
            cooldown: Duration::from_millis(rule.cooldown_ms),
        },
    )
}
