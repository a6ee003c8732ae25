//! Rollouts: the model says what comes next, the file keeps it.

use sluice_model::audit::Author;
use sluice_model::rollout::{Applied, Command, Rollout};

use super::state::{Done, State};
use super::tables::ROLLOUTS;
use crate::error::StoreError;
use crate::event::Event;
use crate::record::{Record, rollout_text};
use crate::store::ROLLOUTS_MAX;

impl State {
    pub(super) fn ensure_rollout(&mut self, name: &str, initial: Rollout, now_ms: u64) -> Done<Rollout> {
        if let Some(rollout) = self.rollouts.get(name) {
            return Ok((rollout.clone(), Vec::new()));
        }
        if self.rollouts.len() >= ROLLOUTS_MAX {
            return Err(StoreError::Full { what: "rollouts", max: ROLLOUTS_MAX });
        }
        let by = initial.by.clone();
        self.write_rollout(name, initial, &by, now_ms)
    }

    pub(super) fn apply_rollout(
        &mut self,
        name: &str,
        command: &Command,
        author: Author<'_>,
        now_ms: u64,
    ) -> Done<Rollout> {
        let rollout = self.rollouts.get(name).ok_or_else(|| StoreError::NotFound(name.to_owned()))?;
        match rollout.apply(command, author, now_ms)? {
            Applied::Unchanged => Ok((rollout.clone(), Vec::new())),
            Applied::Changed(next) => self.write_rollout(name, next, author.by, now_ms),
        }
    }

    fn write_rollout(&mut self, name: &str, rollout: Rollout, by: &str, now_ms: u64) -> Done<Rollout> {
        let text = serde_json::to_string(&rollout)?;
        let old = self.rollouts.get(name).map(rollout_text);
        let record = Record::new(Author { by, reason: &rollout.reason }, format!("rollout:{name}"))
            .old(old.as_deref())
            .new_value(Some(&rollout_text(&rollout)));
        let ((), logged) = self.commit_logged(&record, now_ms, |transaction| {
            transaction.open_table(ROLLOUTS)?.insert(name, &*text)?;
            Ok(())
        })?;
        self.rollouts.insert(name.to_owned(), rollout.clone());
        Ok((rollout.clone(), vec![Event::Rollout { name: name.to_owned(), rollout }, logged]))
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::weight::BasisPoints;

    use super::*;
    use crate::embedded::state::fresh;
    use crate::embedded::tables::Content;

    #[test]
    fn rollouts_end_at_their_bound() {
        let rollout = Rollout::initial(BasisPoints::FULL, String::new(), "test", 0);
        let rollouts = (0..ROLLOUTS_MAX - 1).map(|n| (n.to_string(), rollout.clone())).collect();
        let (mut state, _folder) = fresh(Content { rollouts, ..Content::default() });
        assert!(state.ensure_rollout("last", rollout.clone(), 1).is_ok());
        assert!(matches!(state.ensure_rollout("one more", rollout.clone(), 1), Err(StoreError::Full { .. })));
        assert!(state.ensure_rollout("last", rollout, 1).is_ok());
    }
}
