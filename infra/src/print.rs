//! Results, on stdout: text or JSON. A reader that went away ends the command quietly.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

/// Prints text as it is, with a line end.
///
/// # Errors
/// If stdout cannot be written.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write the result"),
    }
}

/// Prints one document, indented.
///
/// # Errors
/// If stdout cannot be written.
pub(crate) fn document<T: Serialize>(value: &T) -> anyhow::Result<()> {
    text(&serde_json::to_string_pretty(value).context("write the result as JSON")?)
}

/// Prints one document on one line.
///
/// # Errors
/// If stdout cannot be written.
pub(crate) fn line<T: Serialize>(value: &T) -> anyhow::Result<()> {
    text(&serde_json::to_string(value).context("write an event as JSON")?)
}

/// Colours, on a terminal whose user did not turn them off (no-color.org).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For stdout.
    pub(crate) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: !refused && std::io::stdout().is_terminal() }
    }

    /// None at all.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self { on: false }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What comes.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What goes.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// What changes.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What stands out.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What stands back.
    pub(crate) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }
}
