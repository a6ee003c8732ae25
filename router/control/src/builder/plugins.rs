//! Deciding on a plugin's digest: an operator's order, carried out by the builder between two builds.
//!
//! The files stay the operator's input and are not touched, and the policy texts that serve stay. Only one seat changes,
//! so an order does not depend on what else is wrong in the folders. It is kept, so a restart serves the same.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use sluice_snapshot::Seat;
use tokio::sync::oneshot;

use super::Builder;
use super::publish::{Cause, TakenBack};
use crate::fault::{Fault, FaultSource};
use crate::place::{Candidate, Member, Place};
use crate::release::ledger::{DigestOutcome, Ledger, PrefixError, short};
use crate::release::ledgers;

/// What an operator asks of the builder.
#[derive(Debug)]
pub(crate) struct PluginOrder {
    /// Name in the policy.
    pub(crate) name: String,
    pub(crate) verb: PluginVerb,
    /// Who asks.
    pub(crate) by: String,
    /// Hears what came of it.
    pub(crate) done: oneshot::Sender<Result<(), PluginOrderError>>,
}

/// What is to become of the plugin.
#[derive(Clone, Debug)]
pub(crate) enum PluginVerb {
    /// An earlier digest serves, and the folder's is held back.
    Rollback {
        /// The first letters of the digest; `None` = the one before.
        digest: Option<String>,
    },
    /// The digest on trial serves.
    Promote,
    /// The trial ends, and its digest is held back.
    Abort,
    /// The folder's digest may serve again.
    Release,
}

/// Why an order was not carried out. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginOrderError {
    /// No policy names it.
    #[error("no policy declares the plugin `{0}`")]
    Unknown(String),
    /// No such digest.
    #[error(transparent)]
    Digest(#[from] PrefixError),
    /// It is what serves.
    #[error("digest {0} of plugin `{1}` is what serves now")]
    Serves(String, String),
    /// It was over its budget.
    #[error(
        "digest {digest} of plugin `{name}` is quarantined: {reason}; put its file in the plugin folder and release it \
         to let it serve again"
    )]
    Quarantined {
        /// The plugin.
        name: String,
        /// The digest.
        digest: String,
        /// Why.
        reason: String,
    },
    /// It cannot serve any more.
    #[error("digest {digest} of plugin `{name}` can no longer serve: {reason}")]
    Unfit {
        /// The plugin.
        name: String,
        /// The digest.
        digest: String,
        /// Why.
        reason: String,
    },
    /// There is nothing to promote or abort.
    #[error("no digest of plugin `{0}` is on trial; a trial begins with a new file, if its release has a `trial`")]
    NoTrial(String),
    /// There is nothing to release.
    #[error("nothing of plugin `{0}` is held back or quarantined in the plugin folder")]
    NotHeld(String),
    /// It cannot be published, or not be kept for the next start.
    #[error("{0}")]
    Fault(String),
}

impl Builder {
    pub(super) async fn carry_out_plugin(&mut self, order: PluginOrder) {
        let PluginOrder { name, verb, by, done } = order;
        let came = match &verb {
            PluginVerb::Rollback { digest } => self.roll_plugin_back(&name, digest.as_deref(), &by).await,
            PluginVerb::Promote => self.promote(&name, &by).await,
            PluginVerb::Abort => self.abort(&name, &by).await,
            PluginVerb::Release => self.release_plugin(&name, &by).await,
        };
        if came.is_ok() {
            tracing::info!(plugin = name, ?verb, by, revision = *self.revision.borrow(), "order carried out");
        }
        // An error means that nobody waits any more.
        let _gone = done.send(came);
    }

    async fn roll_plugin_back(&mut self, name: &str, prefix: Option<&str>, by: &str) -> Result<(), PluginOrderError> {
        let (index, seat) = self.seat_of(name)?;
        let ledger = self.shared.ledgers.one(name);
        let wanted = match prefix {
            Some(prefix) => ledger.starting_with(prefix)?,
            None => ledger.before()?,
        };
        let digest = wanted.digest.clone();
        if seat.plugin().is_some_and(|plugin| plugin.key.digest == digest) {
            return Err(PluginOrderError::Serves(short(&digest).to_owned(), name.to_owned()));
        }
        if wanted.outcome == DigestOutcome::Quarantined {
            let reason = wanted.reason.clone().unwrap_or_default();
            let digest = short(&digest).to_owned();
            return Err(PluginOrderError::Quarantined { name: name.to_owned(), digest, reason });
        }
        let member = self.earlier(index, &digest).await.map_err(|fault| PluginOrderError::Unfit {
            name: name.to_owned(),
            digest: short(&digest).to_owned(),
            reason: fault.message,
        })?;
        let folder = self.shared.board.read().digests.remove(name);
        let serving = ledger.serving().filter(|serving| *serving != digest);
        let hold = folder.as_deref().or(serving).filter(|hold| *hold != digest);
        let reason = format!("rolled back to {}", short(&digest));
        let cause = Cause {
            reason: Some(&reason),
            taken_back: Some(TakenBack { name, digest: serving, outcome: DigestOutcome::RolledBack, hold }),
            must_be_kept: true,
            ..Cause::new(by)
        };
        self.reseat(index, Place::of(member), cause).await.map_err(|fault| PluginOrderError::Fault(fault.message))
    }

