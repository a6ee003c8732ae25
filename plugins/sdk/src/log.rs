//! Lines to the plugin's log, at once; the host bounds and rate-limits them, and drops them unless the policy grants
//! `log`. Natively they are kept for the test.

use crate::Level;

/// For whoever debugs the plugin.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// For whoever reads along.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// The operator may have to act.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: Level, message: &str) {
    crate::bindings::sluice::plugin::logging::log(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
use native::write;

/// What stands in for the host's log in native tests.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod native {
    use std::cell::RefCell;

    use crate::{Level, LogLine};

    thread_local! {
        static LINES: RefCell<Vec<LogLine>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn write(level: Level, message: &str) {
        LINES.with_borrow_mut(|lines| lines.push(LogLine { level, message: message.to_owned() }));
    }

    /// Takes the lines that this thread logged so far.
    pub(crate) fn take() -> Vec<LogLine> {
        LINES.take()
    }
}
