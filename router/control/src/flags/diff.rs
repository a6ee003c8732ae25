//! What changes between two documents of flag definitions, flag by flag, for people.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 80;
/// Members of a flag, in the order in which a change of them is told.
const MEMBERS: [&str; 5] = ["state", "defaultVariant", "variants", "targeting", "metadata"];
/// Members of the document beside its flags.
const SHARED: [&str; 2] = ["$evaluators", "metadata"];

/// What becomes of one flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagChange {
    /// Its key; `$evaluators` and `metadata` stand for those of the whole document.
    pub key: String,
    /// How it changes.
    pub kind: ChangeKind,
    /// Member by member, e.g. `defaultVariant: "off" -> "on"`.
    pub parts: Vec<String>,
}

/// How something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It comes.
    Added,
    /// It goes.
    Removed,
    /// It is another one.
    Changed,
}

/// What changes from `old` to `new`, by key; a document that is absent, or no JSON, has no flags.
#[must_use]
pub fn flag_changes(old: Option<&str>, new: Option<&str>) -> Vec<FlagChange> {
    let read = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let (old, new) = (read(old), read(new));
    let mut changes = between(&members(&old["flags"]), &members(&new["flags"]), &MEMBERS);
    let shared = |document: &Value| -> Map<String, Value> {
        SHARED.iter().filter_map(|name| Some(((*name).to_owned(), document.get(name)?.clone()))).collect()
    };
    changes.extend(between(&shared(&old), &shared(&new), &[]));
    changes
}

fn between(old: &Map<String, Value>, new: &Map<String, Value>, known: &[&str]) -> Vec<FlagChange> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |key: &&String| {
        let (kind, parts) = match (old.get(*key), new.get(*key)) {
            (None, Some(new)) => (ChangeKind::Added, whole(new, known)),
            (Some(_), None) => (ChangeKind::Removed, Vec::new()),
            (Some(old), Some(new)) if old != new => (ChangeKind::Changed, parts(old, new, known)),
            (_, _) => return None,
        };
        Some(FlagChange { key: (*key).clone(), kind, parts })
    };
    keys.iter().filter_map(change).collect()
}

/// What a new flag is, in a few words.
fn whole(new: &Value, known: &[&str]) -> Vec<String> {
    let told = known.iter().filter(|name| **name != "targeting" && **name != "metadata");
    let mut parts: Vec<String> =
        told.filter_map(|name| new.get(name).map(|value| format!("{name}: {}", shown(value)))).collect();
    if new.get("targeting").is_some_and(|rule| rule.as_object().is_some_and(|rule| !rule.is_empty())) {
        parts.push("with targeting".to_owned());
    }
    parts
}

fn parts(old: &Value, new: &Value, known: &[&str]) -> Vec<String> {
    if known.is_empty() {
        return vec![format!("{} -> {}", shown(old), shown(new))];
    }
    let (old, new) = (members(old), members(new));
    let others = old.keys().chain(new.keys()).map(String::as_str).filter(|name| !known.contains(name));
    let others: BTreeSet<&str> = others.collect();
    let part = |name: &str| match (old.get(name), new.get(name)) {
        (old, new) if old == new => None,
        (None, Some(new)) => Some(format!("{name}: + {}", shown(new))),
        (Some(old), None) => Some(format!("{name}: - {}", shown(old))),
        (Some(old), Some(new)) => Some(format!("{name}: {} -> {}", shown(old), shown(new))),
        (None, None) => None,
    };
    known.iter().copied().chain(others).filter_map(part).collect()
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_go_and_change_member_by_member() {
        let old = r#"{"flags": {
            "a": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
            "gone": {}, "same": {"state": "ENABLED"}}, "metadata": {"owner": "x"}}"#;
        let new = r#"{"flags": {
            "a": {"state": "DISABLED", "variants": {"off": false, "on": true}, "defaultVariant": "on", "targeting": {"var": "x"}},
            "new": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": {"if": []}},
            "same": {"state": "ENABLED"}}, "metadata": {"owner": "y"}}"#;
        let changes = flag_changes(Some(old), Some(new));
        let told: Vec<(&str, ChangeKind, String)> =
            changes.iter().map(|change| (&*change.key, change.kind, change.parts.join("; "))).collect();
        assert_eq!(
            told,
            [
                (
                    "a",
                    ChangeKind::Changed,
                    r#"state: "ENABLED" -> "DISABLED"; defaultVariant: "off" -> "on"; targeting: + {"var":"x"}"#
                        .to_owned()
                ),
                ("gone", ChangeKind::Removed, String::new()),
                (
                    "new",
                    ChangeKind::Added,
                    r#"state: "ENABLED"; defaultVariant: "on"; variants: {"on":true}; with targeting"#.to_owned()
                ),
                ("metadata", ChangeKind::Changed, r#"{"owner":"x"} -> {"owner":"y"}"#.to_owned()),
            ]
        );
        assert_eq!(flag_changes(Some(old), Some(old)), []);
        assert_eq!(flag_changes(None, Some("no json")), []);
    }
}
