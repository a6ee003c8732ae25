//! The builder: the single writer of snapshots. Change -> settle -> assemble -> admit -> keep as last good.
//!
//! Between two builds it carries out the operator's orders (`rollback`).
//!
//! It looks at everything anew at each change, so changes may be merged or lost as long as one is left. Whatever is
//! wrong with an input, the last good revision goes on serving and the board says why.

pub(crate) mod rollback;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_policy::{Diff, Folders, Source};
use sluice_snapshot::{Plugin, Seat, Snapshot};
use sluice_wasm::Engine;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::assemble::{Assembler, Assembly, Candidate, Member};
use crate::board::Serving;
use crate::builder::rollback::{Order, PIN_SUBJECT};
use crate::clock::now_ms;
use crate::fault::{Fault, FaultSource, chain};
use crate::folder::{self, Listing, PLUGIN_EXTENSION, POLICY_EXTENSION};
use crate::gate::Gate;
use crate::history::{Pin, Record};
use crate::input::Input;
use crate::last_good::{LastGood, Manifest};
use crate::shared::Shared;
use crate::tasks::Tasks;
use crate::workshop::Workshop;
use crate::{reaper, upstreams};

/// Changes that wait; all of them mean the same: look again.
pub(crate) const CHANGES_WAITING_MAX: usize = 16;
/// Files must stand still for this long before they are read: editors and `cp` write in steps, a few ms apart.
const SETTLE: Duration = Duration::from_millis(100);
/// Rounds of [`SETTLE`] after which a folder that never stands still is read all the same. What is half written then
/// is refused, and read again once it moved.
const SETTLE_ROUNDS_MAX: usize = 20;

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
    folders: Arc<Folders>,
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
}

