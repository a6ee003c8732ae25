//! The builder: the single writer of snapshots. Change -> settle -> assemble -> `publish` -> keep as last good.
//!
//! Between two builds it carries out the operator's orders (`rollback` of revisions, `plugins`), and judges new digests
//! of plugins (`judging`). It looks at everything anew at each change, so changes may be merged or lost as long as one is
//! left. Whatever is wrong with an input, the last good revision goes on serving and the board says why; what is wrong
//! with a plugin's file holds back that plugin alone.

mod judging;
pub(crate) mod plugins;
mod publish;
pub(crate) mod rollback;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Fuse, FusedFuture, FutureExt};
use sluice_policy::{Folders, Source};
use sluice_snapshot::Snapshot;
use sluice_wasm::Engine;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::assemble::{Assembler, Assembly, Ground};
use crate::builder::publish::{BY_FOLDER, BY_REVISION, Cause};
use crate::builder::rollback::{Order, PIN_SUBJECT};
use crate::clock::now_ms;
use crate::fault::{Fault, FaultSource, chain};
use crate::gate::Gate;
use crate::history::Pin;
use crate::input::Input;
use crate::last_good::{LastGood, Manifest};
use crate::place::Candidate;
use crate::reaper;
use crate::release::course::Course;
use crate::release::ledger::Ledger;
use crate::settle::Reader;
use crate::shared::Shared;
use crate::tasks::Tasks;
use crate::workshop::Workshop;

/// Changes that wait; all of them mean the same: look again.
pub(crate) const CHANGES_WAITING_MAX: usize = 16;
/// How often new digests of plugins are judged.
const JUDGE_EVERY: Duration = Duration::from_millis(250);

/// How faults call the folder of kept revisions.
const HISTORY_SUBJECT: &str = "history";
/// How faults call the folder of the last good revision.
const LAST_GOOD_SUBJECT: &str = "last-good";

/// A reason to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Something moved in the policy folder.
    Policy,
    /// Something moved in the plugin folder.
    Plugins,
    /// The state that a refused plugin failed on may have changed.
    State,
    /// A digest in the plugin folder must not serve any more.
    Quarantine,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Builder {
    tasks: Tasks,
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    workshop: Workshop,
    assembler: Arc<Mutex<Assembler>>,
    last_good: Arc<LastGood>,
    reader: Reader,
    /// To look again after a decision of its own.
    changes: mpsc::Sender<Change>,
    /// Old snapshots on their way to be dropped.
    reaper: mpsc::Sender<Arc<Snapshot>>,
    /// The revision that serves; 0 = none yet.
    revision: watch::Sender<u64>,
    /// The highest number that was ever given; numbers go on growing over restarts.
    newest: u64,
    /// Texts of the revision that serves.
    sources: Vec<Source>,
    /// What holds the files back.
    pin: Option<Pin>,
    /// Trials and watches that are on their way, by name of the plugin.
    courses: BTreeMap<String, Course>,
}

/// What a builder works with.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) gate: Arc<Gate>,
    pub(crate) engine: Engine,
    pub(crate) workshop: Workshop,
    pub(crate) last_good: LastGood,
    pub(crate) folders: Folders,
    pub(crate) changes: mpsc::Sender<Change>,
}

impl Builder {
    /// A builder that has built nothing, and the reaper of what it will replace.
    pub(crate) fn new(tasks: &Tasks, shared: &Arc<Shared>, tools: Tools) -> Self {
        let Tools { gate, engine, workshop, last_good, folders, changes } = tools;
        let (reaper, reaped) = mpsc::channel(reaper::SNAPSHOTS_WAITING_MAX);
        tasks.spawn("reaper", reaper::run(reaped, Arc::clone(&shared.traffic), tasks.clone()));
        let last_good = Arc::new(last_good);
        let (cells, workers) = (Arc::clone(&shared.cells), shared.router.workers);
        let assembler = Assembler::new(engine, cells, workers, Some(Arc::clone(&last_good)));
        Self {
            tasks: tasks.clone(),
            shared: Arc::clone(shared),
            gate,
            workshop,
            assembler: Arc::new(Mutex::new(assembler)),
            last_good,
            reader: Reader::new(tasks, folders),
            changes,
            reaper,
            revision: watch::channel(0).0,
            newest: 0,
            sources: Vec::new(),
            pin: None,
            courses: BTreeMap::new(),
        }
    }

    /// Is told of each publication.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// The first build: what is in the folders, else the last good revision, else nothing.
    pub(crate) async fn start(&mut self) {
        let last_good = Arc::clone(&self.last_good);
        let kept = match self.tasks.blocking(move || last_good.load()).await {
            Some(Ok(kept)) => kept,
            Some(Err(error)) => {
                self.shared.board.set(FaultSource::Store, LAST_GOOD_SUBJECT, Some(chain(&error)));
                None
            }
            None => None,
        };
        let known = self.shared.history.newest().map_or(0, |newest| newest.manifest.revision);
        self.newest = kept.as_ref().map_or(0, |kept| kept.revision).max(known);
        let pinned = match self.pin_on_disk().await {
            Some(pin) => self.start_pinned(pin).await,
            None => false,
        };
        let input = self.reader.read().await;
        if !self.build(input).await
            && !pinned
            && let Some(kept) = kept
        {
            self.serve_kept(&kept).await;
        }
    }

