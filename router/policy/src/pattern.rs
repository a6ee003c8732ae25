//! Regular expressions of a policy: compiled to a table once, matched with one look-up per byte.
//!
//! A pattern must match the whole text, as in Envoy and the Gateway API implementations built on it. It speaks of bytes:
//! classes and case are those of ASCII. Matching takes no lock, allocates nothing and is linear in the text, whatever the
//! pattern; what a pattern may cost in memory is bounded when it is compiled.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_syntax::hir::{Hir, Look};

/// Largest table of one pattern: about a thousand states of an ordinary path pattern.
pub const TABLE_BYTES_MAX: usize = 64 << 10;
/// Largest program that a table is made from.
const PROGRAM_BYTES_MAX: usize = 256 << 10;
/// Memory that the making of a table may take.
const COMPILE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of groups; a bound on the parser's stack.
const NESTING_MAX: u32 = 50;

/// A regular expression that the whole of a text must match. Equal if written alike.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    table: Arc<dense::DFA<Vec<u32>>>,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Not in the syntax of the crate `regex`.
    #[error("{message} at character {at}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// Where, in characters from 1.
        at: usize,
    },
    /// Its table would be larger than [`TABLE_BYTES_MAX`].
    #[error("its table would be larger than {TABLE_BYTES_MAX} bytes")]
    TooLarge,
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternFault`] if it is no pattern or too large a one.
    pub fn new(text: &str) -> Result<Self, PatternFault> {
        let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(NESTING_MAX).build();
        let parsed = parser.parse(text).map_err(|error| syntax_fault(&error))?;
        let whole = Hir::concat(vec![parsed, Hir::look(Look::End)]);
        let program = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(PROGRAM_BYTES_MAX))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build_from_hir(&whole)
            .map_err(|_| PatternFault::TooLarge)?;
        let limits = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .accelerate(false)
            .dfa_size_limit(Some(TABLE_BYTES_MAX))
            .determinize_size_limit(Some(COMPILE_BYTES_MAX));
        let table = dense::Builder::new().configure(limits).build_from_nfa(&program);
        Ok(Self { text: text.into(), table: Arc::new(table.map_err(|_| PatternFault::TooLarge)?) })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True if it matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.matches_bytes(text.iter().copied())
    }

    /// Like [`Pattern::matches`], of a text that is made byte by byte.
    pub(crate) fn matches_bytes(&self, text: impl Iterator<Item = u8>) -> bool {
        let Ok(mut state) = self.table.start_state(&start::Config::new().anchored(Anchored::Yes)) else { return false };
        for byte in text {
            state = self.table.next_state(state, byte);
            if self.table.is_dead_state(state) {
                return false;
            }
        }
        self.table.is_match_state(self.table.next_eoi_state(state))
    }
}

fn syntax_fault(error: &regex_syntax::Error) -> PatternFault {
    let (message, at) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.column),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.column),
        other => (other.to_string(), 1),
    };
    PatternFault::Syntax { message, at }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(text.as_bytes())
    }

    #[test]
    fn the_whole_text_must_match() {
        assert!(matches("/cats/[0-9]+", "/cats/7"));
        for other in ["/cats/", "/cats/7/", "/a/cats/7", "/cats/7a", ""] {
            assert!(!matches("/cats/[0-9]+", other), "{other}");
        }
        assert!(matches("a|ab", "ab"), "the longest branch, not the first");
        assert!(matches("", "") && !matches("", "a"));
        assert!(matches("^/a$", "/a") && !matches("^/a$", "/a\n"));
        assert!(matches("(?i)tom", "TOM") && matches("x(?x) y # z", "xy"));
        assert!(matches(r"\bcat\b.*", "cat food") && !matches(r"\bcat\b.*", "cats"));
    }

    #[test]
    fn patterns_speak_of_bytes() {
        assert!(matches("é", "é") && matches("..", "é") && !matches(".", "é"));
        assert!(!matches(r"\w+", "é") && Pattern::new(".*").unwrap().matches(b"\xFF"));
    }

    #[test]
    fn a_fault_says_where() {
        let fault = Pattern::new("/a(b").unwrap_err();
        assert_eq!(fault.to_string(), "unclosed group at character 3");
        assert!(matches!(Pattern::new("[z-a]"), Err(PatternFault::Syntax { at: 2, .. })));
        assert!(matches!(Pattern::new("a)(b"), Err(PatternFault::Syntax { .. })));
        assert!(matches!(Pattern::new(r"(a)\1"), Err(PatternFault::Syntax { .. })), "no back references");
    }

    #[test]
    fn what_a_pattern_costs_is_bounded() {
        for greedy in ["[ab]*a[ab]{20}", "(a{1000}){1000}", "a{5000}"] {
            assert_eq!(Pattern::new(greedy), Err(PatternFault::TooLarge), "{greedy}");
        }
        assert!(Pattern::new(&"(".repeat(1_000)).is_err());
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(51), ")".repeat(51))).is_err());
        assert!(matches("([a-z]+)*!", &("a".repeat(100_000) + "!")), "linear, whatever the pattern");
        assert!(matches("/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "/01234567-89ab-cdef-0123-456789abcdef"));
    }
}