impl Builder {
    /// A builder that has built nothing, and the reaper of what it will replace.
    pub(crate) fn new(
        tasks: &Tasks,
        shared: &Arc<Shared>,
        gate: &Arc<Gate>,
        engine: Engine,
        workshop: Workshop,
        last_good: LastGood,
        folders: Folders,
    ) -> Self {
        let (reaper, reaped) = mpsc::channel(reaper::SNAPSHOTS_WAITING_MAX);
        tasks.spawn("reaper", reaper::run(reaped, Arc::clone(&shared.traffic), tasks.clone()));
        let last_good = Arc::new(last_good);
        let (cells, workers) = (Arc::clone(&shared.cells), shared.router.workers);
        let assembler = Assembler::new(engine, cells, workers, Some(Arc::clone(&last_good)));
        Self {
            tasks: tasks.clone(),
            shared: Arc::clone(shared),
            gate: Arc::clone(gate),
            workshop,
            assembler: Arc::new(Mutex::new(assembler)),
            last_good,
            folders: Arc::new(folders),
            reaper,
            revision: watch::channel(0).0,
            newest: 0,
            sources: Vec::new(),
            pin: None,
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
        let input = self.read().await;
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
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(change) = changes.recv() => {
                    tracing::debug!(?change, "change seen");
                    let input = self.read_settled(&mut changes).await;
                    if self.build(input).await {
                        self.shared.board.set(FaultSource::Store, PIN_SUBJECT, None);
                    }
                }
                Some(order) = orders.recv() => self.carry_out(order).await,
            }
        }
    }

    /// Reads both folders once they stand still. What moved while it was read is read again: a file that is just being
    /// rewritten in place is empty for a moment, and an empty policy is a valid one.
    async fn read_settled(&self, changes: &mut mpsc::Receiver<Change>) -> Input {
        let mut before = self.listings().await;
        for _ in 0..SETTLE_ROUNDS_MAX {
            sleep(SETTLE).await;
            let settled = self.listings().await;
            if settled == before {
                while changes.try_recv().is_ok() {}
                let input = self.read().await;
                if self.listings().await == settled {
                    return input;
                }
            }
            before = settled;
        }
        self.read().await
    }

    async fn read(&self) -> Input {
        let folders = Arc::clone(&self.folders);
        self.tasks.blocking(move || Input::read(&folders)).await.unwrap_or_default()
    }

    async fn listings(&self) -> Option<(Listing, Listing)> {
        let folders = Arc::clone(&self.folders);
        let list = move || {
            let policy = folder::list(&folders.routes, POLICY_EXTENSION).unwrap_or_default();
            (policy, folder::list(&folders.plugins, PLUGIN_EXTENSION).unwrap_or_default())
        };
        self.tasks.blocking(list).await
    }

    /// Builds what was in the folders; true if it serves now. While a pinned revision holds them back, they are only
    /// tried, so that what is wrong with them is shown.
    async fn build(&mut self, input: Input) -> bool {
        let is_held = self.is_held(&input).await;
        let Assembly { candidate, mut faults, plugins } = self.assemble(input).await;
        let serves = match candidate {
            None => false,
            Some(_) if is_held => false,
            Some(candidate) if self.serves(&candidate) => true,
            Some(candidate) => match self.publish(candidate, self.newest + 1, None).await {
                Ok(()) => true,
                Err(fault) => {
                    faults.push(*fault);
                    false
                }
            },
        };
        self.shared.board.update(|content| content.plugins = plugins);
        let moved = self.shared.board.replace(&[FaultSource::Policy, FaultSource::Plugin], faults);
        if serves && self.pin.is_some() {
            self.release().await;
        }
        if !serves && moved && !is_held {
            self.shared.board.update(|content| content.reloads.refused += 1);
            tracing::warn!(serving = *self.revision.borrow(), "input refused, the last good revision stays");
        }
        serves
    }

    /// Serves the kept revision beside the faults of what is in the folders.
    async fn serve_kept(&mut self, kept: &Manifest) {
        let input = self.last_good.input(kept);
        let Assembly { candidate, mut faults, .. } = self.assemble(input).await;
        if let Some(candidate) = candidate
            && let Err(fault) = self.publish(candidate, kept.revision, None).await
        {
            faults.push(*fault);
        }
        let fault = faults.first().map(|fault| format!("the last good revision cannot be served: {}", fault.message));
        self.shared.board.set(FaultSource::Store, LAST_GOOD_SUBJECT, fault);
    }

    async fn assemble(&self, input: Input) -> Assembly {
        let assembler = Arc::clone(&self.assembler);
        let serving: Vec<Arc<Plugin>> = self.shared.published.load().1.plugins().cloned().collect();
        let job = move || assembler.lock().unwrap_or_else(PoisonError::into_inner).assemble(&input, &serving);
        self.workshop.run(job).await.unwrap_or_else(|| {
            let fault = Fault::new(FaultSource::Plugin, "compile thread", "it failed on this input; the log says how");
            Assembly { faults: vec![fault], ..Assembly::default() }
        })
    }

    /// True if the candidate is what serves already.
    fn serves(&self, candidate: &Candidate) -> bool {
        let all_kept = candidate.members.iter().all(|member| matches!(member, Member::Kept(_)));
        *self.revision.borrow() > 0 && all_kept && candidate.sources == self.sources
    }

    async fn publish(
        &mut self,
        candidate: Candidate,
        revision: u64,
        rollback_of: Option<u64>,
    ) -> Result<(), Box<Fault>> {
        let sources = candidate.sources.clone();
        let serving = self.serving(&candidate);
        let (routes, plugins) = (candidate.policy.routes.len(), candidate.members.len());
        upstreams::prepare(&self.shared, &candidate.policy).await;
        let gate = Arc::clone(&self.gate);
        let admitted = self.tasks.blocking(move || gate.admit(candidate, revision)).await;
        let old = admitted.unwrap_or_else(|| {
            let message = "it was interrupted; the log says how";
            Err(Box::new(Fault::new(FaultSource::Policy, "publication", message)))
        })?;
        self.sources = sources;
        self.newest = self.newest.max(revision);
        self.shared.board.update(|content| {
            content.serving = serving;
            content.published_ms = now_ms();
            content.reloads.ok += 1;
        });
        self.revision.send_replace(revision);
        tracing::info!(revision, routes, plugins, "revision published");
        // An error means that control stops: then all snapshots go.
        let _stopping = self.reaper.send(old).await;
        self.keep(revision, rollback_of).await;
        Ok(())
    }

    /// What the board shows of the plugins that will serve.
    fn serving(&self, candidate: &Candidate) -> Vec<Serving> {
        let known: BTreeMap<String, Serving> = self
            .shared
            .board
            .read()
            .serving
            .into_iter()
            .map(|serving| (serving.plugin.name().to_owned(), serving))
            .collect();
        let serving = |(member, spec): (&Member, &sluice_policy::Plugin)| {
            let before = known.get(&spec.name);
            let generation = before.map_or(0, |before| before.generation);
            let plugin = Arc::clone(member.plugin());
            match (member, before) {
                (Member::Kept(_), Some(before)) => before.clone(),
                (Member::Kept(_), None) => Serving { plugin, file: spec.file.clone(), memory_bytes: 0, generation: 1 },
                (Member::New(loaded), _) => Serving {
                    plugin,
                    file: spec.file.clone(),
                    memory_bytes: loaded.memory_bytes,
                    generation: generation + 1,
                },
            }
        };
        candidate.members.iter().zip(&candidate.policy.plugins).map(serving).collect()
    }

    /// Keeps what serves, for the next start and for the way back.
    async fn keep(&self, revision: u64, rollback_of: Option<u64>) {
        let snapshot = self.shared.published.load().1;
        let pair = |(spec, seat): (&sluice_policy::Plugin, &Seat)| {
            Some((spec.file.clone(), seat.plugin()?.key.digest.clone()))
        };
        let plugins = snapshot.policy.plugins.iter().zip(&snapshot.seats).filter_map(pair).collect();
        let manifest = Manifest::new(revision, &self.sources, plugins);
        let (last_good, assembler) = (Arc::clone(&self.last_good), Arc::clone(&self.assembler));
        let shared = Arc::clone(&self.shared);
        let commit = move || {
            let summary = what_changed(shared.history.newest().as_deref(), &snapshot.policy, &manifest);
            let record = Record::new(manifest.clone(), now_ms(), rollback_of, summary);
            let added = shared.history.add(record).map_err(|error| chain(&error));
            let mut known = assembler.lock().unwrap_or_else(PoisonError::into_inner).digests();
            known.extend(shared.history.digests());
            let committed = last_good.commit(&manifest, &known).map_err(|error| chain(&error));
            (added.err(), committed.err())
        };
        let (history, kept) = self.tasks.blocking(commit).await.unwrap_or_else(|| {
            let failure = "writing it was interrupted".to_owned();
            (None, Some(failure))
        });
        self.shared.board.set(FaultSource::Store, HISTORY_SUBJECT, history);
        self.shared.board.set(FaultSource::Store, LAST_GOOD_SUBJECT, kept);
    }

    /// The pin that an earlier process left, if it can be read.
    async fn pin_on_disk(&self) -> Option<Pin> {
        let shared = Arc::clone(&self.shared);
        match self.tasks.blocking(move || shared.history.pin()).await? {
            Ok(pin) => pin,
            Err(error) => {
                self.shared.board.set(FaultSource::Store, HISTORY_SUBJECT, Some(chain(&error)));
                None
            }
        }
    }
}

/// What a revision changes, in a few words each.
fn what_changed(before: Option<&Record>, policy: &sluice_policy::Policy, manifest: &Manifest) -> Vec<String> {
    let Some(before) = before else { return vec!["the first revision".to_owned()] };
    let mut changes = match sluice_policy::parse(&before.manifest.sources()) {
        Ok(old) => Diff::between(&old, policy).summary(),
        Err(_) => vec!["the policy before was one of another version".to_owned()],
    };
    let moved = manifest
        .plugins
        .iter()
        .filter(|(file, digest)| before.manifest.plugins.get(*file).is_some_and(|known| known != *digest));
    changes.extend(moved.map(|(file, _)| format!("plugin file {file}")));
    changes
}