    /// Builds at each change until control stops. A build that has begun is finished: what was published is kept.
    pub(crate) async fn run(mut self, mut changes: mpsc::Receiver<Change>, mut orders: mpsc::Receiver<Order>) {
        let stop = self.tasks.stop().clone();
        let mut ticks = interval(JUDGE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Beside orders and judgements, which do not wait until files stand still.
        let mut settled = pin!(Fuse::terminated());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                // What comes while files settle is seen by that.
                Some(change) = changes.recv() => if settled.is_terminated() {
                    tracing::debug!(?change, "change seen");
                    settled.set(self.reader.clone().read_settled().fuse());
                },
                input = &mut settled => if self.build(input).await {
                    self.shared.board.set(FaultSource::Store, PIN_SUBJECT, None);
                },
                Some(order) = orders.recv() => self.carry_out(order).await,
                _now = ticks.tick(), if !self.courses.is_empty() => self.judge().await,
            }
        }
    }

    /// Builds what was in the folders; true if it serves now. While a pinned revision holds them back, they are only
    /// tried, so that what is wrong with them is shown.
    async fn build(&mut self, input: Input) -> bool {
        let is_held = self.is_held(&input).await;
        let Assembly { candidate, mut faults, plugins, digests, is_replaced } =
            self.assemble(input, self.shared.ledgers.all()).await;
        // Before anything is published: who sees the revision sees what goes with it.
        self.shared.board.update(|content| {
            content.plugins = plugins;
            content.digests = digests.clone().unwrap_or_else(|| std::mem::take(&mut content.digests));
        });
        let serves = match candidate {
            None => false,
            Some(_) if is_held => false,
            Some(candidate) if self.serves(&candidate) => true,
            Some(candidate) => {
                let cause = Cause { is_watched: true, ..Cause::new(BY_FOLDER) };
                let published = self.publish(candidate, self.newest + 1, cause).await;
                published.map_err(|fault| faults.push(*fault)).is_ok()
            }
        };
        if serves && let Some(digests) = digests {
            self.end_holds(&digests).await;
        }
        let moved = self.shared.board.replace(&[FaultSource::Policy, FaultSource::Plugin], faults);
        if serves && self.pin.is_some() {
            self.release().await;
        }
        if moved && !is_held && (!serves || is_replaced) {
            self.shared.board.update(|content| content.reloads.refused += 1);
            let serving = *self.revision.borrow();
            tracing::warn!(serving, all = !serves, "input refused, what was last good stays");
        }
        serves
    }

    /// Serves the kept revision beside the faults of what is in the folders.
    async fn serve_kept(&mut self, kept: &Manifest) {
        let input = self.last_good.input(kept);
        let Assembly { candidate, faults, .. } = self.assemble(input, BTreeMap::new()).await;
        let fault = match candidate {
            Some(candidate) => {
                self.publish(candidate, kept.revision, Cause::new(BY_REVISION)).await.err().map(|fault| *fault)
            }
            None => faults.into_iter().next(),
        };
        let fault = fault.map(|fault| format!("the last good revision cannot be served: {}", fault.message));
        self.shared.board.set(FaultSource::Store, LAST_GOOD_SUBJECT, fault);
    }

    async fn assemble(&self, input: Input, ledgers: BTreeMap<String, Ledger>) -> Assembly {
        let assembler = Arc::clone(&self.assembler);
        let ground = self.ground(ledgers);
        let job = move || assembler.lock().unwrap_or_else(PoisonError::into_inner).assemble(&input, &ground);
        self.workshop.run(job).await.unwrap_or_else(|| {
            let fault = Fault::new(FaultSource::Plugin, "compile thread", "it failed on this input; the log says how");
            Assembly { faults: vec![fault], ..Assembly::default() }
        })
    }

    /// What serves, to assemble on.
    fn ground(&self, ledgers: BTreeMap<String, Ledger>) -> Ground {
        let serving = self.shared.published.load().1.seats.clone();
        Ground { serving, ledgers, now_ms: now_ms() }
    }

    /// True if the candidate is what serves already.
    fn serves(&self, candidate: &Candidate) -> bool {
        let seats = &self.shared.published.load().1.seats;
        let all_kept = candidate.places.len() == seats.len()
            && candidate.places.iter().zip(seats).all(|(place, seat)| place.is(seat));
        *self.revision.borrow() > 0 && all_kept && candidate.sources == self.sources
    }
}
