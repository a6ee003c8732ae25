//! The live cell of one rollout, and the abort that works before anyone was asked.
//!
//! A worker that sees an offence sets the abort inside the plugin call; every worker's `pick` reads it with one load.
//! The store hears of it afterwards. Until the store has seen it, no older value read from there can undo it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_model::alert::AlertId;
use sluice_model::rollout::{Rollout, RolloutState};

pub use self::document::Variants;
use crate::cells::StateCell;

mod document;

/// An abort that the store has not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAbort {
    /// Id of the alert behind it.
    pub id: AlertId,
    /// One line for people.
    pub reason: String,
}

/// How many unconfirmed aborts are kept; more say nothing new, for the rollout is aborted already.
pub const PENDING_ABORTS_MAX: usize = 16;

/// The live cell of one rollout.
#[derive(Debug)]
pub struct RolloutCell {
    name: String,
    aborted: AtomicBool,
    state: Arc<StateCell>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    view: Option<Arc<Rollout>>,
    pending: Vec<PendingAbort>,
    variants: Variants,
    /// Plugins keep the document they have: they refused the one of this view.
    untold: bool,
}

impl RolloutCell {
    pub(crate) fn new(name: &str, state: Arc<StateCell>) -> Self {
        Self { name: name.to_owned(), aborted: AtomicBool::new(false), state, inner: Mutex::default() }
    }

    /// Name of the rollout.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True while nothing but stable may serve, whatever a plugin said.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// What the store last said; `None` before it said anything.
    #[must_use]
    pub fn view(&self) -> Option<Arc<Rollout>> {
        self.lock().view.clone()
    }

    /// The epoch at which the rollout last began to serve: alerts of one run are one alert.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.lock().view.as_ref().map_or(0, |view| view.run)
    }

    /// The variant that users in this slot belong to now; `None` before the store said anything.
    #[must_use]
    pub fn owner(&self, slot: u16) -> Option<String> {
        let inner = self.lock();
        let view = inner.view.as_ref()?;
        Some(document::owner(&inner.variants, view, self.is_aborted(), slot).to_owned())
    }

    /// Aborts at once and for every worker; true if this id is new. Called on the data path, only on an offence.
    pub fn abort(&self, id: &AlertId, reason: &str) -> bool {
        let mut inner = self.lock();
        let known = inner.pending.iter().any(|pending| pending.id == *id)
            || inner.view.as_ref().is_some_and(|view| view.seen_aborts.contains(id));
        if known {
            return false;
        }
        self.aborted.store(true, Ordering::Release);
        if inner.pending.len() < PENDING_ABORTS_MAX {
            inner.pending.push(PendingAbort { id: id.clone(), reason: reason.to_owned() });
        }
        self.tell_plugins(&inner);
        true
    }

    /// Aborts that the store has not confirmed, oldest first.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingAbort> {
        self.lock().pending.clone()
    }

    /// The document that plugins would read after [`Self::apply`]; `None` if it would change nothing.
    #[must_use]
    pub fn preview(&self, rollout: &Rollout) -> Option<String> {
        let inner = self.lock();
        if inner.is_newer_than(rollout) {
            return None;
        }
        let pending = inner.pending.iter().any(|pending| !rollout.seen_aborts.contains(&pending.id));
        Some(document::write(&inner.variants, rollout, pending || rollout.state == RolloutState::Aborted))
    }

    /// Applies what the store says. An older epoch than the one known changes nothing.
    pub fn apply(&self, rollout: Rollout) {
        self.take(rollout, false);
    }

    /// Like [`Self::apply`] for all that the host does by itself, aborts above all, but plugins keep what they read
    /// before: they cannot live with the new document.
    pub fn apply_untold(&self, rollout: Rollout) {
        self.take(rollout, true);
    }

    /// The store has taken this abort, or knew it before.
    pub fn confirm(&self, id: &AlertId) {
        let mut inner = self.lock();
        inner.pending.retain(|pending| pending.id != *id);
        self.settle(&inner);
    }

    pub(crate) fn set_variants(&self, variants: Variants) {
        let mut inner = self.lock();
        inner.variants = variants;
        self.tell_plugins(&inner);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, rollout: Rollout, untold: bool) {
        let mut inner = self.lock();
        if inner.is_newer_than(&rollout) {
            return;
        }
        inner.pending.retain(|pending| !rollout.seen_aborts.contains(&pending.id));
        inner.view = Some(Arc::new(rollout));
        inner.untold = untold;
        self.settle(&inner);
    }

    fn settle(&self, inner: &Inner) {
        let stored = inner.view.as_ref().is_some_and(|view| view.state == RolloutState::Aborted);
        self.aborted.store(stored || !inner.pending.is_empty(), Ordering::Release);
        self.tell_plugins(inner);
    }

    fn tell_plugins(&self, inner: &Inner) {
        if let (Some(view), false) = (&inner.view, inner.untold) {
            self.state.write(Some(&document::write(&inner.variants, view, self.is_aborted())));
        }
    }
}

