//! What must come of a case, in the words in which the result is told.

use std::ops::RangeInclusive;

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value, choice_hint, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{TEXT_BYTES_MAX, boolean, expected, integer, list, text};
use toml::de::DeValue;

use super::request::BODY_TEXT_BYTES_MAX;
use crate::plugin_tests::CaseExpect;

/// Most entries of each list, and most header fields.
pub(crate) const ENTRIES_MAX: usize = 64;
/// Statuses of a plugin's own answer (`plugin.wit`).
const STATUS_RANGE: RangeInclusive<u64> = 200..=599;
/// Verdicts that are one word; `variant:NAME` is the other one.
const VERDICTS: [&str; 5] = ["next", "respond", "variant:NAME", "failed", "refused"];
/// What an edit begins with.
const EDITS: [&str; 6] = ["set", "append", "remove", "path", "query", "status"];
/// What an effect begins with.
const EFFECTS: [&str; 3] = ["alert", "add", "tag"];

pub(crate) const SHAPE: Shape = Shape::new(
    "expect of a case",
    &[
        Key::optional(
            "verdict",
            Form::Text(
                "`next`, `respond`, `variant:NAME`, `failed` or `refused`",
                "^(next|respond|failed|refused|variant:.+)$",
            ),
            "What it decides: goes on, answers, chooses a variant, fails, or refuses new state",
        ),
        Key::optional("status", Form::Integer(STATUS_RANGE), "Status of its own answer"),
        Key::optional("body", Form::LongText(BODY_TEXT_BYTES_MAX), "Body of its own answer"),
        Key::default(
            "headers",
            Form::Map(&Form::LongText(TEXT_BYTES_MAX), ENTRIES_MAX),
            "{}",
            "Header fields of its own answer, among others",
        ),
        Key::optional(
            "edits",
            Form::List(&Form::Text("an edit", "^(set|append|remove|path|query|status)( .*)?$"), 0, ENTRIES_MAX),
            "All edits, in order: `set x-a: 1`, `append x-a: 2`, `remove x-b`, `path /c`, `query d=1`, `status 404`",
        ),
        Key::optional(
            "effects",
            Form::List(&Form::Text("an effect", "^(alert|add|tag) .+$"), 0, ENTRIES_MAX),
            "All effects, in order: `alert RULE`, `alert RULE, abort`, `add NAME VALUE`, `tag TEXT`",
        ),
        Key::optional("log", Form::List(&Form::text("a line"), 0, ENTRIES_MAX), "All log lines, in order"),
        Key::optional("called", Form::Boolean, "Whether it is called in any phase"),
    ],
);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<CaseExpect> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let verdict = keys.optional(reader, "verdict", verdict);
    let status = keys.optional(reader, "status", |reader, value| integer(reader, value, &STATUS_RANGE));
    let body = keys.optional(reader, "body", |reader, value| long_text(reader, value, BODY_TEXT_BYTES_MAX));
    let headers = keys.optional(reader, "headers", headers).unwrap_or_default();
    let edits = keys.optional(reader, "edits", |reader, value| sentences(reader, value, "edit", &EDITS));
    let effects = keys.optional(reader, "effects", |reader, value| sentences(reader, value, "effect", &EFFECTS));
    let log = keys.optional(reader, "log", |reader, value| {
        list(reader, value, ENTRIES_MAX, |reader, value| text(reader, value).map(|line| line.text))
    });
    let is_called = keys.optional(reader, "called", boolean);
    keys.finish(reader);
    Some(CaseExpect { verdict, status, body, headers, edits, effects, log, is_called })
}

fn verdict(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let Named { text, place } = text(reader, value)?;
    let is_variant = text.strip_prefix("variant:").is_some_and(|name| !name.is_empty());
    if is_variant || (VERDICTS.contains(&text.as_str()) && !text.contains(':')) {
        return Some(text);
    }
    reader.fault(&place, format!("{} is no verdict", quoted(&text)), choice_hint(&text, &VERDICTS));
    None
}

/// Texts of which each begins with one of `words`.
fn sentences<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, what: &str, words: &[&str]) -> Option<Vec<String>> {
    list(reader, value, ENTRIES_MAX, |reader, value| {
        let Named { text, place } = text(reader, value)?;
        let (first, _) = text.split_once(' ').unwrap_or((&text, ""));
        if !words.contains(&first) {
            reader.fault(&place, format!("{} is no {what}", quoted(&text)), choice_hint(first, words));
            return None;
        }
        Some(text)
    })
}

fn headers<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<(String, String)>> {
    let place = reader.place_of(value);
    let DeValue::Table(table) = value.get_ref() else {
        return expected(reader, &place, "a table of names and values", value.get_ref());
    };
    if table.len() > ENTRIES_MAX {
        reader.fault(&place, format!("more than {ENTRIES_MAX} entries"), "leave some out");
    }
    let line = |(name, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &'d Value<'d>)| {
        Some((name.get_ref().to_ascii_lowercase(), long_text(reader, value, TEXT_BYTES_MAX)?))
    };
    Some(table.iter().take(ENTRIES_MAX).filter_map(line).collect())
}

/// A text, which may be empty.
fn long_text(reader: &mut Reader<'_>, value: &Value<'_>, bytes_max: usize) -> Option<String> {
    let place = reader.place_of(value);
    match value.get_ref() {
        DeValue::String(text) if text.len() <= bytes_max => Some(text.as_ref().to_owned()),
        DeValue::String(_) => {
            reader.fault(&place, format!("longer than {bytes_max} bytes"), "shorten it");
            None
        }
        other => expected(reader, &place, "a string", other),
    }
}
