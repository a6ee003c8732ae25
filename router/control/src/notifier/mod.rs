//! The notifier: takes deliveries from the store, tells each sink of an alert's rule, and says when all were told.
//!
//! At least once: an alert leaves the store only after each sink has taken it or it lies among the dead letters. Before
//! each try the store is asked whether the sink has it already, from another router or from before a crash; between a
//! sink's yes and the note of it a crash makes a second notice, with the same id. Sinks do not wait for each other.

mod back_off;
mod delivery;
pub(crate) mod figures;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_alert::Sink;
use sluice_model::alert::AlertId;
use sluice_state::{Delivery, Group};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use crate::fault::chain;
use crate::shared::Shared;
use crate::tasks::Tasks;

/// Notices that wait for one sink; one more is buried at once. So a sink that is down never takes the place of the others.
pub(crate) const LANE_MAX: usize = 256;
/// Tries at one sink at a time: a mail server that is slow is not asked by hundreds.
const TRIES_AT_ONCE_MAX: usize = 4;
/// Deliveries on their way that wait for no sink.
const DELIVERIES_SPARE: usize = 32;
/// Deliveries that are asked for at a time.
const TAKE_MAX: usize = 32;
/// How long one question for deliveries waits for one.
const TAKE_WAIT: Duration = Duration::from_secs(1);
/// Wait after a question that the store did not answer.
const AWAY_WAIT: Duration = Duration::from_secs(1);
/// What the store is told instead of a sink's name when nobody is told of an alert. No sink has this name.
pub(crate) const SILENCED: &str = "_silenced";

/// See the module.
#[derive(Clone)]
pub(crate) struct Notifier {
    shared: Arc<Shared>,
    tasks: Tasks,
    lanes: Arc<Vec<Lane>>,
    /// Entries on their way here, so that none is here twice.
    on_the_way: Arc<Mutex<BTreeSet<String>>>,
    /// Alerts and sinks that are being told: two deliveries of one alert, as replays make them, tell a sink one after the
    /// other, so that the second finds that it knows.
    telling: Arc<Mutex<BTreeSet<(AlertId, String)>>>,
    /// The apply loop runs until this is dropped: the last notes of a stop are writes too.
    _writing: Arc<DropGuard>,
}

/// One sink, and who waits for it.
#[derive(Debug)]
struct Lane {
    sink: Arc<Sink>,
    waiting: AtomicUsize,
    turns: Semaphore,
}

impl Notifier {
    pub(crate) fn new(shared: &Arc<Shared>, tasks: &Tasks, writing: Arc<DropGuard>) -> Self {
        let lane = |sink: &Arc<Sink>| Lane {
            sink: Arc::clone(sink),
            waiting: AtomicUsize::new(0),
            turns: Semaphore::new(TRIES_AT_ONCE_MAX),
        };
        Self {
            shared: Arc::clone(shared),
            tasks: tasks.clone(),
            lanes: Arc::new(shared.alerting.sinks.iter().map(lane).collect()),
            on_the_way: Arc::default(),
            telling: Arc::default(),
            _writing: writing,
        }
    }

    /// Runs until control stops. Deliveries that it has taken go on by themselves.
    pub(crate) async fn run(self) {
        let places = Arc::new(Semaphore::new(LANE_MAX * self.lanes.len() + DELIVERIES_SPARE));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let count_max = TAKE_MAX.min(places.available_permits() + 1);
            drop(place);
            match self
                .shared
                .store
                .take_deliveries(Group::Notify, &self.shared.alerting.router, count_max, TAKE_WAIT)
                .await
            {
                Ok(deliveries) => {
                    for delivery in deliveries {
                        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                        self.begin(delivery, place);
                    }
                }
                Err(error) => {
                    tracing::debug!(reason = chain(&error), "no deliveries from the store");
                    sleep(AWAY_WAIT).await;
                }
            }
        }
    }

    fn begin(&self, delivery: Delivery, place: tokio::sync::OwnedSemaphorePermit) {
        let entry = delivery.entry.clone();
        if !self.entries().insert(entry.clone()) {
            return;
        }
        let notifier = self.clone();
        self.tasks.spawn_to_its_end("delivery", async move {
            notifier.deliver(&delivery).await;
            notifier.entries().remove(&entry);
            drop(place);
        });
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
