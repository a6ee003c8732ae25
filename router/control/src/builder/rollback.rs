//! Going back: an operator's order, carried out by the builder between two builds.
//!
//! The files stay the operator's input and are not touched. A rollback publishes what an earlier revision was made of
//! under a new number, and pins it: the files count again once their content differs from what it was at that moment, or
//! when the operator unpins. The pin is kept, so a restart serves the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::plugins::PluginOrder;
use super::publish::{BY_REVISION, Cause};
use super::{Builder, HISTORY_SUBJECT};
use crate::assemble::Assembly;
use crate::clock::now_ms;
use crate::fault::{Fault, FaultSource, chain};
use crate::history::{Pin, Pinned, Record};
use crate::input::Input;
use crate::place::{Candidate, Member, Place};
use crate::release::ledger::short;

/// Orders that wait for the builder; an operator gives one at a time.
pub(crate) const ORDERS_WAITING_MAX: usize = 4;

/// How faults call the pin.
pub(super) const PIN_SUBJECT: &str = "pin";

/// What an operator asks of the builder.
#[derive(Debug)]
pub(crate) enum Order {
    /// Serve what this revision was made of.
    Rollback {
        /// The revision.
        revision: u64,
        /// Hears what came of it.
        done: oneshot::Sender<Result<Pinned, RollbackError>>,
    },
    /// Let the files count again.
    Unpin {
        /// Hears which revision serves, and whether the files took over.
        done: oneshot::Sender<Result<Unpinned, RollbackError>>,
    },
    /// Decide on a plugin's digest.
    Plugin(PluginOrder),
}

/// What came of an unpin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unpinned {
    /// The revision that serves now.
    pub revision: u64,
    /// True if the files serve; false if they are at fault, and what was pinned goes on as the last good revision.
    pub files_serve: bool,
}

/// Why an order was not carried out. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RollbackError {
    /// No such revision is kept.
    #[error("revision {0} is not kept; kept are {1}")]
    Unknown(u64, String),
    /// It is what serves.
    #[error("revision {0} is what serves now")]
    Serves(u64),
    /// What it was made of makes no revision any more.
    #[error("revision {0} no longer builds: {1}")]
    Faults(u64, String),
    /// Nothing is pinned.
    #[error("nothing is pinned: the files serve, or their last good revision")]
    NotPinned,
    /// The disk does not take it.
    #[error("cannot be kept for the next start, so it was not done: {0}")]
    NotKept(String),
}

impl Builder {
    pub(super) async fn carry_out(&mut self, order: Order) {
        // An error means that nobody waits any more.
        match order {
            Order::Rollback { revision, done } => {
                let _gone = done.send(self.roll_back(revision).await);
            }
            Order::Unpin { done } => {
                let _gone = done.send(self.unpin().await);
            }
            Order::Plugin(order) => self.carry_out_plugin(order).await,
        }
    }

    async fn roll_back(&mut self, revision: u64) -> Result<Pinned, RollbackError> {
        let history = &self.shared.history;
        let record = history.find(revision).ok_or_else(|| RollbackError::Unknown(revision, self.kept_numbers()))?;
        if history.newest().is_some_and(|newest| newest.manifest.is_same_input(&record.manifest)) {
            return Err(RollbackError::Serves(revision));
        }
        let files = self.read_with_digests().await.1;
        let candidate = self.assemble_kept(&record).await.map_err(|faults| {
            let reasons: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
            RollbackError::Faults(revision, reasons.join("; "))
        })?;
        let pinned = Pinned {
            to: revision,
            published_as: self.newest + 1,
            since_ms: now_ms(),
            differing: differing(&record, &files),
        };
        let pin = Pin::new(pinned.clone(), files);
        // First, so that a rollback that was confirmed is one after a restart too.
        self.keep_pin(Some(&pin)).await.map_err(RollbackError::NotKept)?;
        let cause = Cause { rollback_of: Some(revision), ..Cause::new(BY_REVISION) };
        if let Err(fault) = self.publish(candidate, pinned.published_as, cause).await {
            let before = self.pin.clone();
            // What stands on disk otherwise: a pin to a revision that was never published, which a start ignores.
            let _unlikely = self.keep_pin(before.as_ref()).await;
            return Err(RollbackError::Faults(revision, fault.message));
        }
        tracing::info!(to = revision, revision = pinned.published_as, "rolled back, the files wait");
        self.set_pin(Some(pin));
        Ok(pinned)
    }

    async fn unpin(&mut self) -> Result<Unpinned, RollbackError> {
        if self.pin.is_none() {
            return Err(RollbackError::NotPinned);
        }
        self.keep_pin(None).await.map_err(RollbackError::NotKept)?;
        self.set_pin(None);
        tracing::info!("unpinned, the files count again");
        let input = self.reader.read().await;
        let files_serve = self.build(input).await;
        Ok(Unpinned { revision: *self.revision.borrow(), files_serve })
    }

