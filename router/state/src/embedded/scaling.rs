//! Which operation carries out an alert: one per alert.

use redb::{ReadableTable as _, ReadableTableMetadata as _};
use sluice_model::alert::AlertId;

use super::state::{Done, State};
use super::tables::SCALE_OPERATIONS;
use crate::clock::millis;
use crate::store::{ALERTS_MAX, SCALE_OPERATION_KEPT};

/// Alerts whose operation is known: as many as are kept.
const OPERATIONS_MAX: usize = ALERTS_MAX;

impl State {
    /// The operation that has this alert: the given one, unless another one was first.
    pub(super) fn claim_alert(&self, alert: &AlertId, operation: &str, now_ms: u64) -> Done<String> {
        let kept_ms = millis(SCALE_OPERATION_KEPT);
        let claimed = self.commit(|transaction| {
            let mut operations = transaction.open_table(SCALE_OPERATIONS)?;
            let known = operations.get(alert.as_str())?.map(|known| (known.value().0.to_owned(), known.value().1));
            if let Some((known, _)) = known.filter(|(_, at_ms)| now_ms < at_ms.saturating_add(kept_ms)) {
                return Ok(known);
            }
            operations.insert(alert.as_str(), (operation, now_ms))?;
            if operations.len()? > OPERATIONS_MAX as u64 {
                operations.retain(|_, (_, at_ms)| now_ms < at_ms.saturating_add(kept_ms))?;
            }
            while operations.len()? > OPERATIONS_MAX as u64 {
                operations.pop_first()?;
            }
            Ok(operation.to_owned())
        })?;
        Ok((claimed, Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::state::fresh;
    use crate::embedded::tables::Content;

    #[test]
    fn a_claim_ends_by_time_and_claims_end_at_their_bound() {
        let (state, _folder) = fresh(Content::default());
        let claim = |alert: &str, operation: &str, now_ms| {
            state.claim_alert(&AlertId::from_text(alert), operation, now_ms).unwrap().0
        };
        let kept_ms = millis(SCALE_OPERATION_KEPT);
        assert_eq!((claim("a", "one", 0), claim("a", "two", kept_ms - 1)), ("one".into(), "one".into()));
        assert_eq!(claim("a", "two", kept_ms), "two");
        state
            .commit(|transaction| {
                let mut operations = transaction.open_table(SCALE_OPERATIONS)?;
                for n in 1..OPERATIONS_MAX {
                    operations.insert(&*format!("b{n}"), ("old", if n == 1 { 0 } else { kept_ms }))?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(claim("c", "three", kept_ms), "three");
        let known = state.commit(|transaction| Ok(transaction.open_table(SCALE_OPERATIONS)?.len()?)).unwrap();
        assert_eq!(known, OPERATIONS_MAX as u64, "the one that was over made room");
        assert_eq!(claim("a", "x", kept_ms), "two");
    }
}
