//! The log of one instance: lines in, events of the target `plugin` out, if they are granted and not too many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::allowance::Allowance;
use crate::bounds::{LOG_LINE_BYTES_MAX, cut};
use crate::wire::Level;

/// What the limit of lines is about.
const SECOND: Duration = Duration::from_secs(1);

/// The log of one instance of a plugin.
pub(crate) struct PluginLog {
    plugin: Arc<str>,
    is_granted: bool,
    allowance: Allowance,
    dropped: u64,
    last_warning: Option<String>,
}

impl PluginLog {
    /// The log of `plugin`; without the grant every line is dropped.
    pub(crate) fn new(plugin: &str, is_granted: bool, lines_per_second_max: u32) -> Self {
        let allowance = Allowance::new(lines_per_second_max, SECOND, Instant::now());
        Self { plugin: plugin.into(), is_granted, allowance, dropped: 0, last_warning: None }
    }

    /// Writes one line, cut to its bound, or drops and counts it.
    pub(crate) fn write(&mut self, level: Level, line: &str) {
        let line = cut(line, LOG_LINE_BYTES_MAX);
        if level == Level::Warn {
            // Also where it is dropped: it may explain a trap, and that report is the operator's, not the plugin's.
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

    /// Writes one line of the standard error of a plugin in another language. A runtime tells a failure in several lines,
    /// of which the last says least: together they are the last warning, as far as one line's bound allows.
    pub(crate) fn write_error(&mut self, line: &str) {
        let before = self.last_warning.take();
        self.write(Level::Warn, line);
        if let Some(mut joined) = before {
            if let Some(line) = self.last_warning.take_if(|line| joined.len() + line.len() < LOG_LINE_BYTES_MAX) {
                joined.push('\n');
                joined.push_str(&line);
            }
            self.last_warning = Some(joined);
        }
    }

    /// True if one more line may pass now; a line that may not is counted.
    pub(crate) fn admit(&mut self) -> bool {
        let is_admitted = self.is_granted && self.allowance.take(Instant::now());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_lines_are_counted() {
        let mut log = PluginLog::new("chatty", true, 20);
        (0..25).for_each(|_| log.write(Level::Debug, "line"));
        assert!((1..=5).contains(&log.dropped()), "{}", log.dropped());
    }

    #[test]
    fn without_the_grant_nothing_passes_but_the_warning_is_known() {
        let mut log = PluginLog::new("mute", false, 20);
        log.write(Level::Info, "line");
        log.write(Level::Warn, "panicked");
        assert_eq!(log.dropped(), 2);
        assert_eq!(log.take_last_warning().as_deref(), Some("panicked"));
    }

    #[test]
    fn what_a_runtime_says_of_its_failure_is_one_warning_up_to_its_bound() {
        let mut log = PluginLog::new("script", false, 20);
        log.write_error("Error: boom");
        log.write_error("  at onRequest");
        assert_eq!(log.take_last_warning().as_deref(), Some("Error: boom\n  at onRequest"));
        let half = "x".repeat(LOG_LINE_BYTES_MAX / 2);
        for line in [&half, &half[1..], &half, "y"] {
            log.write_error(line);
        }
        assert_eq!(log.take_last_warning().map(|said| said.len()), Some(LOG_LINE_BYTES_MAX), "the first ones stay");
        log.write_error("of one call");
        log.begin_call();
        log.write_error("of the next");
        assert_eq!(log.take_last_warning().as_deref(), Some("of the next"));
    }

    #[test]
    fn the_last_warning_is_that_of_the_present_call_cut_to_a_line() {
        let mut log = PluginLog::new("panics", true, 20);
        log.write(Level::Warn, &"x".repeat(LOG_LINE_BYTES_MAX + 1));
        assert_eq!(log.take_last_warning().map(|line| line.len()), Some(LOG_LINE_BYTES_MAX));
        log.write(Level::Warn, "panicked");
        log.begin_call();
        assert_eq!(log.take_last_warning(), None);
    }
}
