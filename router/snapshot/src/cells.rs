//! Live cells: flags, rollouts and servers, which change without a new revision.
//!
//! One writer (control) applies what the store says; workers compare versions and read only what moved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sluice_model::flag::switch_text;

use crate::limiter::Limiters;
use crate::rollout::{RolloutCell, Variants};
use crate::servers::ServersCell;
use crate::upstream::UpstreamCell;

/// One value that plugins may be told of, under its logical key (`flag:NAME`, `flags:SET`, `rollout:NAME`).
#[derive(Debug)]
pub struct StateCell {
    key: String,
    version: AtomicU64,
    clock: Arc<AtomicU64>,
    text: RwLock<Option<Arc<str>>>,
}

impl StateCell {
    fn new(key: &str, clock: Arc<AtomicU64>) -> Self {
        Self { key: key.to_owned(), version: AtomicU64::new(0), clock, text: RwLock::new(None) }
    }

    /// The logical key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Moves with each change of the value.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The value as plugins get it (JSON text), with the version it has at least; `None` = the key does not exist.
    #[must_use]
    pub fn read(&self) -> (u64, Option<Arc<str>>) {
        let version = self.version();
        (version, self.text.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Replaces the value; the same value moves nothing.
    pub(crate) fn write(&self, value: Option<&str>) {
        {
            let mut text = self.text.write().unwrap_or_else(PoisonError::into_inner);
            if text.as_deref() == value {
                return;
            }
            *text = value.map(Arc::from);
        }
        self.version.fetch_add(1, Ordering::Release);
        self.clock.fetch_add(1, Ordering::Release);
    }
}

/// All live cells of the process. They outlive every snapshot.
#[derive(Debug, Default)]
pub struct Cells {
    clock: Arc<AtomicU64>,
    states: RwLock<BTreeMap<String, Arc<StateCell>>>,
    rollouts: RwLock<BTreeMap<String, Arc<RolloutCell>>>,
    servers: ServersCell,
    limiters: Limiters,
    upstreams: RwLock<BTreeMap<String, Arc<UpstreamCell>>>,
}

impl Cells {
    /// No flags, no rollouts, no servers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves with each change of any state cell: one load tells a worker that nothing changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.clock.load(Ordering::Acquire)
    }

    /// The cell of a logical state key, made empty if it is new.
    #[must_use]
    pub fn state(&self, key: &str) -> Arc<StateCell> {
        if let Some(cell) = self.states.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Arc::clone(cell);
        }
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        let cell =
            states.entry(key.to_owned()).or_insert_with(|| Arc::new(StateCell::new(key, Arc::clone(&self.clock))));
        Arc::clone(cell)
    }

    /// Applies a switch; `None` = the key is gone, which plugins read as off.
    pub fn apply_switch(&self, name: &str, value: Option<bool>) {
        self.state(&flag_key(name)).write(value.map(switch_text));
    }

    /// The value of a switch; `None` = no such key.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.state(&flag_key(name)).read().1.map(|text| &*text == switch_text(true))
    }

    /// All switches that were ever applied, by name.
    #[must_use]
    pub fn switches(&self) -> Vec<(String, Option<bool>)> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let names = states.keys().filter_map(|key| key.strip_prefix(FLAG_PREFIX));
        let names: Vec<String> = names.map(ToOwned::to_owned).collect();
        drop(states);
        names.into_iter().map(|name| (name.clone(), self.switch(&name))).collect()
    }

    /// Applies the document of a flag set; `None` = the set is gone. It is the caller's to know that plugins can live with
    /// it, as with a rollout.
    pub fn apply_flags(&self, set: &str, document: Option<&str>) {
        self.state(&flags_key(set)).write(document);
    }

    /// The document of a flag set, as plugins read it; `None` = no such set.
    #[must_use]
    pub fn flags(&self, set: &str) -> Option<Arc<str>> {
        self.state(&flags_key(set)).read().1
    }

    /// The cell of a rollout, made on first use; the variant names are those of its policy.
    #[must_use]
    pub fn rollout(&self, name: &str, variants: Variants) -> Arc<RolloutCell> {
        let state = self.state(&format!("rollout:{name}"));
        let mut rollouts = self.rollouts.write().unwrap_or_else(PoisonError::into_inner);
        let cell = rollouts.entry(name.to_owned()).or_insert_with(|| Arc::new(RolloutCell::new(name, state)));
        cell.set_variants(variants);
        Arc::clone(cell)
    }

    /// The cell of a rollout, if some policy declared it.
    #[must_use]
    pub fn find_rollout(&self, name: &str) -> Option<Arc<RolloutCell>> {
        self.rollouts.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All rollout cells, by name.
    #[must_use]
    pub fn rollouts(&self) -> Vec<Arc<RolloutCell>> {
        self.rollouts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What is known of the servers of an upstream, made on first use.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Arc<UpstreamCell> {
        let mut upstreams = self.upstreams.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(upstreams.entry(name.to_owned()).or_default())
    }

    /// What the limits of the routes have counted.
    #[must_use]
    pub const fn limiters(&self) -> &Limiters {
        &self.limiters
    }

    /// Forgets what is known of upstreams that nobody names any more.
    pub fn prune_upstreams(&self) {
        self.upstreams.write().unwrap_or_else(PoisonError::into_inner).retain(|_, cell| Arc::strong_count(cell) > 1);
    }

    /// The servers that hold a lease.
    #[must_use]
    pub const fn servers(&self) -> &ServersCell {
        &self.servers
    }
}

const FLAG_PREFIX: &str = "flag:";
const FLAGS_PREFIX: &str = "flags:";

fn flag_key(name: &str) -> String {
    format!("{FLAG_PREFIX}{name}")
}

/// The logical state key of a flag set.
#[must_use]
pub fn flags_key(set: &str) -> String {
    format!("{FLAGS_PREFIX}{set}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_moves_the_version_and_the_same_value_does_not() {
        let cells = Cells::new();
        let cell = cells.state("flag:featureFlags");
        let before = (cells.version(), cell.version());
        cells.apply_switch("featureFlags", Some(true));
        assert_eq!((cells.version(), cell.version()), (before.0 + 1, before.1 + 1));
        assert_eq!(cell.read().1.as_deref(), Some("true"));
        cells.apply_switch("featureFlags", Some(true));
        assert_eq!(cells.version(), before.0 + 1);
        cells.apply_switch("featureFlags", None);
        assert_eq!(cells.switch("featureFlags"), None);
    }

    #[test]
    fn a_flag_set_is_told_under_its_own_key() {
        let cells = Cells::new();
        assert_eq!(cells.flags("shop"), None);
        cells.apply_flags("shop", Some("{}"));
        assert_eq!(cells.state("flags:shop").read().1.as_deref(), Some("{}"));
        let before = cells.version();
        cells.apply_flags("shop", Some("{}"));
        assert_eq!(cells.version(), before, "the same document is no news");
        cells.apply_flags("shop", None);
        assert_eq!(cells.flags("shop"), None);
    }

    #[test]
    fn switches_lists_flags_only() {
        let cells = Cells::new();
        cells.apply_flags("shop", Some("{}"));
        cells.apply_switch("featureFlags", Some(false));
        let _cell = cells.rollout("demo", Variants::two("stable", "canary"));
        assert_eq!(cells.switches(), vec![("featureFlags".to_owned(), Some(false))]);
    }
}
