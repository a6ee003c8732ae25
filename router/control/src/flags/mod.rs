//! Flags as this router knows them: documents and switches out of the store become one [`FlagBook`], and what is wrong
//! with them becomes faults.
//!
//! `apply` hands over what the store says; the `gate` asks first whether plugins can live with it. A document that is no
//! flag definition changes nothing: the one before goes on, and the fault says line and column. `changes` tells who changed
//! what, `edit` writes one flag of a document, `watching` has the switches followed that plugins read.

pub(crate) mod book;
pub(crate) mod changes;
pub(crate) mod diff;
pub(crate) mod edit;
mod faults;
pub(crate) mod watching;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_flagd::FlagSet;
use sluice_state::FlagDocument;
use tokio::sync::watch;

use crate::board::Board;
use crate::fault::{Fault, FaultSource};
use book::{Definition, FlagBook};
use faults::{of_content, of_document, of_flag, shadowed};

/// Logical state keys of switches begin so.
pub(crate) const FLAG_PREFIX: &str = "flag:";
/// Logical state keys of sets begin so, and what faults name as their file.
pub(crate) const FLAGS_PREFIX: &str = "flags:";

/// Faults of flags that are shown: whoever has more sees the rest when these are gone. To find the place of one, its
/// document is read through.
const FAULTS_SHOWN_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Flags {
    board: Arc<Board>,
    inner: Mutex<Inner>,
    book: watch::Sender<Arc<FlagBook>>,
}

#[derive(Debug, Default)]
struct Inner {
    sets: BTreeMap<String, Arc<Definition>>,
    switches: BTreeMap<String, Option<bool>>,
    /// Documents that are no flag definitions, by set.
    refused: BTreeMap<String, Fault>,
    documents_refused: u64,
}

/// What is counted of flags since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagCounts {
    /// Documents that were no flag definition.
    pub documents_refused: u64,
    /// Changes of flags and sets that stand in the audit log.
    pub changes_by_routers: u64,
    /// Those that do not: a client of the store made them.
    pub changes_by_clients: u64,
}

impl Flags {
    /// No sets yet, and these switches, of which the store has said nothing yet.
    pub(crate) fn new(board: &Arc<Board>, switches: &[String]) -> Self {
        let flags = Self {
            board: Arc::clone(board),
            inner: Mutex::default(),
            book: watch::Sender::new(Arc::new(FlagBook::empty())),
        };
        flags.follow_switches(switches);
        flags
    }

    /// The book of this moment.
    pub(crate) fn book(&self) -> Arc<FlagBook> {
        Arc::clone(&self.book.borrow())
    }

