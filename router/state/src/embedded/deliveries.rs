//! Alerts on their way to those who act on them: in the file until they are finished, handed out to one consumer of each
//! group at a time.

use std::time::{Duration, Instant};

use redb::{
    ReadTransaction, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
    WriteTransaction,
};
use sluice_model::alert::{AlertId, DeadLetter};

use super::log;
use super::state::{Done, State};
use super::tables::{COUNTERS, DEAD_LETTERS, DELIVERIES, SCALE_DELIVERIES, SENT};
use crate::clock::millis;
use crate::error::StoreError;
use crate::event::Event;
use crate::record::Record;
use crate::store::{ALERTS_MAX, DEAD_LETTERS_MAX, Delivery, Group, SENT_KEPT};

/// Alerts that wait to be delivered: as many as are kept.
const DELIVERIES_MAX: usize = ALERTS_MAX;
/// Notices that are known to be sent: each alert to ten sinks.
const SENT_MAX: usize = 10 * ALERTS_MAX;
/// Numbers deliveries: one that is finished late must not finish another one.
const DELIVERIES_COUNTER: &str = "deliveries";
/// Not zero once someone asked for deliveries of [`Group::Scale`].
const SCALE_COUNTER: &str = "deliveries-scale-begun";
/// Numbers dead letters.
const DEAD_LETTERS_COUNTER: &str = "dead-letters";

/// Who works on a delivery.
pub(super) struct Taken {
    consumer: String,
    at: Instant,
}

impl Group {
    const fn table(self) -> TableDefinition<'static, u64, (u64, &'static str)> {
        match self {
            Self::Notify => DELIVERIES,
            Self::Scale => SCALE_DELIVERIES,
        }
    }
}

impl State {
    /// Hands out what nobody has, or nobody has touched for `idle`. How often is written down: a delivery that ends the
    /// process must be known as such.
    pub(super) fn take_deliveries(
        &mut self,
        group: Group,
        consumer: &str,
        count_max: usize,
        idle: Duration,
        now: Instant,
    ) -> Done<Vec<Delivery>> {
        self.begin(group)?;
        let waiting =
            self.waiting(group, count_max, idle, now).map_err(|error| StoreError::Embedded(Box::new(error)))?;
        if waiting.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        self.commit(|transaction| {
            let mut table = transaction.open_table(group.table())?;
            for (order, times, text) in &waiting {
                table.insert(order, (*times, &**text))?;
            }
            Ok(())
        })?;
        let taken = self.taken.entry(group).or_default();
        let mut deliveries = Vec::new();
        for (order, times, text) in waiting {
            taken.insert(order, Taken { consumer: consumer.to_owned(), at: now });
            // One that was never finished may have had to make room in the file.
            while taken.len() > DELIVERIES_MAX {
                taken.pop_first();
            }
            deliveries.push(Delivery { entry: order.to_string(), alert: serde_json::from_str(&text)?, times });
        }
        Ok((deliveries, Vec::new()))
    }

    /// From now on this group has what comes, if it is none that has everything.
    fn begin(&self, group: Group) -> Result<(), StoreError> {
        let counters = || Ok::<_, redb::Error>(self.database.begin_read()?.open_table(COUNTERS)?.get(SCALE_COUNTER)?);
        let begun = counters().map_err(|error| StoreError::Embedded(Box::new(error)))?;
        if group == Group::Notify || begun.is_some() {
            return Ok(());
        }
        self.commit(|transaction| count(transaction, SCALE_COUNTER).map(drop))
    }

    /// What can be handed out: order, how often it then was, text.
    fn waiting(
        &self,
        group: Group,
        count_max: usize,
        idle: Duration,
        now: Instant,
    ) -> Result<Vec<(u64, u64, String)>, redb::Error> {
        let taken = |order: u64| self.taken.get(&group)?.get(&order);
        let is_free = |order: u64| taken(order).is_none_or(|taken| now.duration_since(taken.at) >= idle);
        let table = self.database.begin_read()?.open_table(group.table())?;
        let mut waiting = Vec::new();
        for row in table.iter()? {
            if waiting.len() >= count_max {
                break;
            }
            let (order, row) = row?;
            let (order, (times, text)) = (order.value(), row.value());
            if is_free(order) {
                waiting.push((order, times + 1, text.to_owned()));
            }
        }
        Ok(waiting)
    }

