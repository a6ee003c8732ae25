//! Faults: what is wrong with a file, where, and how to put it right. Made by the reader, shown by whoever asked for it.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::Source;

/// Longest part of a line that an excerpt shows; about the width of a terminal.
const EXCERPT_CHARS_MAX: usize = 120;
/// How much of a long line is shown before the fault.
const EXCERPT_CHARS_BEFORE: usize = 60;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, one line.
    pub message: String,
    /// What would put it right, one line.
    pub hint: Option<String>,
    /// The line with a caret under the place, two lines of text. Credentials in it are masked.
    pub excerpt: String,
}

/// Everything that is wrong with a set of files, in order of file and place; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl Fault {
    /// A fault at the bytes `span` of `source`.
    pub fn at(source: &Source, span: Range<usize>, message: String, hint: Option<String>) -> Self {
        let text = source.text.as_str();
        let start = text.floor_char_boundary(span.start);
        let end = text.floor_char_boundary(span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line = text[..line_start].bytes().filter(|&byte| byte == b'\n').count() + 1;
        let before = text[line_start..start].chars().count();
        let width = text[start..end.min(line_end)].trim_end().chars().count().max(1);
        let excerpt = excerpt(line, text[line_start..line_end].trim_end_matches('\r'), before, width);
        Self { file: source.file.clone(), line, column: before + 1, message, hint, excerpt }
    }
}

/// The line of `text` at this place, both from 1, with a caret under the column: two lines of text.
#[must_use]
pub fn excerpt_at(text: &str, line: usize, column: usize) -> String {
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    excerpt(line, shown, column.saturating_sub(1).min(shown.chars().count()), 1)
}

/// `line` under its number, and a caret `width` wide after `before` characters of it.
fn excerpt(number: usize, line: &str, before: usize, width: usize) -> String {
    let cut = if before > EXCERPT_CHARS_MAX { before - EXCERPT_CHARS_BEFORE } else { 0 };
    let shown: String = mask_credentials(line).chars().skip(cut).take(EXCERPT_CHARS_MAX).map(printable).collect();
    let indent = before - cut;
    let width = width.min(EXCERPT_CHARS_MAX.saturating_sub(indent)).max(1);
    format!("{number:>5} | {shown}\n      | {}{}", " ".repeat(indent), "^".repeat(width))
}

/// Keeps one column per character and control characters out of terminals.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// Hides the user part of a URL (`redis://user:password@host`) behind as many asterisks, so that columns stay.
pub fn mask_credentials(line: &str) -> String {
    let Some(end) = line.rfind('@') else { return line.to_owned() };
    let scheme = line[..end].find("://").map(|at| at + "://".len());
    let start = scheme.or_else(|| line[..end].find(['"', '\'']).map(|at| at + 1)).unwrap_or(0);
    let stars: String = line[start..end].chars().map(|_| '*').collect();
    format!("{}{stars}{}", &line[..start], &line[end..])
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, hint, excerpt } = self;
        write!(f, "{file}:{line}:{column}: {message}\n{excerpt}")?;
        match hint {
            Some(hint) => write!(f, "\n      = hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str, span: Range<usize>) -> Fault {
        let source = Source { file: "a.toml".into(), text: text.into() };
        Fault::at(&source, span, "no good".into(), Some("better".into()))
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let fault = fault("a = 1\r\nü = \"x\"\r\n", 8 + 4..8 + 7);
        assert_eq!((fault.line, fault.column), (2, 5));
        assert_eq!(fault.to_string(), "a.toml:2:5: no good\n    2 | ü = \"x\"\n      |     ^^^\n      = hint: better");
    }

    #[test]
    fn places_at_or_past_the_end_are_shown() {
        assert_eq!((fault("", 0..0).line, fault("", 0..0).column), (1, 1));
        assert_eq!((fault("ab\n", 3..3).line, fault("ab", 9..12).column), (2, 3));
    }

    #[test]
    fn long_lines_are_cut_around_the_fault() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let fault = fault(&text, 500..501);
        let lines: Vec<&str> = fault.excerpt.lines().collect();
        assert_eq!(lines[0].chars().count(), "    1 | ".len() + EXCERPT_CHARS_MAX);
        assert_eq!(lines[0].find('X'), lines[1].find('^'));
    }

    #[test]
    fn a_place_is_shown_in_any_text() {
        assert_eq!(excerpt_at("{\n  \"ä\": x\n}", 2, 8), "    2 |   \"ä\": x\n      |        ^");
        assert_eq!(excerpt_at("", 7, 9), "    7 | \n      | ^");
    }

    #[test]
    fn excerpts_hide_passwords_and_control_characters() {
        assert_eq!(mask_credentials("url = \"redis://u:pä@h:1\""), "url = \"redis://****@h:1\"");
        assert_eq!(mask_credentials("url = \"redis//u:p@h:1\""), "url = \"**********@h:1\"");
        assert!(!fault("a = \u{1b}[31m", 0..1).excerpt.contains('\u{1b}'));
    }
}
