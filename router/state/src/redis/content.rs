//! The last good content: what is served while the store is away, and what tells a change from a repetition.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_model::rollout::{Rollout, RolloutState};
use tokio::sync::watch;

use super::disk::Document;
use super::flag_sets::FlagSets;
use super::reader::Loaded;
use super::silences::Silences;
use crate::clock::now_ms;
use crate::event::{Event, SwitchValue};

/// Switches, rollouts, flag definitions, silences and the highest epoch seen.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) epoch: u64,
    pub(super) rollouts: BTreeMap<String, Rollout>,
    pub(super) flags: FlagSets,
    pub(super) silences: Silences,
    switches: BTreeMap<String, Switch>,
}

/// A switch as last told, and its last value that made sense.
#[derive(Debug)]
struct Switch {
    told: SwitchValue,
    good: Option<bool>,
}

/// The content, shared by the supervisor (which writes it) and writes (which look at it).
#[derive(Debug, Default)]
pub(super) struct Held {
    content: Mutex<Content>,
    arrivals: watch::Sender<()>,
}

impl Held {
    /// Hears of alerts that are new in their stream.
    pub(super) fn arrivals(&self) -> watch::Receiver<()> {
        self.arrivals.subscribe()
    }

    /// There are new alerts.
    pub(super) fn tell_arrival(&self) {
        self.arrivals.send_replace(());
    }

    /// Locked for a moment; never over an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// What was held before a restart.
    pub(super) fn from_disk(document: Document) -> Self {
        let Document { epoch, switches, rollouts, flags, silences, .. } = document;
        let switch = |on| Switch { told: SwitchValue::of(on), good: Some(on) };
        let switches = switches.into_iter().map(|(name, on)| (name, switch(on))).collect();
        let (flags, silences) = (FlagSets::from_disk(flags), Silences::from_disk(silences));
        Self { epoch, rollouts, flags, silences, switches }
    }

    /// True if no store was ever seen.
    pub(super) const fn holds_nothing(&self) -> bool {
        self.epoch == 0
    }

    /// True if what was loaded cannot be what the store held before: it was emptied, or went back.
    pub(super) fn is_lost_in(&self, loaded: &Loaded) -> bool {
        let older = loaded.epoch.is_none_or(|epoch| epoch < self.epoch);
        // Servers that register again raise the epoch of an emptied store; rollouts do not come back by themselves.
        let emptied = !self.rollouts.is_empty() && !self.rollouts.keys().any(|name| loaded.rollouts.contains_key(name));
        older || emptied
    }

    /// Rollouts that were loaded as they were before what we have: name, their epoch, ours. An abort wins a tie.
    pub(super) fn newer_than(&self, loaded: &Loaded) -> Vec<(String, u64, Rollout)> {
        let aborted = |rollout: &Rollout| rollout.state == RolloutState::Aborted;
        let newer = loaded.rollouts.iter().filter_map(|(name, theirs)| {
            let ours = self.rollouts.get(name)?;
            let wins = ours.epoch == theirs.epoch && aborted(ours) && !aborted(theirs);
            (ours.epoch > theirs.epoch || wins).then(|| (name.clone(), theirs.epoch, ours.clone()))
        });
        newer.collect()
    }

    /// Takes in a load that is not [lost](Self::is_lost_in); returns what differs.
    pub(super) fn take_over(&mut self, loaded: Loaded) -> Vec<Event> {
        self.epoch = self.epoch.max(loaded.epoch.unwrap_or_default());
        self.switches.retain(|name, _| loaded.switches.contains_key(name));
        let mut events = Vec::new();
        for (name, value) in loaded.switches {
            events.extend(self.apply_switch(&name, value));
        }
        for (name, rollout) in loaded.rollouts {
            events.extend(self.apply_rollout(&name, rollout));
        }
        events.extend(self.flags.take_over(loaded.flags));
        events.extend(loaded.silences.and_then(|silences| self.silences.apply(silences, now_ms())));
        events
    }

    /// Takes in a switch; `None` if nothing changed.
    pub(super) fn apply_switch(&mut self, name: &str, value: SwitchValue) -> Option<Event> {
        let known = self.switches.get(name);
        if known.is_some_and(|switch| switch.told == value) {
            return None;
        }
        let good = match &value {
            SwitchValue::On => Some(true),
            SwitchValue::Off => Some(false),
            SwitchValue::Missing => None,
            SwitchValue::Invalid(_) => known.and_then(|switch| switch.good),
        };
        self.switches.insert(name.to_owned(), Switch { told: value.clone(), good });
        Some(Event::Switch { name: name.to_owned(), value })
    }

