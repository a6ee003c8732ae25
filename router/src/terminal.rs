//! What is printed: lines, and colour for people on a terminal only, never where `NO_COLOR` asks for none
//! (no-color.org).

use std::io::{self, IsTerminal, Write};

/// Prints a line. Nobody may listen: a closed pipe is no reason to stop serving.
pub(crate) fn tell(out: &mut impl Write, line: &str) {
    let _closed = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Whether what is printed is coloured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    is_on: bool,
}

/// SGR codes of ECMA-48 section 8.3.117.
const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

impl Paint {
    /// As standard output wants it.
    pub(crate) fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { is_on: io::stdout().is_terminal() && !refused && !is_dumb }
    }

    /// No colour.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self { is_on: false }
    }

    /// What matters most.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with(BOLD, text)
    }

    /// What stands beside it.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with(DIM, text)
    }

    /// What is wrong, or goes away.
    pub(crate) fn red(self, text: &str) -> String {
        self.with(RED, text)
    }

    /// What is right, or comes.
    pub(crate) fn green(self, text: &str) -> String {
        self.with(GREEN, text)
    }

    /// What changes, or wants a look.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with(YELLOW, text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_coloured_only_when_it_is_wanted() {
        assert_eq!(Paint::none().red("x"), "x");
        assert_eq!(Paint { is_on: true }.red("x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
