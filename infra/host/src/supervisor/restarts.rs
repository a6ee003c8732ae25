//! When a service that ended by itself is started again: soon at first, then less often, and not for ever. Pure.

use std::time::Duration;

/// Pause before the first new start; it doubles from there.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest pause: what an operator who has just mended a configuration is willing to wait.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A service that ran for so long is taken as sound: its next end counts as the first.
const SOUND_AFTER: Duration = Duration::from_secs(10);
/// New starts in a row, of a service that never became sound, until it is given up: about 70 seconds.
pub(crate) const IN_A_ROW_MAX: u32 = 12;

/// How often a service was started again in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Restarts {
    in_a_row: u32,
}

impl Restarts {
    /// After how long it is started again; `None` = it is given up.
    pub(super) fn after(&mut self, lived: Duration) -> Option<Duration> {
        if lived >= SOUND_AFTER {
            self.in_a_row = 0;
        }
        if self.in_a_row >= IN_A_ROW_MAX {
            return None;
        }
        let pause = PAUSE_MIN.saturating_mul(1 << self.in_a_row.min(16)).min(PAUSE_MAX);
        self.in_a_row += 1;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_end_after_so_many() {
        let mut restarts = Restarts::default();
        let pauses: Vec<Duration> = std::iter::from_fn(|| restarts.after(Duration::ZERO)).collect();
        assert_eq!(pauses.len(), usize::try_from(IN_A_ROW_MAX).unwrap());
        assert_eq!(pauses[..3], [200, 400, 800].map(Duration::from_millis));
        assert_eq!(pauses.last(), Some(&PAUSE_MAX));
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(90));
    }

    #[test]
    fn a_service_that_was_sound_begins_anew() {
        let mut restarts = Restarts::default();
        while restarts.after(SOUND_AFTER - Duration::from_nanos(1)).is_some() {}
        assert_eq!(restarts.after(SOUND_AFTER), Some(PAUSE_MIN));
    }
}
