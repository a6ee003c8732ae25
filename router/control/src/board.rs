//! The board: what control knows of itself, written by its tasks, read by the handle.
//!
//! A fault is logged once when it appears and once when it goes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_snapshot::PluginKey;
use tokio::sync::broadcast;

use crate::clock::now_ms;
use crate::fault::{FAULTS_MAX, Fault, FaultSource};
use crate::history::Pinned;
use crate::plugin_info::PluginInfo;
use crate::release::course::Course;
use crate::status::{Reloads, StoreStatus};

/// Changes that a slow listener may miss before it is told that it missed some; it reads everything anew anyway.
const CHANGES_WAITING_MAX: usize = 16;

/// Shared by all tasks of control.
#[derive(Debug)]
pub(crate) struct Board {
    changes: broadcast::Sender<()>,
    content: Mutex<Content>,
}

/// What stands on it.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) faults: Vec<Fault>,
    pub(crate) store: StoreStatus,
    pub(crate) reloads: Reloads,
    pub(crate) published_ms: u64,
    /// What is known of the plugins of the current snapshot, and of the one before.
    pub(crate) dossiers: BTreeMap<PluginKey, Dossier>,
    /// Trials and watches that are on their way, by name of the plugin.
    pub(crate) courses: BTreeMap<String, Course>,
    /// Digest of the file of each plugin in the folder, as the last build saw it, by name of the plugin.
    pub(crate) digests: BTreeMap<String, String>,
    /// What the last build saw in the plugin folder that does not serve, or should not.
    pub(crate) plugins: Vec<PluginInfo>,
    pub(crate) alerts_dropped: u64,
    /// What holds the files back.
    pub(crate) pinned: Option<Pinned>,
}

/// What is shown of a plugin beside what its snapshot knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dossier {
    /// Linear memory of a fresh instance.
    pub(crate) memory_bytes: usize,
    /// How often this name was loaded.
    pub(crate) generation: u64,
}

impl Board {
    pub(crate) fn new(store_kind: &'static str) -> Self {
        let (changes, _) = broadcast::channel(CHANGES_WAITING_MAX);
        let store = StoreStatus::new(store_kind, now_ms());
        let content = Content {
            faults: Vec::new(),
            store,
            reloads: Reloads::default(),
            published_ms: 0,
            dossiers: BTreeMap::new(),
            courses: BTreeMap::new(),
            digests: BTreeMap::new(),
            plugins: Vec::new(),
            alerts_dropped: 0,
            pinned: None,
        };
        Self { changes, content: Mutex::new(content) }
    }

    /// A copy of everything.
    pub(crate) fn read(&self) -> Content {
        self.lock().clone()
    }

    /// Is told of each change.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<()> {
        self.changes.subscribe()
    }

    /// Says that something that a page shows has changed.
    pub(crate) fn touch(&self) {
        // An error means that nobody listens.
        let _listeners = self.changes.send(());
    }

    /// Changes what stands there, other than faults.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.lock());
        self.touch();
    }

    /// Replaces all faults of these sources; true if any came or went.
    pub(crate) fn replace(&self, sources: &[FaultSource], faults: Vec<Fault>) -> bool {
        self.exchange(|fault| sources.contains(&fault.source), faults)
    }

    /// Raises, changes or clears the one fault of a subject.
    pub(crate) fn set(&self, source: FaultSource, subject: &str, message: Option<String>) {
        let fault = message.map(|message| Fault::new(source, subject, message));
        self.exchange(|fault| fault.source == source && fault.subject == subject, Vec::from_iter(fault));
    }

    /// True while what this router has is what the store has.
    pub(crate) fn is_store_connected(&self) -> bool {
        self.lock().store.connected
    }

    /// True while a fault of this source stands.
    pub(crate) fn has(&self, source: FaultSource) -> bool {
        self.lock().faults.iter().any(|fault| fault.source == source)
    }

    fn exchange(&self, replaces: impl Fn(&Fault) -> bool, mut next: Vec<Fault>) -> bool {
        let mut content = self.lock();
        let (old, kept): (Vec<Fault>, Vec<Fault>) = content.faults.drain(..).partition(replaces);
        next.truncate(FAULTS_MAX.saturating_sub(kept.len()));
        let now_ms = now_ms();
        for fault in &mut next {
            fault.since_ms = old.iter().find(|known| known.is_same(fault)).map_or(now_ms, |known| known.since_ms);
        }
        let is_new = |fault: &&Fault| !old.iter().any(|known| known.is_same(fault));
        let raised: Vec<Fault> = next.iter().filter(is_new).cloned().collect();
        let stands = |known: &Fault| next.iter().any(|fault| known.is_about(fault));
        let cleared: Vec<Fault> = old.iter().filter(|known| !stands(known)).cloned().collect();
        let moved = !raised.is_empty() || old.len() != next.len();
        content.faults = kept;
        content.faults.extend(next);
        drop(content);
        raised.iter().for_each(log_raised);
        cleared.iter().for_each(log_cleared);
        if moved {
            self.touch();
        }
        moved
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_raised(fault: &Fault) {
    let Fault { source, subject, message, file, line, column, hint, .. } = fault;
    tracing::warn!(source = source.as_str(), subject, file, line, column, reason = message, hint, "fault raised");
}

fn log_cleared(fault: &Fault) {
    let Fault { source, subject, message, .. } = fault;
    tracing::info!(source = source.as_str(), subject, reason = message, "fault cleared");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(subject: &str, message: &str) -> Fault {
        Fault::new(FaultSource::Policy, subject, message)
    }

    #[test]
    fn a_fault_that_stays_keeps_its_beginning_and_tells_nobody_again() {
        let board = Board::new("embedded");
        board.replace(&[FaultSource::Policy], vec![fault("a", "x")]);
        board.update(|content| content.faults[0].since_ms = 7);
        let mut changes = board.subscribe();
        board.replace(&[FaultSource::Policy], vec![fault("a", "x")]);
        assert_eq!(board.read().faults[0].since_ms, 7);
        assert!(changes.try_recv().is_err());
        board.replace(&[FaultSource::Policy], vec![fault("a", "y")]);
        assert_ne!(board.read().faults[0].since_ms, 7);
        assert!(changes.try_recv().is_ok());
    }

    #[test]
    fn sources_and_subjects_do_not_touch_each_other() {
        let board = Board::new("embedded");
        board.replace(&[FaultSource::Policy], vec![fault("a", "x")]);
        board.set(FaultSource::State, "flag:a", Some("no".to_owned()));
        board.set(FaultSource::State, "flag:b", Some("no".to_owned()));
        board.set(FaultSource::State, "flag:a", None);
        let subjects: Vec<String> = board.read().faults.into_iter().map(|fault| fault.subject).collect();
        assert_eq!(subjects, ["a", "flag:b"]);
        assert!(board.has(FaultSource::Policy) && !board.has(FaultSource::Store));
    }

    #[test]
    fn faults_are_bounded() {
        let board = Board::new("embedded");
        let many = (0..=FAULTS_MAX).map(|index| fault(&index.to_string(), "x")).collect();
        board.replace(&[FaultSource::Policy], many);
        assert_eq!(board.read().faults.len(), FAULTS_MAX);
    }
}
