//! The sets of flag definitions as last told, and what is wrong with those that cannot be used.

use std::collections::BTreeMap;

use crate::event::{Event, FlagDocument};
use crate::store::FLAG_SETS_MAX;

/// What stands under the key of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A document, of whatever sense.
    Document(FlagDocument),
    /// Nothing.
    Missing,
    /// What can be none, because; the document before counts.
    Refused(String),
}

/// All sets.
#[derive(Debug, Default)]
pub(super) struct FlagSets {
    documents: BTreeMap<String, FlagDocument>,
    refused: BTreeMap<String, String>,
}

impl FlagSets {
    /// What was held before a restart.
    pub(super) const fn from_disk(documents: BTreeMap<String, FlagDocument>) -> Self {
        Self { documents, refused: BTreeMap::new() }
    }

    pub(super) const fn documents(&self) -> &BTreeMap<String, FlagDocument> {
        &self.documents
    }

    pub(super) fn has_room_for(&self, set: &str) -> bool {
        self.documents.len() < FLAG_SETS_MAX || self.documents.contains_key(set)
    }

    /// Takes in what stands there now; `None` if nothing changed.
    pub(super) fn apply(&mut self, set: &str, found: Found) -> Option<Event> {
        let document = match found {
            Found::Document(_) if !self.has_room_for(set) => {
                return self.refuse(set, format!("there are more than {FLAG_SETS_MAX} sets"));
            }
            Found::Refused(reason) => return self.refuse(set, reason),
            Found::Document(document) => Some(document),
            Found::Missing => None,
        };
        let was_refused = self.refused.remove(set).is_some();
        if !was_refused && self.documents.get(set) == document.as_ref() {
            return None;
        }
        match document.clone() {
            Some(document) => self.documents.insert(set.to_owned(), document),
            None => self.documents.remove(set),
        };
        Some(Event::Flags { set: set.to_owned(), document })
    }

    /// Takes in all that there are; returns what differs.
    pub(super) fn take_over(&mut self, mut loaded: BTreeMap<String, Found>) -> Vec<Event> {
        let known = self.documents.keys().chain(self.refused.keys()).cloned();
        for gone in known.collect::<Vec<_>>() {
            loaded.entry(gone).or_insert(Found::Missing);
        }
        // Those that are gone first: they make room.
        let (gone, here): (Vec<_>, Vec<_>) = loaded.into_iter().partition(|(_, found)| *found == Found::Missing);
        gone.into_iter().chain(here).filter_map(|(set, found)| self.apply(&set, found)).collect()
    }

    /// All of them, as first events.
    pub(super) fn events(&self) -> Vec<Event> {
        let document = |(set, document): (&String, &FlagDocument)| Event::Flags {
            set: set.clone(),
            document: Some(document.clone()),
        };
        let refused =
            |(set, reason): (&String, &String)| Event::FlagsRefused { set: set.clone(), reason: reason.clone() };
        self.documents.iter().map(document).chain(self.refused.iter().map(refused)).collect()
    }

    fn refuse(&mut self, set: &str, reason: String) -> Option<Event> {
        let is_new = !self.refused.contains_key(set);
        if self.refused.get(set) == Some(&reason) {
            return None;
        }
        tracing::warn!(set, reason, "flag definitions refused; those before count");
        // Whoever writes thousands of nonsensical sets is told of some of them.
        if is_new && self.refused.len() >= FLAG_SETS_MAX {
            return None;
        }
        self.refused.insert(set.to_owned(), reason.clone());
        Some(Event::FlagsRefused { set: set.to_owned(), reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Found {
        Found::Document(FlagDocument { text: text.into(), version: 2 })
    }

    fn is_gone(event: Option<&Event>) -> bool {
        matches!(event, Some(Event::Flags { document: None, .. }))
    }

    #[test]
    fn a_repetition_is_no_news_and_the_end_of_a_fault_is() {
        let mut sets = FlagSets::default();
        assert!(sets.apply("shop", document("1")).is_some());
        assert!(sets.apply("shop", document("1")).is_none());
        assert!(matches!(sets.apply("shop", Found::Refused("x".into())), Some(Event::FlagsRefused { .. })));
        assert!(sets.apply("shop", Found::Refused("x".into())).is_none());
        assert_eq!(&*sets.documents()["shop"].text, "1", "the one before counts");
        assert!(matches!(sets.apply("shop", document("1")), Some(Event::Flags { document: Some(_), .. })));
        assert!(is_gone(sets.apply("shop", Found::Missing).as_ref()));
        assert!(sets.apply("shop", Found::Missing).is_none());
    }

    #[test]
    fn a_set_that_never_made_sense_is_told_gone_too() {
        let mut sets = FlagSets::default();
        assert!(sets.apply("shop", Found::Refused("x".into())).is_some());
        assert!(is_gone(sets.take_over(BTreeMap::new()).first()));
    }

    #[test]
    fn sets_end_at_their_bound_and_one_that_goes_makes_room() {
        let mut sets = FlagSets::default();
        for n in 0..FLAG_SETS_MAX {
            assert!(matches!(sets.apply(&format!("set{n}"), document("1")), Some(Event::Flags { .. })));
        }
        assert!(matches!(sets.apply("one-more", document("1")), Some(Event::FlagsRefused { .. })));
        assert!(matches!(sets.apply("set0", document("2")), Some(Event::Flags { .. })));
        let mut loaded: BTreeMap<_, _> = sets.documents().keys().map(|set| (set.clone(), document("3"))).collect();
        loaded.remove("set0");
        loaded.insert("one-more".into(), document("3"));
        assert_eq!(sets.take_over(loaded).len(), FLAG_SETS_MAX + 1);
        assert!(sets.documents().contains_key("one-more"));
    }

    #[test]
    fn refusals_end_at_their_bound() {
        let mut sets = FlagSets::default();
        let told = (0..=FLAG_SETS_MAX).filter_map(|n| sets.apply(&n.to_string(), Found::Refused("x".into())));
        assert_eq!(told.count(), FLAG_SETS_MAX);
    }
}
