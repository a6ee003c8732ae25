//! The log of one instance: lines in, events of the target `plugin` out, never more than a few per second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bounds::{LOG_LINE_BYTES_MAX, LOG_LINES_PER_SECOND_MAX, cut};
use crate::wire::Level;

/// Time in which one more line is allowed.
const REFILL: Duration = Duration::from_nanos(1_000_000_000 / LOG_LINES_PER_SECOND_MAX as u64);

/// The log of one instance of a plugin.
pub(crate) struct PluginLog {
    plugin: Arc<str>,
    allowance: Allowance,
    dropped: u64,
    last_warning: Option<String>,
}

impl PluginLog {
    pub(crate) fn new(plugin: &str) -> Self {
        Self { plugin: plugin.into(), allowance: Allowance::new(Instant::now()), dropped: 0, last_warning: None }
    }

    /// Writes one line, cut to its bound, or drops and counts it.
    pub(crate) fn write(&mut self, level: Level, line: &str) {
        let line = cut(line, LOG_LINE_BYTES_MAX);
        if level == Level::Warn {
            self.last_warning = Some(line.to_owned());
        }
        if !self.admit() {
            return;
        }
        let (plugin, dropped) = (&*self.plugin, self.dropped);
        match level {
            Level::Debug => tracing::debug!(target: "plugin", plugin, line, dropped, "plugin line"),
            Level::Info => tracing::info!(target: "plugin", plugin, line, dropped, "plugin line"),
            Level::Warn => tracing::warn!(target: "plugin", plugin, line, dropped, "plugin line"),
        }
    }

    /// True if one more line may pass now; a line that may not is counted.
    pub(crate) fn admit(&mut self) -> bool {
        let is_admitted = self.allowance.take(Instant::now());
        self.dropped += u64::from(!is_admitted);
        is_admitted
    }

    /// Lines dropped so far.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A call begins: what was said before does not explain its failure.
    pub(crate) fn begin_call(&mut self) {
        self.last_warning = None;
    }

    /// The last warning of the present call. The SDK logs a panic before it traps.
    pub(crate) fn take_last_warning(&mut self) -> Option<String> {
        self.last_warning.take()
    }
}

/// A token bucket that holds one second's worth of lines.
struct Allowance {
    lines: u32,
    refilled: Instant,
}

impl Allowance {
    const fn new(now: Instant) -> Self {
        Self { lines: LOG_LINES_PER_SECOND_MAX, refilled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.refilled).as_nanos() / REFILL.as_nanos();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due >= LOG_LINES_PER_SECOND_MAX {
            *self = Self::new(now);
        } else {
            self.lines = (self.lines + due).min(LOG_LINES_PER_SECOND_MAX);
            self.refilled += REFILL * due;
        }
        let is_left = self.lines > 0;
        self.lines = self.lines.saturating_sub(1);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_pass_up_to_the_allowance_and_again_as_it_refills() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        for line in 0..LOG_LINES_PER_SECOND_MAX {
            assert!(allowance.take(start), "line {line}");
        }
        assert!(!allowance.take(start), "one past it");
        assert!(!allowance.take(start + REFILL - Duration::from_nanos(1)));
        assert!(allowance.take(start + REFILL));
        assert!(!allowance.take(start + REFILL));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| allowance.take(later)).count(), 20, "it holds one second's worth");
    }

    #[test]
    fn dropped_lines_are_counted() {
        let mut log = PluginLog::new("chatty");
        for _ in 0..LOG_LINES_PER_SECOND_MAX + 5 {
            log.write(Level::Debug, "line");
        }
        assert!((1..=5).contains(&log.dropped()), "{}", log.dropped());
    }

    #[test]
    fn the_last_warning_is_that_of_the_present_call_cut_to_a_line() {
        let mut log = PluginLog::new("panics");
        log.write(Level::Warn, &"x".repeat(LOG_LINE_BYTES_MAX + 1));
        assert_eq!(log.take_last_warning().map(|line| line.len()), Some(LOG_LINE_BYTES_MAX));
        log.write(Level::Warn, "panicked");
        log.begin_call();
        assert_eq!(log.take_last_warning(), None);
    }
}
