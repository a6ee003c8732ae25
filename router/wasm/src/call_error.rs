//! Why a call of a plugin failed: one cause each, for metrics, and a text for people.

use std::time::Duration;

use wasmtime::WasmBacktrace;

use crate::bounds::{BACKTRACE_BYTES_MAX, TEXT_BYTES_MAX, cut, one_line};
use crate::host::Host;
use crate::memory::OverLimit;
use crate::verdict::VerdictFault;

/// Names the functions by which Rust panics.
const PANIC: &str = "::panicking::";

/// Why a call failed. After all but [`CallError::Refused`] the instance is poisoned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin stopped in the middle.
    #[error("{0}")]
    Trap(Box<Trap>),
    /// It spent its CPU time, or far too much wall time.
    #[error("`{export}` did not end within its CPU time of {budget:?}")]
    Deadline {
        /// Export that was called.
        export: &'static str,
        /// CPU time of this kind of call.
        budget: Duration,
    },
    /// It asked for more memory than it may have.
    #[error("`{export}` needs more memory than {bytes_max} bytes")]
    Memory {
        /// Export that was called.
        export: &'static str,
        /// Its limit.
        bytes_max: usize,
    },
    /// It answered nonsense.
    #[error("`{export}` returned nonsense")]
    Verdict {
        /// Export that was called.
        export: &'static str,
        /// What is wrong with it.
        #[source]
        fault: VerdictFault,
    },
    /// It does not accept this state and keeps its old one.
    #[error("the plugin refuses the state: {}", one_line(.0))]
    Refused(String),
    /// An earlier call failed: the instance must be replaced.
    #[error("the instance failed earlier")]
    Poisoned,
}

/// What a policy can decide upon: `on_failure = { trap, deadline, memory }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It trapped, answered nonsense, or has failed before.
    Trap,
    /// It spent its CPU time.
    Deadline,
    /// It asked for more memory than it may have.
    Memory,
}

/// A plugin that stopped in the middle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{export}` trapped: {reason}{}", self.said.as_ref().map_or_else(String::new, |said| format!("; it said: {}", one_line(said))))]
pub struct Trap {
    /// Export that was called.
    pub export: &'static str,
    /// What happened.
    pub reason: String,
    /// The last warning that the plugin logged in this call; the text of the panic, with the SDK.
    pub said: Option<String>,
    /// Where: the frames, innermost first. At most [`BACKTRACE_BYTES_MAX`] bytes.
    pub backtrace: String,
}

impl CallError {
    /// The cause as one word, for metrics.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Deadline { .. } => "deadline",
            Self::Memory { .. } => "memory",
            Self::Verdict { .. } => "verdict",
            Self::Refused(_) => "refused",
            Self::Poisoned => "poisoned",
        }
    }

    /// The cause as far as a policy tells causes apart.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::Deadline { .. } => FailureKind::Deadline,
            Self::Memory { .. } => FailureKind::Memory,
            Self::Trap(_) | Self::Verdict { .. } | Self::Refused(_) | Self::Poisoned => FailureKind::Trap,
        }
    }

    /// Where a trap happened.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        match self {
            Self::Trap(trap) => Some(&trap.backtrace),
            Self::Deadline { .. } | Self::Memory { .. } | Self::Verdict { .. } | Self::Refused(_) | Self::Poisoned => {
                None
            }
        }
    }

    /// Tells what an error of wasmtime means.
    pub(crate) fn from_wasmtime(error: &wasmtime::Error, export: &'static str, host: &mut Host) -> Self {
        if error.is::<OverLimit>() {
            return Self::Memory { export, bytes_max: host.memory.bytes_max() };
        }
        if matches!(error.downcast_ref(), Some(wasmtime::Trap::Interrupt)) {
            return Self::Deadline { export, budget: host.deadline.budget() };
        }
        let reason = cut(&error.root_cause().to_string(), TEXT_BYTES_MAX).to_owned();
        let backtrace = error.downcast_ref().map_or_else(String::new, describe);
        Self::Trap(Box::new(Trap { export, reason, said: host.log.take_last_warning(), backtrace }))
    }
}

/// One line per frame: offset and `module!function`, with file and line where the plugin has them. The number of frames
/// is bounded by the engine.
fn describe(backtrace: &WasmBacktrace) -> String {
    let text = backtrace.to_string();
    let frames = text.split_once('\n').map_or("", |(_headline, frames)| frames);
    cut(past_the_panic(frames).trim_end(), BACKTRACE_BYTES_MAX).to_owned()
}

/// The frames from the one that panicked on: how Rust panics is of no interest to who reads.
fn past_the_panic(frames: &str) -> &str {
    let Some((_, rest)) = frames.rsplit_once(PANIC) else { return frames };
    let rest = rest.split_once('\n').map_or("", |(_name, rest)| rest);
    // Where a plugin has debug information, the next line is the place of the frame that is left out.
    match rest.split_once('\n') {
        Some((place, rest)) if place.trim_start().starts_with("at ") => rest,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_begins_where_the_plugin_panicked() {
        let named = "  0: 0x1 - a!std::panicking::panic_with_hook\n  1: 0x2 - a!core[c5]::panicking::panic_fmt\n  2: 0x3 - a!mine\n";
        assert_eq!(past_the_panic(named), "  2: 0x3 - a!mine\n");
        let placed =
            "  0: 0x1 - core::panicking::panic_fmt\n    at /rustc/panicking.rs:80:14\n  1: 0x3 - mine\n    at m.rs:1:2";
        assert_eq!(past_the_panic(placed), "  1: 0x3 - mine\n    at m.rs:1:2");
        for other in ["", "  0: 0x1 - a!mine\n", "  0: 0x1 - core::panicking::panic_fmt"] {
            assert!(past_the_panic(other).len() <= other.len());
        }
        assert_eq!(past_the_panic("  0: 0x1 - a!mine\n"), "  0: 0x1 - a!mine\n");
    }
}
