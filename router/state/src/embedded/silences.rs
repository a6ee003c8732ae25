//! Silences: they end by this router's clock.

use sluice_model::silence::{SILENCES_MAX, Silence};

use super::state::{Done, State};
use super::tables::SILENCES;
use crate::error::StoreError;
use crate::event::Event;
use crate::record::Record;

impl State {
    pub(super) fn put_silence(&mut self, silence: Silence, record: Record, now_ms: u64) -> Done<()> {
        let mut events = self.expire_silences(now_ms)?;
        let known = self.silences.get(&silence.id);
        if known.is_none() && self.silences.len() >= SILENCES_MAX {
            return Err(StoreError::Full { what: "silences", max: SILENCES_MAX });
        }
        let old = known.map(serde_json::to_string).transpose()?;
        let text = serde_json::to_string(&silence)?;
        let record = record.old(old.as_deref()).new_value(Some(&text));
        let ((), logged) = self.commit_logged(&record, now_ms, |transaction| {
            transaction.open_table(SILENCES)?.insert(&*silence.id, &*text)?;
            Ok(())
        })?;
        self.silences.insert(silence.id.clone(), silence);
        events.extend([self.tell_silences(), logged]);
        Ok(((), events))
    }

    pub(super) fn delete_silence(&mut self, id: &str, record: Record, now_ms: u64) -> Done<bool> {
        let Some(known) = self.silences.get(id) else { return Ok((false, Vec::new())) };
        let record = record.old(Some(&serde_json::to_string(known)?));
        let ((), logged) = self.commit_logged(&record, now_ms, |transaction| {
            transaction.open_table(SILENCES)?.remove(id)?;
            Ok(())
        })?;
        self.silences.remove(id);
        Ok((true, vec![self.tell_silences(), logged]))
    }

    /// Lets those go that are over.
    pub(super) fn expire_silences(&mut self, now_ms: u64) -> Result<Vec<Event>, StoreError> {
        let over = self.silences.values().filter(|silence| silence.until_ms <= now_ms);
        let over: Vec<String> = over.map(|silence| silence.id.clone()).collect();
        if over.is_empty() {
            return Ok(Vec::new());
        }
        self.commit(|transaction| {
            let mut silences = transaction.open_table(SILENCES)?;
            for id in &over {
                silences.remove(&**id)?;
            }
            Ok(())
        })?;
        self.silences.retain(|id, _| !over.contains(id));
        Ok(vec![self.tell_silences()])
    }

    pub(super) fn tell_silences(&self) -> Event {
        Event::Silences(self.silences.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::state::fresh;
    use crate::embedded::tables::Content;

    #[test]
    fn those_that_are_over_make_room() {
        let silence = |id: &str, until_ms| Silence { id: id.to_owned(), until_ms, ..Silence::default() };
        let (mut state, _folder) = fresh(Content::default());
        for n in 0..SILENCES_MAX {
            let until_ms = if n == 0 { 10 } else { 100 };
            state.put_silence(silence(&n.to_string(), until_ms), Record::default(), 1).unwrap();
        }
        let more = state.put_silence(silence("more", 100), Record::default(), 9);
        assert!(matches!(more, Err(StoreError::Full { .. })));
        assert!(state.put_silence(silence("1", 200), Record::default(), 9).is_ok(), "one that is there");
        assert!(state.put_silence(silence("more", 100), Record::default(), 10).is_ok());
        let ((), events) = state.expire(100).unwrap();
        assert!(matches!(&events[..], [Event::Silences(left)] if left.len() == 1));
    }
}
