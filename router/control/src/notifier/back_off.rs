//! How long a sink that failed is left alone, and when it is given up. Pure.

use std::time::Duration;

use sluice_alert::SendError;

/// First wait; each doubles the one before.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// Longest wait.
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);
/// Tries before a notice is buried: with the waits between them about half an hour, longer than a restart of a mail server.
pub(super) const TRIES_MAX: u32 = 14;
/// Age, since the first try of this process, at which a notice is buried, whatever its receiver asks for.
pub(super) const AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// What comes after a failed try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another try, after this wait.
    Wait(Duration),
    /// No more.
    Bury,
}

/// `tried` counts the tries so far, this one included; `jitter` is a number from 0 to 1 that spreads the tries of many.
pub(super) fn next(error: &SendError, tried: u32, age: Duration, jitter: f64) -> Next {
    if !error.retryable || tried >= TRIES_MAX || age >= AGE_MAX {
        return Next::Bury;
    }
    let doubled = WAIT_MIN.saturating_mul(1_u32.checked_shl(tried.saturating_sub(1)).unwrap_or(u32::MAX)).min(WAIT_MAX);
    // Between half and all of it, so that routers which failed together do not come back together.
    let spread = doubled.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    Next::Wait(spread.max(error.retry_after.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(retryable: bool, retry_after: Option<u64>) -> SendError {
        SendError { retryable, reason: "x".to_owned(), retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn waits_double_up_to_their_bound_and_are_spread() {
        let wait = |tried, jitter| next(&error(true, None), tried, Duration::ZERO, jitter);
        assert_eq!(wait(1, 1.0), Next::Wait(Duration::from_secs(1)));
        assert_eq!(wait(1, 0.0), Next::Wait(Duration::from_millis(500)));
        assert_eq!(wait(3, 1.0), Next::Wait(Duration::from_secs(4)));
        assert_eq!(wait(TRIES_MAX - 1, 1.0), Next::Wait(WAIT_MAX));
    }

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
        assert_eq!(next(&error(true, Some(60)), 1, Duration::ZERO, 0.0), Next::Wait(Duration::from_secs(60)));
    }

    #[test]
    fn a_notice_is_buried_at_its_bounds_and_not_before() {
        assert_eq!(next(&error(false, None), 1, Duration::ZERO, 0.0), Next::Bury);
        assert_eq!(next(&error(true, None), TRIES_MAX, Duration::ZERO, 0.0), Next::Bury);
        assert_ne!(next(&error(true, None), TRIES_MAX - 1, AGE_MAX - Duration::from_millis(1), 0.0), Next::Bury);
        assert_eq!(next(&error(true, None), 1, AGE_MAX, 0.0), Next::Bury);
    }
}
