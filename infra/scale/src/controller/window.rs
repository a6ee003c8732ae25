//! The largest value of the last while, in bounded memory: going in is held up by it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Values of one part of the window become one: the memory does not grow with the number of steps.
const PARTS: u64 = 64;

/// The largest value of the last while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// When the first value came, ms since the Unix epoch.
    since_ms: Option<u64>,
    /// Falling values with their times: each is the largest from its time on.
    falling: VecDeque<(u64, f64)>,
}

impl Window {
    /// Notes a value, and forgets what is older than `length_ms`.
    pub(crate) fn note(&mut self, at_ms: u64, value: f64, length_ms: u64) {
        self.since_ms.get_or_insert(at_ms);
        while self.falling.back().is_some_and(|(_, last)| *last <= value) {
            self.falling.pop_back();
        }
        match self.falling.back_mut() {
            // A smaller value just behind a larger one: the larger stays a little longer instead.
            Some((last_ms, _)) if at_ms < last_ms.saturating_add(length_ms / PARTS) => *last_ms = at_ms,
            _ => self.falling.push_back((at_ms, value)),
        }
        while self.falling.front().is_some_and(|(then_ms, _)| then_ms.saturating_add(length_ms) <= at_ms) {
            self.falling.pop_front();
        }
    }

    /// The largest value; `None` before the window was watched whole.
    pub(crate) fn largest(&self, at_ms: u64, length_ms: u64) -> Option<f64> {
        let whole = at_ms >= self.since_ms?.saturating_add(length_ms);
        self.falling.front().map(|(_, value)| *value).filter(|_| whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_the_window_is_known_once_it_was_watched_whole() {
        let mut window = Window::default();
        let values = [5.0, 9.0, 3.0, 4.0, 1.0, 2.0];
        let largest = |window: &mut Window, at: u64, value: f64| {
            window.note(at * 1_000, value, 3_000);
            window.largest(at * 1_000, 3_000)
        };
        let seen: Vec<_> = (0..).zip(values).map(|(at, value)| largest(&mut window, at, value)).collect();
        assert_eq!(seen, [None, None, None, Some(9.0), Some(4.0), Some(4.0)]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut window = Window::default();
        for at_ms in 0..100_000_u32 {
            window.note(u64::from(at_ms), 1e6 - f64::from(at_ms), 10_000);
        }
        assert!(window.falling.len() as u64 <= PARTS + 1, "{}", window.falling.len());
    }
}