    /// Is told of each new book.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<FlagBook>> {
        self.book.subscribe()
    }

    /// How many documents were no flag definition.
    pub(crate) fn documents_refused(&self) -> u64 {
        self.lock().documents_refused
    }

    /// Compiles a document, or raises the fault of it; the set that serves stays then. Blocking, for a large one.
    pub(crate) fn read(&self, set: &str, document: &FlagDocument) -> Option<Arc<Definition>> {
        let known = self.lock().sets.get(set).filter(|known| known.text == document.text).cloned();
        let compiled =
            known.map_or_else(|| FlagSet::compile(&document.text).map(Arc::new), |same| Ok(Arc::clone(&same.flags)));
        let mut inner = self.lock();
        match compiled {
            Ok(flags) => {
                if inner.refused.remove(set).is_some() {
                    self.show(&inner);
                }
                Some(Arc::new(Definition {
                    name: set.to_owned(),
                    text: Arc::clone(&document.text),
                    version: document.version,
                    digest: Definition::digest(&document.text),
                    flags,
                }))
            }
            Err(fault) => {
                let serves = inner.sets.contains_key(set);
                inner.refused.insert(set.to_owned(), of_document(set, &document.text, &fault, serves));
                inner.documents_refused += 1;
                self.show(&inner);
                None
            }
        }
    }

    /// What stands where the document of a set is expected is none.
    pub(crate) fn refuse(&self, set: &str, reason: &str) {
        let mut inner = self.lock();
        let serves = inner.sets.contains_key(set);
        inner.refused.insert(set.to_owned(), of_content(set, reason, serves));
        inner.documents_refused += 1;
        self.show(&inner);
    }

    /// The set changes, or goes.
    pub(crate) fn apply_set(&self, set: &str, definition: Option<Arc<Definition>>) {
        let mut inner = self.lock();
        match definition {
            Some(definition) => inner.sets.insert(set.to_owned(), definition),
            None => {
                inner.refused.remove(set);
                inner.sets.remove(set)
            }
        };
        self.publish(&inner, true);
    }

    /// A switch changes.
    pub(crate) fn apply_switch(&self, name: &str, value: Option<bool>) {
        let mut inner = self.lock();
        let is_new = inner.switches.insert(name.to_owned(), value).is_none();
        self.publish(&inner, is_new);
    }

    /// These switches are followed, and no others.
    pub(crate) fn follow_switches(&self, followed: &[String]) {
        let mut inner = self.lock();
        inner.switches.retain(|name, _| followed.contains(name));
        for name in followed {
            inner.switches.entry(name.clone()).or_default();
        }
        self.publish(&inner, true);
    }

    fn publish(&self, inner: &Inner, keys_moved: bool) {
        let before = self.book();
        let book = before.next(inner.sets.values().cloned().collect(), inner.switches.clone(), keys_moved);
        if keys_moved {
            self.show(inner);
        }
        self.book.send_if_modified(|current| {
            // A document of a new version may say the same.
            let moved = current.generation() != book.generation();
            *current = Arc::new(book);
            moved
        });
    }

    /// Shows the faults that stand, the worst first; of very many the first ones.
    fn show(&self, inner: &Inner) {
        let sets = || inner.sets.values().map(AsRef::as_ref);
        let of_flags =
            sets().flat_map(|set: &Definition| set.flags.flag_faults().iter().map(|fault| of_flag(set, fault)));
        let all = inner.refused.values().cloned().chain(of_flags).chain(shadowed(sets(), &inner.switches));
        self.board.replace(&[FaultSource::Flag], all.take(FAULTS_SHOWN_MAX).collect());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(flags: &serde_json::Value) -> FlagDocument {
        FlagDocument { text: json!({ "flags": flags }).to_string().into(), version: 1 }
    }

    fn flags() -> (Arc<Board>, Flags) {
        let board = Arc::new(Board::new("embedded"));
        let flags = Flags::new(&board, &["featureFlags".to_owned()]);
        (board, flags)
    }

    fn put(flags: &Flags, set: &str, document: &FlagDocument) {
        if let Some(definition) = flags.read(set, document) {
            flags.apply_set(set, Some(definition));
        }
    }

    #[test]
    fn a_document_that_makes_no_sense_leaves_the_one_before_and_is_a_fault_until_it_goes() {
        let (board, flags) = flags();
        let good = document(&json!({"a": {"state": "ENABLED", "variants": {"on": true}}}));
        put(&flags, "shop", &good);
        let generation = flags.book().generation();
        put(&flags, "shop", &FlagDocument { text: "{".into(), version: 2 });
        assert!(flags.book().find("a").is_some() && flags.book().generation() == generation);
        let fault = board.read().faults.remove(0);
        assert_eq!((fault.subject.as_str(), fault.line), ("flags:shop", Some(1)));
        assert!(fault.message.ends_with("the document before counts"), "{fault}");
        flags.refuse("other", "no string");
        assert_eq!((board.read().faults.len(), flags.documents_refused()), (2, 2));
        put(&flags, "shop", &good);
        flags.apply_set("other", None);
        assert_eq!((board.read().faults, flags.book().generation()), (Vec::new(), generation));
    }

    #[test]
    fn switches_are_known_before_the_store_has_said_anything() {
        let (_, flags) = flags();
        assert_eq!(flags.book().find("featureFlags").map(|entry| entry.switch), Some(None));
        flags.apply_switch("featureFlags", Some(true));
        flags.follow_switches(&["beta".to_owned()]);
        assert!(flags.book().find("featureFlags").is_none() && flags.book().find("beta").is_some());
    }

    #[test]
    fn faults_that_are_shown_are_bounded() {
        let (board, flags) = flags();
        let many = |count: usize| {
            let flag = json!({"state": "ENABLED", "variants": {"on": true}, "targeting": {"no": 1}});
            let all = (0..count).map(|index| (index.to_string(), flag.clone()));
            document(&serde_json::Value::Object(all.collect()))
        };
        for (count, shown) in [(FAULTS_SHOWN_MAX, FAULTS_SHOWN_MAX), (FAULTS_SHOWN_MAX + 1, FAULTS_SHOWN_MAX)] {
            put(&flags, "shop", &many(count));
            assert_eq!(board.read().faults.len(), shown, "of {count}");
        }
    }

    #[test]
    fn a_key_in_two_places_is_a_fault_of_the_later_one() {
        let (board, flags) = flags();
        let both = document(&json!({"x": {"state": "ENABLED", "variants": {"on": true}}}));
        put(&flags, "a", &both);
        put(&flags, "b", &both);
        let own = document(&json!({"featureFlags": {"state": "ENABLED", "variants": {"on": true}}}));
        put(&flags, "c", &own);
        let told: Vec<(String, String)> =
            board.read().faults.into_iter().map(|fault| (fault.subject, fault.message)).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].0 == "flags:b/x" && told[0].1.contains("the set `a` too"), "{told:?}");
        assert!(told[1].0 == "flags:c/featureFlags" && told[1].1.contains("the switch counts"), "{told:?}");
    }
}
