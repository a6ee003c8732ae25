//! What is about to stand in the audit log: a change without its place and time, which the store settles.

use serde::{Deserialize, Serialize};
use sluice_model::alert::DeadLetter;
use sluice_model::audit::{AUDIT_VALUE_BYTES_MAX, AuditEntry, Author};
use sluice_model::rollout::{LINE_BYTES_MAX, Rollout};

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) by: String,
    pub(crate) key: String,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
    pub(crate) reason: String,
}

impl Record {
    /// `author` changes what stands under `key`, e.g. `flag:NAME`.
    pub(crate) fn new(author: Author<'_>, key: String) -> Self {
        Self { by: line(author.by), key, old: None, new: None, reason: line(author.reason) }
    }

    /// The alert of a dead letter is delivered again.
    pub(crate) fn replay(letter: &DeadLetter, by: &str, reason: &str) -> Self {
        let record = Self::new(Author { by, reason }, format!("alert:{}", letter.alert.id));
        record.old(Some(&letter.error)).new_value(Some(&format!("replayed for {}", letter.sink)))
    }

    /// The value before; none = there was none.
    pub(crate) fn old(self, value: Option<&str>) -> Self {
        Self { old: value.map(beginning), ..self }
    }

    /// The value after; none = it is gone.
    pub(crate) fn new_value(self, value: Option<&str>) -> Self {
        Self { new: value.map(beginning), ..self }
    }

    /// As it stands in the log.
    pub(crate) fn entry(self, id: String, at_ms: u64) -> AuditEntry {
        let Self { by, key, old, new, reason } = self;
        AuditEntry { id, at_ms, by, key, old, new, reason }
    }
}

/// A rollout as a value in the log.
pub(crate) fn rollout_text(rollout: &Rollout) -> String {
    let step = rollout.position.map_or_else(String::new, |position| format!(" step {}", position.step + 1));
    format!("{}{step} {}", rollout.state, rollout.slots)
}

/// As much of a value as the log keeps.
fn beginning(value: &str) -> String {
    value[..value.floor_char_boundary(AUDIT_VALUE_BYTES_MAX)].to_owned()
}

/// One line, as long as those of a rollout.
fn line(text: &str) -> String {
    text[..text.floor_char_boundary(LINE_BYTES_MAX)].replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use sluice_model::weight::BasisPoints;

    use super::*;

    #[test]
    fn values_and_lines_end_at_their_bounds_between_characters() {
        let umlauts = "\u{e4}".repeat(AUDIT_VALUE_BYTES_MAX);
        let author = Author { by: &umlauts, reason: "two\nlines" };
        let record = Record::new(author, "flag:a".into()).old(Some(&umlauts)).new_value(None);
        assert_eq!(record.by.len(), LINE_BYTES_MAX);
        assert_eq!(record.old.map(|old| old.len()), Some(AUDIT_VALUE_BYTES_MAX));
        assert_eq!((record.new, &*record.reason), (None, "two lines"));
        let odd = format!("x{umlauts}");
        let record = Record::new("op".into(), "flag:a".into()).new_value(Some(&odd));
        assert_eq!(record.new.map(|new| new.len()), Some(AUDIT_VALUE_BYTES_MAX - 1));
    }

    #[test]
    fn a_rollout_reads_as_where_it_stands() {
        let rollout = Rollout::initial(BasisPoints::new(2_500).unwrap(), String::new(), "test", 0);
        assert_eq!(rollout_text(&rollout), "running @canary*2500 @stable*7500");
    }
}
