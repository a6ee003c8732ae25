//! Publishing a candidate: what changes is written down before workers see it, and kept after.
//!
//! The ledgers come first, so that a router that dies in between serves after its restart what it was about to serve.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use sluice_policy::Diff;
use sluice_snapshot::{PluginKey, Seat};

use super::{Builder, HISTORY_SUBJECT, LAST_GOOD_SUBJECT};
use crate::board::Dossier;
use crate::clock::now_ms;
use crate::fault::{Fault, FaultSource, chain};
use crate::history::Record;
use crate::last_good::Manifest;
use crate::place::{Candidate, Member};
use crate::release::course::{Course, Trying, Watching};
use crate::release::judge::Figures;
use crate::release::ledger::{Decision, DigestOutcome, Ledger, short};
use crate::release::ledgers;
use crate::upstreams;

/// Who publishes, as ledgers show it: the files did.
pub(super) const BY_FOLDER: &str = "folder";
/// An earlier revision serves again.
pub(super) const BY_REVISION: &str = "revision";
/// The router itself, for a budget.
pub(super) const BY_ROUTER: &str = "router";

/// Why a candidate is published, and what has to be remembered with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause<'a> {
    pub(super) by: &'a str,
    pub(super) reason: Option<&'a str>,
    /// The revision that serves again.
    pub(super) rollback_of: Option<u64>,
    /// Whether a new digest that takes over is watched.
    pub(super) is_watched: bool,
    /// The digest that is taken back with it.
    pub(super) taken_back: Option<TakenBack<'a>>,
    /// Whether it must not happen if it cannot be kept for the next start.
    pub(super) must_be_kept: bool,
}

/// A digest that has to leave its seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct TakenBack<'a> {
    /// Name of the plugin.
    pub(super) name: &'a str,
    /// `None` = nobody sat there.
    pub(super) digest: Option<&'a str>,
    pub(super) outcome: DigestOutcome,
    /// What is held back from now on.
    pub(super) hold: Option<&'a str>,
}

/// A plugin as it serves before a publication.
struct Before {
    digest: String,
    figures: Figures,
}

impl<'a> Cause<'a> {
    /// By `by`, with nothing beside.
    pub(super) const fn new(by: &'a str) -> Self {
        Self { by, reason: None, rollback_of: None, is_watched: false, taken_back: None, must_be_kept: false }
    }

    const fn decision(&self, now_ms: u64) -> Decision<'a> {
        Decision { by: self.by, reason: self.reason, now_ms }
    }
}

impl Builder {
    /// Publishes a candidate as `revision`.
    ///
    /// # Errors
    /// The fault that hinders it; nothing changed.
    pub(super) async fn publish(
        &mut self,
        candidate: Candidate,
        revision: u64,
        cause: Cause<'_>,
    ) -> Result<(), Box<Fault>> {
        let sources = candidate.sources.clone();
        let policy = Arc::clone(&candidate.policy);
        let seats: Vec<Seat> = candidate.places.iter().map(crate::place::Place::seat).collect();
        upstreams::prepare(&self.shared, &policy).await;
        let known = self.shared.ledgers.all();
        let before = self.before();
        self.open_dossiers(&candidate);
        self.write_ledgers(self.booked(&policy, &seats, cause), cause.must_be_kept).await?;
        let gate = Arc::clone(&self.gate);
        let admitted = self.tasks.blocking(move || gate.admit(candidate, revision)).await;
        let old = match admitted.unwrap_or_else(|| {
            let message = "it was interrupted; the log says how";
            Err(Box::new(Fault::new(FaultSource::Policy, "publication", message)))
        }) {
            Ok(old) => old,
            Err(fault) => {
                // What stands on disk otherwise: a digest that was never published, which the next build finds again.
                let _unlikely = self.write_ledgers(known, false).await;
                return Err(fault);
            }
        };
        self.sources = sources;
        self.newest = self.newest.max(revision);
        self.follow(&policy, &seats, &known, &before, cause);
        self.shared.board.update(|content| {
            content.published_ms = now_ms();
            content.reloads.ok += 1;
        });
        self.revision.send_replace(revision);
        tracing::info!(revision, routes = policy.routes.len(), plugins = seats.len(), "revision published");
        // An error means that control stops: then all snapshots go.
        let _stopping = self.reaper.send(old).await;
        self.keep(cause.rollback_of).await;
        Ok(())
    }

