//! The simulated time: stands still until it is told to go on, or runs at a multiple of the runtime's, which is the real
//! one but in tests that pause it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Simulated time, ms since the Unix epoch.
#[derive(Debug)]
pub struct Clock {
    begin_ms: u64,
    /// When it began to run, and how much faster than real time; `None` = it stands still.
    running: Option<(Instant, f64)>,
    ahead_ms: AtomicU64,
}

impl Clock {
    /// Stands still at this time.
    #[must_use]
    pub const fn still(begin_ms: u64) -> Self {
        Self { begin_ms, running: None, ahead_ms: AtomicU64::new(0) }
    }

    /// Runs from this time on, at `speed` times the real one.
    #[must_use]
    pub fn running(begin_ms: u64, speed: f64) -> Self {
        Self { begin_ms, running: Some((Instant::now(), speed)), ahead_ms: AtomicU64::new(0) }
    }

    /// Jumps ahead.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(millis(by), Ordering::Relaxed);
    }

    pub(super) fn now_ms(&self) -> u64 {
        let ran = self.running.map_or(0, |(begin, speed)| millis(begin.elapsed().mul_f64(speed)));
        self.begin_ms.saturating_add(ran).saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }
}

/// As the API writes times: `2020-07-21T18:37:44Z`.
pub(super) fn written(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1_000).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// A duration as ms.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
