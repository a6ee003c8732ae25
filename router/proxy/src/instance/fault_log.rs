//! What is logged of failed calls: a few lines per second, since a plugin that always fails does so at the rate of the
//! traffic. All of them are counted elsewhere.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// Lines of one plugin on one worker within [`WINDOW`]: enough to see one fault or several.
const LINES_MAX: u32 = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// Lets lines through at a bounded rate.
#[derive(Debug)]
pub(crate) struct FaultLog {
    began: Cell<Instant>,
    lines: Cell<u32>,
    left_out: Cell<u64>,
}

impl FaultLog {
    pub(crate) fn new() -> Self {
        Self { began: Cell::new(Instant::now()), lines: Cell::new(0), left_out: Cell::new(0) }
    }

    /// `Some`: this line may be written; how many were left out since the one before.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        if now.duration_since(self.began.get()) >= WINDOW {
            self.began.set(now);
            self.lines.set(0);
        }
        if self.lines.get() == LINES_MAX {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.lines.set(self.lines.get() + 1);
        Some(self.left_out.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_those_left_out_are_told() {
        let (log, now) = (FaultLog::new(), Instant::now());
        assert!((0..LINES_MAX).all(|_| log.admit(now) == Some(0)));
        assert_eq!((log.admit(now), log.admit(now)), (None, None));
        assert_eq!(log.admit(now + WINDOW), Some(2));
    }
}
