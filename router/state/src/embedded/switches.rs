//! Switches. Those that nobody follows keep their values in the file.

use sluice_model::flag::switch_text;

use super::state::{Done, State};
use super::tables::SWITCHES;
use crate::event::{Event, SwitchValue};
use crate::names::check_switch;
use crate::record::Record;

impl State {
    /// Follows these switches from now on; returns where the new ones stand.
    pub(super) fn watch_switches(&mut self, names: Vec<String>) -> Vec<Event> {
        let before = std::mem::replace(&mut self.watched, names);
        let new = self.watched.iter().filter(|name| !before.contains(name));
        new.map(|name| Event::Switch { name: name.clone(), value: self.switch(name) }).collect()
    }

    /// Sets a switch, or flips it: a missing one counts as off. Returns its new value.
    pub(super) fn write_switch(&mut self, name: &str, value: Option<bool>, record: Record, now_ms: u64) -> Done<bool> {
        check_switch(&self.watched, name)?;
        let old = self.switches.get(name).copied();
        let on = value.unwrap_or_else(|| !old.unwrap_or(false));
        let record = record.old(old.map(switch_text)).new_value(Some(switch_text(on)));
        let ((), logged) = self.commit_logged(&record, now_ms, |transaction| {
            transaction.open_table(SWITCHES)?.insert(name, on)?;
            Ok(())
        })?;
        self.switches.insert(name.to_owned(), on);
        Ok((on, vec![Event::Switch { name: name.to_owned(), value: SwitchValue::of(on) }, logged]))
    }

    fn switch(&self, name: &str) -> SwitchValue {
        self.switches.get(name).map_or(SwitchValue::Missing, |&on| SwitchValue::of(on))
    }
}
