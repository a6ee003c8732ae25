//! Windows of figures, and sums that no figure can overflow: in Redis any client may write them.

use sluice_model::stats::{COUNTERS_MAX, VariantStats, WINDOW_MS, WINDOWS_KEPT_MS};

/// When the window of `at_ms` begins.
pub(crate) const fn begins_at(at_ms: u64) -> u64 {
    at_ms - at_ms % WINDOW_MS
}

/// True while the window that begins then is kept.
pub(crate) const fn is_kept(begin_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(begin_ms) <= WINDOWS_KEPT_MS
}

/// The windows that begin in `from_ms..to_ms`, no more than are kept.
pub(crate) fn windows(from_ms: u64, to_ms: u64) -> impl Iterator<Item = u64> {
    let from_ms = from_ms.max(to_ms.saturating_sub(WINDOWS_KEPT_MS));
    let first_ms = from_ms.checked_next_multiple_of(WINDOW_MS).unwrap_or(u64::MAX);
    (first_ms..to_ms).step_by(usize::try_from(WINDOW_MS).unwrap_or(usize::MAX))
}

/// Adds `more` to `sum`; counters beyond the bound are left out.
pub(crate) fn add(sum: &mut VariantStats, more: &VariantStats) {
    sum.requests = sum.requests.saturating_add(more.requests);
    sum.errors = sum.errors.saturating_add(more.errors);
    for (sum, count) in sum.latency.iter_mut().zip(more.latency) {
        *sum = sum.saturating_add(count);
    }
    for (name, count) in &more.counters {
        if let Some(sum) = sum.counters.get_mut(name) {
            *sum = sum.saturating_add(*count);
        } else if sum.counters.len() < COUNTERS_MAX {
            sum.counters.insert(name.clone(), *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_in_the_range_and_are_bounded() {
        assert_eq!(begins_at(WINDOW_MS + 1), WINDOW_MS);
        let begins: Vec<u64> = windows(1, 2 * WINDOW_MS + 1).collect();
        assert_eq!(begins, [WINDOW_MS, 2 * WINDOW_MS]);
        assert_eq!(windows(0, 2 * WINDOW_MS).count(), 2, "the end is not in it");
        assert_eq!(windows(0, 10 * WINDOWS_KEPT_MS).count() as u64, WINDOWS_KEPT_MS / WINDOW_MS);
        assert_eq!(windows(9, 1).count() + windows(u64::MAX, u64::MAX).count(), 0);
    }

    #[test]
    fn sums_and_counters_end_at_their_bounds() {
        let mut sum = VariantStats { requests: u64::MAX, ..VariantStats::default() };
        let counters = (0..=COUNTERS_MAX).map(|n| (n.to_string(), u64::MAX)).collect();
        let more = VariantStats { requests: 1, counters, ..VariantStats::default() };
        add(&mut sum, &more);
        add(&mut sum, &more);
        assert_eq!((sum.requests, sum.counters.len()), (u64::MAX, COUNTERS_MAX));
    }
}