    pub(super) fn hold_delivery(&mut self, group: Group, consumer: &str, entry: &str, now: Instant) -> Done<()> {
        let order = number(entry)?;
        match self.taken.get_mut(&group).and_then(|taken| taken.get_mut(&order)) {
            Some(taken) if taken.consumer == consumer => taken.at = now,
            _gone => return Err(StoreError::Fenced(format!("delivery {entry}"))),
        }
        Ok(((), Vec::new()))
    }

    pub(super) fn finish_delivery(&mut self, group: Group, entry: &str) -> Done<()> {
        let order = number(entry)?;
        self.commit(|transaction| {
            transaction.open_table(group.table())?.remove(order)?;
            Ok(())
        })?;
        if let Some(taken) = self.taken.get_mut(&group) {
            taken.remove(&order);
        }
        Ok(((), Vec::new()))
    }

    pub(super) fn mark_sent(&self, alert: &AlertId, sink: &str, now_ms: u64) -> Done<()> {
        let oldest_ms = now_ms.saturating_sub(millis(SENT_KEPT));
        self.commit(|transaction| {
            let mut sent = transaction.open_table(SENT)?;
            sent.insert((alert.as_str(), sink), now_ms)?;
            if sent.len()? > SENT_MAX as u64 {
                sent.retain(|_, at_ms| oldest_ms < at_ms)?;
            }
            while sent.len()? > SENT_MAX as u64 {
                sent.pop_first()?;
            }
            Ok(())
        })?;
        Ok(((), Vec::new()))
    }

    pub(super) fn bury(&self, letter: &DeadLetter) -> Done<()> {
        let text = serde_json::to_string(letter)?;
        self.commit(|transaction| {
            let order = count(transaction, DEAD_LETTERS_COUNTER)?;
            let mut letters = transaction.open_table(DEAD_LETTERS)?;
            letters.insert(order, &*text)?;
            while letters.len()? > DEAD_LETTERS_MAX as u64 {
                letters.pop_first()?;
            }
            Ok(())
        })?;
        Ok(((), Vec::new()))
    }

    /// Puts the alert of a dead letter back among the deliveries.
    pub(super) fn replay(&self, entry: &str, by: &str, reason: &str, now_ms: u64) -> Done<bool> {
        let order = number(entry)?;
        let Some(text) = self.letter(order).map_err(|error| StoreError::Embedded(Box::new(error)))? else {
            return Ok((false, Vec::new()));
        };
        let letter: DeadLetter = serde_json::from_str(&text)?;
        let alert = serde_json::to_string(&letter.alert)?;
        let record = Record::replay(&letter, by, reason);
        let logged = self.commit(|transaction| {
            transaction.open_table(DEAD_LETTERS)?.remove(order)?;
            append(transaction, &alert)?;
            log::append(transaction, &record, now_ms)
        })?;
        Ok((true, vec![Event::Audit(logged)]))
    }

    fn letter(&self, order: u64) -> Result<Option<String>, redb::Error> {
        let letters = self.database.begin_read()?.open_table(DEAD_LETTERS)?;
        Ok(letters.get(order)?.map(|text| text.value().to_owned()))
    }
}

/// An alert that is to be delivered, to each group that is there.
pub(super) fn append(transaction: &WriteTransaction, text: &str) -> Result<(), redb::Error> {
    let order = count(transaction, DELIVERIES_COUNTER)?;
    let is_scaled = transaction.open_table(COUNTERS)?.get(SCALE_COUNTER)?.is_some();
    for group in [Group::Notify].into_iter().chain(is_scaled.then_some(Group::Scale)) {
        let mut deliveries = transaction.open_table(group.table())?;
        deliveries.insert(order, (0, text))?;
        while deliveries.len()? > DELIVERIES_MAX as u64 {
            deliveries.pop_first()?;
        }
    }
    Ok(())
}

