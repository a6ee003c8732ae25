//! What a plugin logs while it is rehearsed. The host writes its lines as events, as in a router; here they are collected
//! instead of printed.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Target of the host's events about lines of plugins, and the field that holds the line.
const TARGET: &str = "plugin";
const LINE: &str = "line";

/// Does `work` and collects the lines that plugins log meanwhile on this thread.
pub(super) fn collect<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let done = tracing::subscriber::with_default(Collector { lines: Arc::clone(&lines) }, work);
    let collected = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    (done, collected)
}

struct Collector {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line { lines: &self.lines });
    }

    // Spans are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line<'a> {
    lines: &'a Mutex<Vec<String>>,
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == LINE {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_plugins_are_collected_and_nothing_else() {
        let (done, lines) = collect(|| {
            tracing::debug!(target: "plugin", plugin = "a", line = "one", dropped = 0, "plugin line");
            tracing::warn!(line = "not of a plugin");
            let _span = tracing::info_span!(target: "plugin", "span", line = "no line").entered();
            tracing::warn!(target: "plugin", line = "two", "plugin line");
            7
        });
        assert_eq!((done, lines), (7, vec!["one".to_owned(), "two".to_owned()]));
    }
}
