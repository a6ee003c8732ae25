//! One flag of a document is edited: the bytes of that member change, and every other byte stays as its author wrote it.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Why a document was not edited.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// It is not a JSON object of objects.
    #[error("the document is no flag definition")]
    Document(#[from] serde_json::Error),
    /// It has no such flag.
    #[error("the document has no flag `{0}`")]
    NoFlag(String),
}

/// Members of a JSON object as they stand in the text; of a key that stands there twice the last one counts, as it does
/// for everyone who reads the document.
type Members<'t> = BTreeMap<String, &'t RawValue>;

/// `text` with `member` of `flag` set to `value`.
///
/// # Errors
/// [`EditError`]
pub(crate) fn with_member(text: &str, flag: &str, member: &str, value: &Value) -> Result<String, EditError> {
    let flag = find(text, flag)?.ok_or_else(|| EditError::NoFlag(flag.to_owned()))?;
    let members: Members<'_> = serde_json::from_str(flag.get())?;
    let value = value.to_string();
    if let Some(old) = members.get(member) {
        let start = offset(text, old.get());
        let end = start + old.get().len();
        return Ok(format!("{}{value}{}", &text[..start], &text[end..]));
    }
    // A new member stands first, indented like the one that stood there.
    let inside = offset(text, flag.get()) + 1;
    let rest = &text[inside..];
    let indent = &rest[..rest.len() - rest.trim_start().len()];
    let comma = if members.is_empty() { "" } else { "," };
    Ok(format!("{}{indent}\"{member}\": {value}{comma}{rest}", &text[..inside]))
}

/// Line and column, from 1, at which `flag` stands in `text`.
pub(crate) fn place(text: &str, flag: &str) -> Option<(usize, usize)> {
    let raw = find(text, flag).ok()??;
    let before = &text[..offset(text, raw.get())];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

fn find<'t>(text: &'t str, flag: &str) -> Result<Option<&'t RawValue>, serde_json::Error> {
    let document: Members<'_> = serde_json::from_str(text)?;
    let Some(flags) = document.get("flags") else { return Ok(None) };
    let flags: Members<'_> = serde_json::from_str(flags.get())?;
    Ok(flags.get(flag).copied())
}

/// Where `part`, which is a part of `text`, begins.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "{ // no\n";
    const DOCUMENT: &str = r#"{
  "flags": {
    "a":   { "state": "ENABLED",  "variants": {"on": true, "off": false}, "defaultVariant":"off", "z": 1.50e1 },
    "\u0062": {
      "variants": {"defaultVariant": 1}, "state": "ENABLED"
    }
  }, "metadata": {"é": 1}
}
"#;

    #[test]
    fn nothing_else_of_the_document_changes() {
        let edited = with_member(DOCUMENT, "a", "defaultVariant", &json!("on")).unwrap();
        assert_eq!(edited, DOCUMENT.replace("\"defaultVariant\":\"off\"", "\"defaultVariant\":\"on\""));
        let added = with_member(DOCUMENT, "b", "defaultVariant", &json!("x\"y")).unwrap();
        let expected = "{\n      \"defaultVariant\": \"x\\\"y\",\n      \"variants\"";
        assert_eq!(added, DOCUMENT.replace("{\n      \"variants\"", expected));
        assert_eq!(serde_json::from_str::<Value>(&added).unwrap()["flags"]["b"]["defaultVariant"], "x\"y");
    }

    #[test]
    fn what_cannot_be_edited_is_told() {
        assert!(matches!(with_member(DOCUMENT, "c", "state", &json!(1)), Err(EditError::NoFlag(_))));
        assert!(matches!(with_member(TEXT, "a", "state", &json!(1)), Err(EditError::Document(_))));
        assert!(matches!(with_member("{\"flags\": 3}", "a", "state", &json!(1)), Err(EditError::Document(_))));
        assert!(matches!(with_member("{}", "a", "state", &json!(1)), Err(EditError::NoFlag(_))));
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_one_is_edited() {
        let twice = r#"{"flags": {"a": {"state": 1}, "a": {"state": 2}}}"#;
        let edited = with_member(twice, "a", "state", &json!(3)).unwrap();
        assert_eq!(edited, r#"{"flags": {"a": {"state": 1}, "a": {"state": 3}}}"#);
    }

    #[test]
    fn a_flag_has_a_place() {
        assert_eq!(place(DOCUMENT, "a"), Some((3, 12)));
        assert_eq!(place(DOCUMENT, "b"), Some((4, 15)));
        assert_eq!(place(DOCUMENT, "c"), None);
    }
}
