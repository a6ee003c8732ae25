//! The two limits on calls: 5,000 in any hour, and 250 in any minute of it.

use std::collections::{BTreeMap, VecDeque};

use super::call::Answer;

/// Calls in any hour (official document, "Rate Limit").
pub const HOUR_CALLS_MAX: usize = 5_000;
/// Calls in any minute: 5 % of the hour's.
pub const MINUTE_CALLS_MAX: usize = 250;
const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;
/// Tokens that are counted apart; whoever comes later shares one count.
const TOKENS_MAX: usize = 64;

/// When calls came, by token. Memory only: a restart forgives.
#[derive(Debug, Default)]
pub(super) struct Limits(BTreeMap<String, VecDeque<u64>>);

/// What the limits say to one call.
#[derive(Debug)]
pub(super) struct Allowance {
    remaining: usize,
    reset_seconds: u64,
    /// It is one too many; after these seconds it may come again, if only the minute is full.
    pub(super) refused: Option<Option<u64>>,
}

impl Limits {
    /// Counts a call, unless it is one too many.
    pub(super) fn take(&mut self, token: &str, now_ms: u64) -> Allowance {
        let key = if self.0.len() >= TOKENS_MAX && !self.0.contains_key(token) { "" } else { token };
        let calls = self.0.entry(key.to_owned()).or_default();
        while calls.front().is_some_and(|&at| at + HOUR_MS <= now_ms) {
            calls.pop_front();
        }
        let minute = calls.iter().rev().take_while(|&&at| at + MINUTE_MS > now_ms).count();
        let refused = if calls.len() >= HOUR_CALLS_MAX {
            Some(None)
        } else if minute >= MINUTE_CALLS_MAX {
            let oldest = calls[calls.len() - MINUTE_CALLS_MAX];
            Some(Some((oldest + MINUTE_MS - now_ms).div_ceil(1_000)))
        } else {
            calls.push_back(now_ms);
            None
        };
        let reset_ms = calls.front().copied().unwrap_or(now_ms) + HOUR_MS;
        Allowance { remaining: HOUR_CALLS_MAX - calls.len(), reset_seconds: reset_ms.div_ceil(1_000), refused }
    }
}

impl Allowance {
    /// Says it in the headers of the answer.
    pub(super) fn say(&self, answer: &mut Answer) {
        answer.headers.push(("ratelimit-limit", HOUR_CALLS_MAX.to_string()));
        answer.headers.push(("ratelimit-remaining", self.remaining.to_string()));
        answer.headers.push(("ratelimit-reset", self.reset_seconds.to_string()));
        if let Some(Some(seconds)) = self.refused {
            answer.headers.push(("retry-after", seconds.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_and_the_hour_are_full_at_their_bounds() {
        let mut limits = Limits::default();
        for _ in 0..MINUTE_CALLS_MAX {
            assert!(limits.take("t", 1_000).refused.is_none());
        }
        assert_eq!(limits.take("t", 1_000).refused, Some(Some(60)));
        assert_eq!(limits.take("t", 60_999).refused, Some(Some(1)));
        assert!(limits.take("other", 1_000).refused.is_none());
        let mut now_ms = 1_000;
        for minute in 1..HOUR_CALLS_MAX / MINUTE_CALLS_MAX {
            now_ms = 1_000 + u64::try_from(minute).unwrap() * MINUTE_MS;
            for _ in 0..MINUTE_CALLS_MAX {
                assert!(limits.take("t", now_ms).refused.is_none());
            }
        }
        let full = limits.take("t", now_ms + MINUTE_MS);
        assert_eq!((full.refused, full.remaining), (Some(None), 0));
        assert!(limits.take("t", 1_000 + HOUR_MS).refused.is_none());
    }
}