    /// Takes in a rollout; `None` if nothing changed, or if it is older than what we have.
    pub(super) fn apply_rollout(&mut self, name: &str, rollout: Rollout) -> Option<Event> {
        if let Some(known) = self.rollouts.get(name) {
            if *known == rollout {
                return None;
            }
            if rollout.epoch < known.epoch {
                tracing::warn!(
                    rollout = name,
                    theirs = rollout.epoch,
                    ours = known.epoch,
                    "store holds an older rollout"
                );
                return None;
            }
        }
        self.rollouts.insert(name.to_owned(), rollout.clone());
        Some(Event::Rollout { name: name.to_owned(), rollout })
    }

    /// What is held of these switches, as first events.
    pub(super) fn switches<'a>(&self, names: impl Iterator<Item = &'a String>) -> Vec<Event> {
        let held = names.filter_map(|name| Some((name, self.switches.get(name)?)));
        held.map(|(name, switch)| Event::Switch { name: name.clone(), value: switch.told.clone() }).collect()
    }

    /// All rollouts, as first events.
    pub(super) fn rollouts(&self) -> Vec<Event> {
        let rollouts = self.rollouts.iter();
        rollouts.map(|(name, rollout)| Event::Rollout { name: name.clone(), rollout: rollout.clone() }).collect()
    }

    /// The last value of a switch that made sense.
    pub(super) fn good_switch(&self, name: &str) -> Option<bool> {
        self.switches.get(name).and_then(|switch| switch.good)
    }

    /// All switches that have such a value.
    pub(super) fn good_switches(&self) -> BTreeMap<String, bool> {
        self.switches.iter().filter_map(|(name, switch)| Some((name.clone(), switch.good?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::weight::BasisPoints;

    use super::*;

    fn rollout(epoch: u64) -> Rollout {
        Rollout { epoch, ..Rollout::initial(BasisPoints::FULL, "salt".into(), "test", 0) }
    }

    fn loaded(epoch: Option<u64>, rollouts: &[&str]) -> Loaded {
        let rollouts = rollouts.iter().map(|name| ((*name).to_owned(), rollout(1))).collect();
        Loaded { epoch, rollouts, ..Loaded::default() }
    }

    #[test]
    fn an_emptied_or_older_store_is_not_taken_over() {
        let mut content = Content::default();
        content.take_over(loaded(Some(5), &["demo"]));
        assert!(content.is_lost_in(&loaded(None, &[])));
        assert!(content.is_lost_in(&loaded(Some(4), &["demo"])));
        assert!(content.is_lost_in(&loaded(Some(9), &[])), "servers came back, rollouts did not");
        assert!(!content.is_lost_in(&loaded(Some(5), &["demo", "other"])));
    }

    #[test]
    fn a_store_that_went_back_is_told_from_one_that_went_on() {
        let mut content = Content::default();
        content.apply_rollout("demo", Rollout { state: RolloutState::Aborted, ..rollout(3) });
        let names = |epoch| {
            let loaded = Loaded { rollouts: [("demo".to_owned(), rollout(epoch))].into(), ..Loaded::default() };
            content.newer_than(&loaded).len()
        };
        assert_eq!((names(2), names(3), names(4)), (1, 1, 0), "an abort wins a tie");
        assert!(content.newer_than(&loaded(None, &[])).is_empty());
    }

    #[test]
    fn an_older_rollout_and_a_repetition_are_no_news() {
        let mut content = Content::default();
        assert!(content.apply_rollout("demo", rollout(3)).is_some());
        assert!(content.apply_rollout("demo", rollout(3)).is_none());
        assert!(content.apply_rollout("demo", rollout(2)).is_none());
        assert!(content.apply_rollout("demo", rollout(4)).is_some());
    }

    #[test]
    fn nonsense_keeps_the_last_good_value() {
        let mut content = Content::default();
        content.apply_switch("s", SwitchValue::On);
        assert!(content.apply_switch("s", SwitchValue::Invalid("x".into())).is_some());
        assert_eq!(content.good_switch("s"), Some(true));
        content.apply_switch("s", SwitchValue::Missing);
        assert_eq!(content.good_switch("s"), None);
    }
}