impl Inner {
    fn is_newer_than(&self, rollout: &Rollout) -> bool {
        self.view.as_ref().is_some_and(|view| !rollout.counts_over(view))
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::rollout::{Applied, Command};
    use sluice_model::weight::BasisPoints;

    use super::*;
    use crate::cells::Cells;

    const NOW_MS: u64 = 1_000;

    fn quarter() -> Rollout {
        Rollout::initial(BasisPoints::new(2_500).unwrap(), "salt".to_owned(), "test", NOW_MS)
    }

    fn applied(rollout: &Rollout, command: &Command) -> Rollout {
        match rollout.apply(command, "test", NOW_MS).unwrap() {
            Applied::Changed(next) => next,
            Applied::Unchanged => rollout.clone(),
        }
    }

    fn abort(id: &AlertId) -> Command {
        Command::Abort { id: id.clone(), reason: "test".to_owned() }
    }

    #[test]
    fn a_local_abort_outlives_older_values_and_ends_with_a_resume_that_has_seen_it() {
        let cells = Cells::new();
        let cell = cells.rollout("demo", Variants::two("stable", "canary"));
        let running = quarter();
        cell.apply(running.clone());
        let id = AlertId::derive(&["one"]);
        assert!(cell.abort(&id, "too large"));
        assert!(!cell.abort(&id, "too large"), "the same abort is one abort");
        assert!(cell.is_aborted());

        let heavier = applied(&running, &Command::set_weight(BasisPoints::FULL));
        cell.apply(heavier.clone());
        assert!(cell.is_aborted(), "a value that has not seen the abort does not lift it");

        let aborted = applied(&heavier, &abort(&id));
        cell.apply(aborted.clone());
        assert!(cell.is_aborted() && cell.pending().is_empty());

        cell.apply(applied(&aborted, &Command::Resume));
        assert!(!cell.is_aborted());
        cell.apply(aborted);
        assert!(!cell.is_aborted(), "an older epoch changes nothing");
        assert!(!cell.abort(&id, "late duplicate"), "an abort that was resumed does not come back");
        assert!(!cell.is_aborted());
    }

    #[test]
    fn a_resume_lifts_only_the_aborts_it_has_seen() {
        let cells = Cells::new();
        let cell = cells.rollout("demo", Variants::two("stable", "canary"));
        let running = quarter();
        cell.apply(running.clone());
        let (first, second) = (AlertId::derive(&["one"]), AlertId::derive(&["two"]));
        cell.abort(&first, "one");
        let aborted = applied(&running, &abort(&first));
        cell.apply(aborted.clone());
        cell.abort(&second, "two");
        cell.apply(applied(&aborted, &Command::Resume));
        assert!(cell.is_aborted(), "the second abort is still on its way to the store");
        cell.confirm(&second);
        assert!(!cell.is_aborted());
    }

    #[test]
    fn of_two_changes_at_one_epoch_the_abort_counts() {
        let cells = Cells::new();
        let cell = cells.rollout("demo", Variants::two("stable", "canary"));
        let running = quarter();
        let (aborted, raised) = (
            applied(&running, &abort(&AlertId::derive(&["one"]))),
            applied(&running, &Command::set_weight(BasisPoints::FULL)),
        );
        assert_eq!(aborted.epoch, raised.epoch);
        cell.apply(aborted);
        cell.apply(raised);
        assert!(cell.is_aborted());
    }

    #[test]
    fn plugins_read_weight_zero_while_aborted() {
        let cells = Cells::new();
        let cell = cells.rollout("demo", Variants::two("stable", "canary"));
        cell.apply(quarter());
        let text = |cells: &Cells| cells.state("rollout:demo").read().1.unwrap().to_string();
        assert!(text(&cells).contains("\"weight_bps\":2500"));
        cell.abort(&AlertId::derive(&["one"]), "one");
        assert!(text(&cells).contains("\"weight_bps\":0"));
    }

    #[test]
    fn a_preview_is_what_plugins_read_afterwards() {
        let cells = Cells::new();
        let cell = cells.rollout("demo", Variants::two("stable", "canary"));
        let preview = cell.preview(&quarter()).unwrap();
        cell.apply(quarter());
        assert_eq!(cells.state("rollout:demo").read().1.as_deref(), Some(preview.as_str()));
        let id = AlertId::derive(&["one"]);
        cell.abort(&id, "one");
        assert!(cell.preview(&quarter()).unwrap().contains("\"weight_bps\":0"), "the abort still counts");
        cell.apply(applied(&quarter(), &abort(&id)));
        assert_eq!(cell.preview(&quarter()), None, "an older epoch changes nothing");
    }

    #[test]
    fn an_untold_abort_counts_for_the_host_alone() {
        let cells = Cells::new();
        let cell = cells.rollout("demo", Variants::two("stable", "canary"));
        cell.apply(quarter());
        let told = cells.state("rollout:demo").read().1;
        let aborted = applied(&quarter(), &abort(&AlertId::derive(&["one"])));
        cell.apply_untold(aborted.clone());
        assert!(cell.is_aborted());
        assert_eq!(cells.state("rollout:demo").read().1, told);
        cell.apply(aborted);
        assert_ne!(cells.state("rollout:demo").read().1, told);
    }

    #[test]
    fn pending_aborts_are_bounded() {
        let cells = Cells::new();
        let cell = cells.rollout("demo", Variants::two("stable", "canary"));
        for index in 0..=PENDING_ABORTS_MAX {
            cell.abort(&AlertId::derive(&[&index.to_string()]), "many");
        }
        assert_eq!(cell.pending().len(), PENDING_ABORTS_MAX);
        assert!(cell.is_aborted());
    }
}
