//! What is printed: lines, and colour for people on a terminal only, never where `NO_COLOR` asks for none
//! (no-color.org). What files, plugins and routers say is shown, and never obeyed by the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// Prints a line. Nobody may listen: a closed pipe is no reason to stop serving.
pub(crate) fn tell(out: &mut impl Write, line: &str) {
    let _closed = try_tell(out, line);
}

/// Prints a line, where the work ends once nobody listens.
pub(crate) fn try_tell(out: &mut impl Write, line: &str) -> io::Result<()> {
    let line = harmless(line);
    writeln!(out, "{line}").and_then(|()| out.flush())
}

/// Moves to the first line and takes away what stands below (ECMA-48 sections 8.3.21 and 8.3.39).
pub(crate) const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// A text without control characters other than line breaks, tabs and our own colours. They are written as JSON writes
/// them, so that a document stays what it is.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_harmful) {
        let (before, from) = rest.split_at(at);
        shown.push_str(before);
        let length = match own_colour(from) {
            Some(colour) => {
                shown.push_str(colour);
                colour.len()
            }
            None => {
                let harmful = from.chars().next().unwrap_or_default();
                shown.push_str(&format!("\\u{:04x}", u32::from(harmful)));
                harmful.len_utf8()
            }
        };
        rest = &from[length..];
    }
    Cow::Owned(shown + rest)
}

/// The sequence of [`Paint`] that a text begins with.
fn own_colour(text: &str) -> Option<&str> {
    let (code, _) = text.strip_prefix(BEGIN)?.split_once(END)?;
    let is_own = [PLAIN, BOLD, DIM, RED, GREEN, YELLOW].contains(&code);
    is_own.then(|| &text[..BEGIN.len() + code.len() + END.len_utf8()])
}

/// Whether what is printed is coloured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    is_on: bool,
}

/// Before and behind the code in a sequence of ECMA-48 section 8.3.117 (SGR).
const BEGIN: &str = "\u{1b}[";
const END: char = 'm';
/// Its codes.
const PLAIN: &str = "0";
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
        if self.is_on { format!("{BEGIN}{code}{END}{text}{BEGIN}{PLAIN}{END}") } else { text.to_owned() }
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

    #[test]
    fn nothing_but_line_breaks_and_our_colours_moves_the_terminal() {
        let ours = Paint { is_on: true }.red("a\tb\nü");
        assert_eq!(harmless(&ours), ours);
        let theirs = "a\u{1b}]0;title\u{7}\u{1b}[2J\r\u{9b}8m\u{1b}";
        assert_eq!(harmless(theirs), "a\\u001b]0;title\\u0007\\u001b[2J\\u000d\\u009b8m\\u001b");
        let document = serde_json::json!({"name": "\u{1b}[8m\u{7f}\u{9b}"});
        let read: serde_json::Value = serde_json::from_str(&harmless(&format!("{document:#}"))).unwrap();
        assert_eq!(read, document);
    }
}