    /// The plugins that serve now, by name.
    fn before(&self) -> BTreeMap<String, Before> {
        let snapshot = self.shared.published.load().1;
        let before = |plugin: &Arc<sluice_snapshot::Plugin>| {
            let (digest, figures) = (plugin.key.digest.clone(), Figures::of(plugin, None));
            (plugin.name().to_owned(), Before { digest, figures })
        };
        snapshot.plugins().map(before).collect()
    }

    /// Says on the board what is known of new plugins, before anybody can see that they serve.
    fn open_dossiers(&self, candidate: &Candidate) {
        let snapshot = self.shared.published.load().1;
        let members = || candidate.places.iter().flat_map(crate::place::Place::members);
        self.shared.board.update(|content| {
            let serving = |key: &PluginKey| snapshot.seats.iter().flat_map(Seat::occupants).any(|own| own.key == *key);
            content.dossiers.retain(|key, _| serving(key) || members().any(|member| member.plugin().key == *key));
            for member in members() {
                let Member::New(loaded) = member else { continue };
                let key = &loaded.plugin.key;
                let same = content.dossiers.iter().filter(|(known, _)| known.name == key.name);
                let generation = same.map(|(_, dossier)| dossier.generation).max().unwrap_or(0) + 1;
                content.dossiers.insert(key.clone(), Dossier { memory_bytes: loaded.memory_bytes, generation });
            }
        });
    }

    /// The ledgers as they will be.
    fn booked(&self, policy: &sluice_policy::Policy, seats: &[Seat], cause: Cause<'_>) -> BTreeMap<String, Ledger> {
        let decision = cause.decision(now_ms());
        let book = |(spec, seat): (&sluice_policy::Plugin, &Seat)| {
            let mut ledger = self.shared.ledgers.one(&spec.name);
            book(&mut ledger, seat, decision);
            if let Some(back) = cause.taken_back.filter(|back| back.name == spec.name) {
                if let Some(digest) = back.digest {
                    ledger.takes_back(digest, back.outcome, decision);
                }
                if let Some(digest) = back.hold {
                    ledger.hold_back(digest, decision);
                }
            }
            (spec.name.clone(), ledger)
        };
        policy.plugins.iter().zip(seats).map(book).collect()
    }

    /// Writes ledgers down; what cannot be written is a fault, and an error only if it must be kept.
    pub(super) async fn write_ledgers(
        &self,
        changed: BTreeMap<String, Ledger>,
        must_be_kept: bool,
    ) -> Result<(), Box<Fault>> {
        let shared = Arc::clone(&self.shared);
        let write = move || {
            for (name, ledger) in changed {
                if shared.ledgers.has(&name, &ledger) {
                    continue;
                }
                let before = shared.ledgers.one(&name);
                let subject = ledgers::subject(&name);
                if let Err(error) = shared.ledgers.set(&name, ledger) {
                    let message = chain(&error);
                    if must_be_kept {
                        // It cannot be written either, but it counts again.
                        let _unwritten = shared.ledgers.set(&name, before);
                        let message = format!("cannot be kept for the next start, so it was not done: {message}");
                        return Err(Box::new(Fault::new(FaultSource::Store, subject, message)));
                    }
                    shared.board.set(FaultSource::Store, &subject, Some(message));
                } else if before.serving().is_some() {
                    // A ledger that begins anew goes on saying why, until there is something new to say.
                    shared.board.set(FaultSource::Store, &subject, None);
                }
            }
            Ok(())
        };
        self.tasks.blocking(write).await.unwrap_or(Ok(()))
    }

