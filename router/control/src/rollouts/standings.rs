//! What this router knows of how rollouts go on: written by the analysis, read by the handle.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_model::analysis::Judgement;

/// How one rollout goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Standing {
    /// The epoch of the rollout that this is about.
    pub(crate) epoch: u64,
    /// What it waits for, one line.
    pub(crate) waits_for: String,
    /// The newest judgements, oldest first.
    pub(crate) judgements: Vec<Judgement>,
    /// This router acts on them; otherwise another one of the fleet does.
    pub(crate) leads: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<BTreeMap<String, Standing>>);

impl Standings {
    /// How `rollout` goes on, if it has a plan.
    pub(crate) fn of(&self, rollout: &str) -> Option<Standing> {
        self.lock().get(rollout).cloned()
    }

    /// True if this changed what is known.
    pub(crate) fn set(&self, rollout: &str, standing: Standing) -> bool {
        let mut all = self.lock();
        let is_new = all.get(rollout) != Some(&standing);
        all.insert(rollout.to_owned(), standing);
        is_new
    }

    /// Forgets rollouts that have no plan any more.
    pub(crate) fn retain(&self, has_plan: impl Fn(&str) -> bool) {
        self.lock().retain(|rollout, _| has_plan(rollout));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
