//! One change as it is told by `watch` and `history`, and the changes of a document as they are told by `import`.

use serde_json::Value;
use sluice_control::{ChangeKind, FlagChange, flag_changes};
use sluice_model::audit::AuditEntry;
use sluice_snapshot::time::rfc3339;

use crate::terminal::Paint;

/// Digits of a time that a person reads: to the second, without the zone, which is UTC.
const TIME_DIGITS: usize = "0000-00-00T00:00:00".len();

/// Flag by flag, a line each.
pub(super) fn lines(changes: &[FlagChange], paint: Paint) -> Vec<String> {
    let line = |change: &FlagChange| {
        let parts = if change.parts.is_empty() { String::new() } else { format!("  {}", change.parts.join("; ")) };
        match change.kind {
            ChangeKind::Added => format!("{} {}{parts}", paint.green("+"), change.key),
            ChangeKind::Removed => format!("{} {}{parts}", paint.red("-"), change.key),
            ChangeKind::Changed => format!("{} {}{parts}", paint.yellow("~"), change.key),
        }
    };
    changes.iter().map(line).collect()
}

/// A change of a flag or a set; `None` = of something else.
pub(super) fn told(entry: &AuditEntry, paint: Paint) -> Option<String> {
    let (old, new) = (entry.old.as_deref(), entry.new.as_deref());
    let (what, below) = if let Some(name) = entry.key.strip_prefix("flag:") {
        (format!("{}  {} -> {}", paint.bold(name), old.unwrap_or("none"), new.unwrap_or("none")), Vec::new())
    } else {
        let set = entry.key.strip_prefix("flags:")?;
        let (what, below) = document(old, new, paint);
        (format!("set {}  {what}", paint.bold(set)), below)
    };
    let time = rfc3339(entry.at_ms).as_str()[..TIME_DIGITS].replace('T', " ");
    let why = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
    let mut text = format!("{}  {what}  {}", paint.dim(&time), paint.dim(&format!("by {}{why}", entry.by)));
    for line in below {
        text.push_str("\n    ");
        text.push_str(&line);
    }
    Some(text)
}

fn document(old: Option<&str>, new: Option<&str>, paint: Paint) -> (String, Vec<String>) {
    let is_whole = |text: Option<&str>| text.is_none_or(|text| serde_json::from_str::<Value>(text).is_ok());
    let what = match (old, new) {
        (None, Some(_)) => "defined",
        (Some(_), None) => return ("removed".to_owned(), Vec::new()),
        (_, _) => "changed",
    };
    if !is_whole(old) || !is_whole(new) {
        return (format!("{what} (too long to be told flag by flag, or no JSON)"), Vec::new());
    }
    let changes = flag_changes(old, new);
    if changes.is_empty() {
        return (format!("{what} in its wording only"), Vec::new());
    }
    (what.to_owned(), lines(&changes, paint))
}

/// True if the change is one of `key`, as far as that can be said.
pub(super) fn concerns(entry: &AuditEntry, key: &str) -> bool {
    if entry.key.strip_prefix("flag:") == Some(key) {
        return true;
    }
    let changes = flag_changes(entry.old.as_deref(), entry.new.as_deref());
    changes.is_empty() || changes.iter().any(|change| change.key == key || change.key.starts_with('$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, old: Option<&str>, new: Option<&str>, reason: &str) -> AuditEntry {
        AuditEntry {
            id: "1-0".to_owned(),
            at_ms: 1_000,
            by: "admin at ::1".to_owned(),
            key: key.to_owned(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_change_says_when_what_who_and_why() {
        let told = |entry| told(&entry, Paint::none());
        assert_eq!(
            told(entry("flag:featureFlags", Some("false"), Some("true"), "launch")).unwrap(),
            "1970-01-01 00:00:01  featureFlags  false -> true  by admin at ::1: launch"
        );
        let (old, new) = (r#"{"flags": {"a": {"state": "ENABLED"}}}"#, r#"{"flags": {"a": {"state": "DISABLED"}}}"#);
        assert_eq!(
            told(entry("flags:shop", Some(old), Some(new), "")).unwrap(),
            "1970-01-01 00:00:01  set shop  changed  by admin at ::1\n    ~ a  state: \"ENABLED\" -> \"DISABLED\""
        );
        assert!(told(entry("flags:shop", Some(old), Some("{\"fla"), "")).unwrap().contains("too long"));
        assert_eq!(told(entry("rollout:demo", None, None, "")), None);
    }

    #[test]
    fn a_change_of_a_document_concerns_the_flags_that_it_changes() {
        let (old, new) = (r#"{"flags": {"a": {"state": 1}, "b": {}}}"#, r#"{"flags": {"a": {"state": 2}, "b": {}}}"#);
        let change = entry("flags:shop", Some(old), Some(new), "");
        assert!(concerns(&change, "a") && !concerns(&change, "b"));
        assert!(concerns(&entry("flag:a", None, None, ""), "a"));
    }
}