    /// Begins, keeps and ends trials and watches, as the seats stand now.
    fn follow(
        &mut self,
        policy: &sluice_policy::Policy,
        seats: &[Seat],
        known: &BTreeMap<String, Ledger>,
        before: &BTreeMap<String, Before>,
        cause: Cause<'_>,
    ) {
        let mut courses = std::mem::take(&mut self.courses);
        for (spec, seat) in policy.plugins.iter().zip(seats) {
            let Some(plugin) = seat.plugin() else { continue };
            let course = courses.remove(&spec.name).unwrap_or_default();
            let now_ms = now_ms();
            let trying = seat.trial().map(|trial| {
                let goes_on = course
                    .trying
                    .filter(|trying| trying.digest == trial.plugin.key.digest && trying.began_ms == trial.started_ms);
                goes_on.unwrap_or_else(|| Trying {
                    digest: trial.plugin.key.digest.clone(),
                    began_ms: trial.started_ms,
                    main_start: Figures::of(plugin, None),
                })
            });
            let digest = &plugin.key.digest;
            let ledger = known.get(&spec.name);
            let replaced = ledger.and_then(Ledger::serving).filter(|serving| serving != digest);
            let watching = match replaced {
                None => course.watching.filter(|watching| watching.digest == *digest).map(|watching| {
                    // New settings make a new plugin of the same digest, whose figures begin anew.
                    let is_new = Figures::of(plugin, None).calls < watching.start.calls;
                    if is_new { Watching { start: Figures::default(), ..watching } } else { watching }
                }),
                Some(_) if !cause.is_watched || spec.release.watch.is_none() => None,
                Some(_) if ledger.is_some_and(|ledger| ledger.was_rolled_back(digest)) => None,
                Some(serving) => Some(Watching {
                    digest: digest.clone(),
                    digest_before: serving.to_owned(),
                    began_ms: now_ms,
                    before: before
                        .get(&spec.name)
                        .filter(|before| before.digest == serving)
                        .map_or_else(Figures::default, |before| before.figures),
                    start: Figures::of(plugin, None),
                }),
            };
            if let Some(serving) = replaced {
                let (old, new) = (short(serving), short(digest));
                tracing::info!(plugin = spec.name, old, new, by = cause.by, "plugin digest took over");
            }
            let course = Course { trying, watching };
            if !course.is_over() {
                self.courses.insert(spec.name.clone(), course);
            }
        }
        self.show_courses();
    }

    /// Shows trials and watches on the board.
    pub(super) fn show_courses(&self) {
        let courses = self.courses.clone();
        self.shared.board.update(|content| content.courses = courses);
    }

    /// Keeps what serves, for the next start and for the way back.
    async fn keep(&self, rollback_of: Option<u64>) {
        let snapshot = self.shared.published.load().1;
        let manifest = Manifest::of(&snapshot, &self.sources);
        let (last_good, assembler) = (Arc::clone(&self.last_good), Arc::clone(&self.assembler));
        let shared = Arc::clone(&self.shared);
        let commit = move || {
            let summary = what_changed(shared.history.newest().as_deref(), &snapshot.policy, &manifest);
            let record = Record::new(manifest.clone(), now_ms(), rollback_of, summary);
            let added = shared.history.add(record).map_err(|error| chain(&error));
            let mut known = assembler.lock().unwrap_or_else(PoisonError::into_inner).digests();
            known.extend(shared.history.digests());
            known.extend(shared.ledgers.digests());
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
}

/// Writes down who takes a seat.
fn book(ledger: &mut Ledger, seat: &Seat, decision: Decision<'_>) {
    let Some(plugin) = seat.plugin() else { return };
    let version = |plugin: &sluice_snapshot::Plugin| plugin.artifact.manifest().version.clone();
    ledger.serves(&plugin.key.digest, &version(plugin), decision);
    match seat.trial() {
        Some(trial) => ledger.tries(&trial.plugin.key.digest, &version(&trial.plugin), decision),
        None => {
            let reason = Some("its trial ended before its time");
            ledger.end_trial(DigestOutcome::RolledBack, Decision { reason, ..decision });
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
    changes.extend(manifest.exceptions.changes(&before.manifest.exceptions));
    changes
}
