//! Regular expressions of matches.

use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::values::text;

use crate::pattern::{Pattern, PatternFault};

/// Most regular expressions in all files together. Those of paths are tried one after the other, and each may take the
/// memory of [`crate::pattern::TABLE_BYTES_MAX`].
pub(crate) const PATTERNS_MAX: usize = 1_000;

/// A regular expression that the whole of a path or value must match.
pub(crate) fn pattern(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Pattern> {
    let Named { text, place } = text(reader, value)?;
    let count = reader.count_pattern();
    if count > PATTERNS_MAX {
        if count == PATTERNS_MAX + 1 {
            let message = format!("more than {PATTERNS_MAX} regular expressions");
            reader.fault(&place, message, "match by exact paths and prefixes, which cost nothing");
        }
        return None;
    }
    let fault = match Pattern::new(&text) {
        Ok(pattern) => return Some(pattern),
        Err(fault) => fault,
    };
    let hint = match fault {
        PatternFault::Syntax { .. } => "the syntax is that of the crate `regex`, of bytes",
        PatternFault::TooLarge => "shorten its repetitions",
    };
    reader.fault(&place, format!("{} is no pattern: {fault}", quoted(&text)), hint);
    None
}