/// True if `sink` took it, at most as long ago as that is known. Blocks.
pub(super) fn was_sent(
    transaction: &ReadTransaction,
    alert: &AlertId,
    sink: &str,
    now_ms: u64,
) -> Result<bool, redb::Error> {
    let sent = transaction.open_table(SENT)?.get((alert.as_str(), sink))?;
    Ok(sent.is_some_and(|at_ms| now_ms < at_ms.value().saturating_add(millis(SENT_KEPT))))
}

/// Dead letters, newest first. Blocks.
pub(super) fn dead_letters(transaction: &ReadTransaction, newest: usize) -> Result<Vec<DeadLetter>, redb::Error> {
    let table = transaction.open_table(DEAD_LETTERS)?;
    let mut letters = Vec::new();
    for row in table.iter()?.rev().take(newest) {
        let (order, text) = row?;
        match serde_json::from_str::<DeadLetter>(text.value()) {
            Ok(letter) => letters.push(DeadLetter { entry: order.value().to_string(), ..letter }),
            Err(error) => tracing::warn!(%error, "dead letter cannot be read"),
        }
    }
    Ok(letters)
}

fn count(transaction: &WriteTransaction, what: &str) -> Result<u64, redb::Error> {
    let mut counters = transaction.open_table(COUNTERS)?;
    let next = counters.get(what)?.map_or(0, |counter| counter.value()) + 1;
    counters.insert(what, next)?;
    Ok(next)
}

fn number(entry: &str) -> Result<u64, StoreError> {
    entry.parse().map_err(|_other| StoreError::Invalid(format!("`{}` is no entry", entry.escape_default())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::state::fresh;
    use crate::embedded::tables::Content;

    #[test]
    fn deliveries_end_at_their_bound_and_the_oldest_goes() {
        let (mut state, _folder) = fresh(Content::default());
        let text = serde_json::to_string(&sluice_model::alert::Alert::default()).unwrap();
        state
            .commit(|transaction| {
                let mut deliveries = transaction.open_table(DELIVERIES)?;
                for order in 1..=DELIVERIES_MAX as u64 {
                    deliveries.insert(order, (0, &*text))?;
                }
                transaction.open_table(COUNTERS)?.insert(DELIVERIES_COUNTER, DELIVERIES_MAX as u64)?;
                Ok(())
            })
            .unwrap();
        state.commit(|transaction| append(transaction, &text)).unwrap();
        let (taken, _events) =
            state.take_deliveries(Group::Notify, "a", usize::MAX, Duration::ZERO, Instant::now()).unwrap();
        assert_eq!((taken.len(), &*taken[0].entry), (DELIVERIES_MAX, "2"));
    }

    #[test]
    fn what_is_known_to_be_sent_ends_by_time_and_at_its_bound() {
        let (state, _folder) = fresh(Content::default());
        let kept_ms = millis(SENT_KEPT);
        state
            .commit(|transaction| {
                let mut sent = transaction.open_table(SENT)?;
                for n in 0..SENT_MAX {
                    sent.insert((&*n.to_string(), "mail"), u64::from(n > 0))?;
                }
                Ok(())
            })
            .unwrap();
        let is_sent = |id: &str, now_ms| {
            was_sent(&state.database.begin_read().unwrap(), &AlertId::from_text(id), "mail", now_ms).unwrap()
        };
        assert!(is_sent("0", kept_ms - 1) && !is_sent("0", kept_ms));
        state.mark_sent(&AlertId::from_text("new"), "mail", kept_ms).unwrap();
        assert!(is_sent("new", kept_ms) && is_sent("1", kept_ms), "the one that was over made room");
        state.mark_sent(&AlertId::from_text("newer"), "mail", kept_ms).unwrap();
        let left = state.commit(|transaction| Ok(transaction.open_table(SENT)?.len()?)).unwrap();
        assert_eq!(left, SENT_MAX as u64);
    }
}