    /// Serves the pinned revision at the start, if the files are what they were when it was pinned.
    pub(super) async fn start_pinned(&mut self, pin: Pin) -> bool {
        if self.read_with_digests().await.1 != pin.files {
            self.release().await;
            return false;
        }
        let Some(record) = self.shared.history.find(pin.pinned.published_as) else {
            self.release().await;
            return false;
        };
        let published = match self.assemble_kept(&record).await {
            Ok(candidate) => {
                let cause = Cause { rollback_of: Some(pin.pinned.to), ..Cause::new(BY_REVISION) };
                let published = self.publish(candidate, self.newest + 1, cause).await;
                published.map_err(|fault| vec![*fault])
            }
            Err(faults) => Err(faults),
        };
        match published {
            Ok(()) => {
                self.set_pin(Some(pin));
                true
            }
            Err(faults) => {
                let reason = faults.first().map(|fault| fault.message.as_str()).unwrap_or_default();
                let message =
                    format!("the pinned revision {} cannot be served, so the files count: {reason}", pin.pinned.to);
                self.release().await;
                self.shared.board.set(FaultSource::Store, PIN_SUBJECT, Some(message));
                false
            }
        }
    }

    /// True while a revision is pinned and the files are what they were then.
    pub(super) async fn is_held(&self, input: &Input) -> bool {
        let Some(pin) = &self.pin else { return false };
        let (input, files) = (input.clone(), pin.files.clone());
        self.tasks.blocking(move || input.digests() == files).await.unwrap_or_default()
    }

    /// The files took over: nothing is pinned any more.
    pub(super) async fn release(&mut self) {
        let failure = self.keep_pin(None).await.err();
        self.shared.board.set(FaultSource::Store, PIN_SUBJECT, failure);
        if self.pin.is_some() {
            tracing::info!("the files have changed and take over from the pinned revision");
            self.set_pin(None);
        }
    }

    fn set_pin(&mut self, pin: Option<Pin>) {
        let pinned = pin.as_ref().map(|pin| pin.pinned.clone());
        self.pin = pin;
        self.shared.board.update(|content| content.pinned = pinned);
    }

    async fn keep_pin(&self, pin: Option<&Pin>) -> Result<(), String> {
        let (shared, pin) = (Arc::clone(&self.shared), pin.cloned());
        let written = self.tasks.blocking(move || shared.history.set_pin(pin.as_ref())).await;
        written.unwrap_or(Ok(())).map_err(|error| chain(&error))
    }

    async fn assemble_kept(&self, record: &Record) -> Result<Candidate, Vec<Fault>> {
        let input = self.last_good.input(&record.manifest);
        let Assembly { candidate, faults, .. } = self.assemble(input, BTreeMap::new()).await;
        let candidate = candidate.ok_or(faults)?;
        let quarantined = |member: &Member| {
            let key = &member.plugin().key;
            let hold = self.shared.ledgers.one(&key.name).held(&key.digest).filter(|hold| hold.is_quarantined)?;
            let message = format!("digest {} is quarantined: {}", short(&key.digest), hold.reason);
            Some(Fault::new(FaultSource::Plugin, &key.name, message))
        };
        let faults: Vec<Fault> = candidate.places.iter().flat_map(Place::members).filter_map(quarantined).collect();
        if faults.is_empty() { Ok(candidate) } else { Err(faults) }
    }

    /// While a revision is pinned, what serves now is what a restart has to serve.
    pub(super) async fn move_pin(&mut self) {
        let Some(mut pin) = self.pin.take() else { return };
        pin.pinned.published_as = *self.revision.borrow();
        let failure = self.keep_pin(Some(&pin)).await.err();
        self.shared.board.set(FaultSource::Store, PIN_SUBJECT, failure);
        self.set_pin(Some(pin));
    }

    /// The pin that an earlier process left, if it can be read.
    pub(super) async fn pin_on_disk(&self) -> Option<Pin> {
        let shared = Arc::clone(&self.shared);
        match self.tasks.blocking(move || shared.history.pin()).await? {
            Ok(pin) => pin,
            Err(error) => {
                self.shared.board.set(FaultSource::Store, HISTORY_SUBJECT, Some(chain(&error)));
                None
            }
        }
    }

    /// What is in the folders, and the digest of each file.
    async fn read_with_digests(&self) -> (Input, BTreeMap<String, String>) {
        let input = self.reader.read().await;
        let digests = move || {
            let digests = input.digests();
            (input, digests)
        };
        self.tasks.blocking(digests).await.unwrap_or_default()
    }

    fn kept_numbers(&self) -> String {
        let range = |known: &crate::history::Revision| match known.first_revision {
            first if first == known.revision => first.to_string(),
            first => format!("{first}-{}", known.revision),
        };
        let numbers: Vec<String> = self.shared.history.list().iter().map(range).collect();
        numbers.join(", ")
    }
}

/// Files on disk that are not what the revision was made of.
fn differing(record: &Record, files: &BTreeMap<String, String>) -> Vec<String> {
    let own = record.manifest.digests();
    let mut names: Vec<String> =
        own.iter().filter(|(name, digest)| files.get(*name) != Some(digest)).map(|(name, _)| name.clone()).collect();
    // A plugin file that the revision does not use is no difference.
    let unknown = files.keys().filter(|name| !own.contains_key(*name) && name.ends_with(".toml"));
    names.extend(unknown.cloned());
    names
}