    async fn promote(&mut self, name: &str, by: &str) -> Result<(), PluginOrderError> {
        let (index, seat) = self.seat_of(name)?;
        let trial = seat.trial().ok_or_else(|| PluginOrderError::NoTrial(name.to_owned()))?;
        let place = Place::of(Member::Kept(Arc::clone(&trial.plugin)));
        let cause = Cause { reason: Some("promoted"), is_watched: true, must_be_kept: true, ..Cause::new(by) };
        self.reseat(index, place, cause).await.map_err(|fault| PluginOrderError::Fault(fault.message))
    }

    async fn abort(&mut self, name: &str, by: &str) -> Result<(), PluginOrderError> {
        let (index, seat) = self.seat_of(name)?;
        let (Some(plugin), Some(trial)) = (seat.plugin(), seat.trial()) else {
            return Err(PluginOrderError::NoTrial(name.to_owned()));
        };
        let digest = Some(trial.plugin.key.digest.as_str());
        let cause = Cause {
            reason: Some("its trial was aborted"),
            taken_back: Some(TakenBack { name, digest, outcome: DigestOutcome::RolledBack, hold: digest }),
            must_be_kept: true,
            ..Cause::new(by)
        };
        let place = Place::of(Member::Kept(Arc::clone(plugin)));
        self.reseat(index, place, cause).await.map_err(|fault| PluginOrderError::Fault(fault.message))
    }

    async fn release_plugin(&mut self, name: &str, by: &str) -> Result<(), PluginOrderError> {
        let mut ledger = self.shared.ledgers.one(name);
        if !self.shared.ledgers.knows(name) {
            self.seat_of(name)?;
        }
        let folder = self.shared.board.read().digests.remove(name);
        let held = ledger.hold().map(|hold| hold.digest.clone());
        let lets_go = |ledger: &mut Ledger, digest: Option<String>| digest.is_some_and(|digest| ledger.let_go(&digest));
        // Both: what is held back may not be what lies in the folder, if that cannot be loaded.
        let was_held = lets_go(&mut ledger, folder) | lets_go(&mut ledger, held);
        if !was_held {
            return Err(PluginOrderError::NotHeld(name.to_owned()));
        }
        let written = self.write_ledgers(BTreeMap::from([(name.to_owned(), ledger)]), true).await;
        written.map_err(|fault| PluginOrderError::Fault(fault.message))?;
        self.shared.board.set(FaultSource::Store, &ledgers::subject(name), None);
        tracing::info!(plugin = name, by, "digest released");
        let input = self.reader.read().await;
        self.build(input).await;
        Ok(())
    }

    /// The index of a plugin, and its seat as it serves.
    fn seat_of(&self, name: &str) -> Result<(usize, Seat), PluginOrderError> {
        let snapshot = self.shared.published.load().1;
        let index = snapshot.policy.plugins.iter().position(|spec| spec.name == name);
        let index = index.ok_or_else(|| PluginOrderError::Unknown(name.to_owned()))?;
        Ok((index, snapshot.seats[index].clone()))
    }

    /// The plugin of this index with a digest that served before, on the policy that serves.
    pub(super) async fn earlier(&self, index: usize, digest: &str) -> Result<Member, Box<Fault>> {
        let (assembler, ground) = (Arc::clone(&self.assembler), self.ground(BTreeMap::new()));
        let (policy, digest) = (Arc::clone(&self.shared.published.load().1.policy), digest.to_owned());
        let job = move || {
            let assembler = assembler.lock().unwrap_or_else(PoisonError::into_inner);
            assembler.earlier(&ground, &policy, index, &digest)
        };
        self.workshop.run(job).await.unwrap_or_else(|| {
            Err(Box::new(Fault::new(FaultSource::Plugin, "compile thread", "it failed; the log says how")))
        })
    }

    /// Publishes what serves with one place changed.
    pub(super) async fn reseat(&mut self, index: usize, place: Place, cause: Cause<'_>) -> Result<(), Box<Fault>> {
        let snapshot = self.shared.published.load().1;
        let mut places: Vec<Place> = snapshot.seats.iter().map(Place::kept).collect();
        places[index] = place;
        let candidate = Candidate { policy: Arc::clone(&snapshot.policy), sources: self.sources.clone(), places };
        drop(snapshot);
        self.publish(candidate, self.newest + 1, cause).await?;
        self.move_pin().await;
        Ok(())
    }

    /// The folder has these digests now: a hold on another one is over.
    pub(super) async fn end_holds(&self, digests: &BTreeMap<String, String>) {
        let mut ended = BTreeMap::new();
        for (name, digest) in digests {
            let mut ledger = self.shared.ledgers.one(name);
            ledger.saw(digest);
            ended.insert(name.clone(), ledger);
        }
        // What cannot be written is a fault on the board.
        let _shown = self.write_ledgers(ended, false).await;
    }
}
