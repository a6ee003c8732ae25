//! `[error_pages.NAME]`: what a client reads when the router itself answers.

use std::ops::RangeInclusive;

use http::HeaderValue;
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, choice_hint, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{boolean, text, text_up_to};

use super::status;
use crate::limits::{ERROR_PAGE_TYPE_DEFAULT, ErrorPage, PagePart};

/// Largest page; it is held in memory and copied into answers.
pub(crate) const PAGE_BYTES_MAX: usize = 64 << 10;
/// Statuses that the router answers by itself and that may have a page.
const PAGE_STATUS_RANGE: RangeInclusive<u64> = 400..=599;
/// What may stand in braces.
const PLACEHOLDERS: [(&str, PagePart); 3] =
    [("status", PagePart::Status), ("reason", PagePart::Reason), ("request_id", PagePart::RequestId)];

pub(crate) const SHAPE: Shape = Shape::new(
    "[error_pages.NAME]",
    &[
        Key::required(
            "statuses",
            Form::List(&Form::Either(&[Form::Integer(PAGE_STATUS_RANGE), status::RANGE_TEXT]), 1, status::STATUSES_MAX),
            "Statuses and ranges of them, e.g. `[404, \"500-599\"]`",
        ),
        Key::default(
            "default",
            Form::Boolean,
            "false",
            "Whether it serves every route that names no page, and requests without a route; one for each status and media type, of which the client chooses",
        ),
        Key::default(
            "content_type",
            Form::Text("a media type", "^[^/]+/.+$"),
            "\"text/html; charset=utf-8\"",
            "`Content-Type`",
        ),
        Key::required("body", Form::LongText(PAGE_BYTES_MAX), "Text around `{status}`, `{reason}` and `{request_id}`"),
    ],
);

/// A page and where its name stands.
pub(crate) struct ErrorPageDraft {
    pub(crate) page: ErrorPage,
    pub(crate) place: Place,
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<ErrorPageDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let statuses = keys.required(
        reader,
        "statuses",
        "write the statuses it is for: statuses = [404, \"500-599\"]",
        |reader, value| status::ranges(reader, value, &PAGE_STATUS_RANGE),
    );
    let is_default = keys.optional(reader, "default", boolean).unwrap_or(false);
    let content_type = keys.optional(reader, "content_type", content_type);
    let body = keys.required(reader, "body", "write body = \"<h1>{status}</h1>\"", body);
    keys.finish(reader);
    let content_type = content_type.unwrap_or(HeaderValue::from_static(ERROR_PAGE_TYPE_DEFAULT));
    let page = ErrorPage { name: name.text, statuses: statuses?, is_default, content_type, body: body? };
    Some(ErrorPageDraft { page, place: name.place })
}

/// Reports every default page that is for a status which an earlier one of the same media type serves already: of two
/// types the client chooses.
pub(crate) fn check_defaults(reader: &mut Reader<'_>, pages: &[ErrorPageDraft]) {
    let defaults: Vec<&ErrorPageDraft> = pages.iter().filter(|draft| draft.page.is_default).collect();
    for (index, later) in defaults.iter().enumerate() {
        let mut rivals = defaults[..index].iter().filter(|earlier| media_type(earlier) == media_type(later));
        let clash = rivals.find_map(|earlier| {
            let shared = |range| status::first_shared(range, &earlier.page.statuses);
            later.page.statuses.iter().find_map(shared).map(|status| (earlier, status))
        });
        if let Some((earlier, status)) = clash {
            let first = reader.show(&earlier.place);
            let hint =
                format!("keep one of the two as default; the other is {} at {first}", quoted(&earlier.page.name));
            reader.fault(&later.place, format!("a second default page for status {status}"), hint);
        }
    }
}

/// The type without its parameters.
fn media_type(draft: &ErrorPageDraft) -> Vec<u8> {
    let whole = draft.page.content_type.as_bytes();
    whole.split(|byte| *byte == b';').next().unwrap_or(whole).trim_ascii().to_ascii_lowercase()
}

fn content_type(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<HeaderValue> {
    let Named { text, place } = text(reader, value)?;
    let is_type = text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
    let parsed = HeaderValue::from_str(&text).ok().filter(|_| is_type);
    if parsed.is_none() {
        let hint = "write a media type such as \"text/html; charset=utf-8\"";
        reader.fault(&place, format!("{} is no content type", quoted(&text)), hint);
    }
    parsed
}

fn body(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<PagePart>> {
    let Named { text, place } = text_up_to(reader, value, PAGE_BYTES_MAX)?;
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text.as_str();
    while let Some(open) = rest.find('{') {
        literal.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some(word) = braced_word(rest) else {
            literal.push('{');
            rest = &rest[1..];
            continue;
        };
        match PLACEHOLDERS.iter().find(|(known, _)| *known == word) {
            Some((_, part)) => {
                push_text(&mut parts, &mut literal);
                parts.push(part.clone());
            }
            None => {
                let known: Vec<&str> = PLACEHOLDERS.iter().map(|(known, _)| *known).collect();
                reader.fault(&place, format!("nothing is known to stand for `{{{word}}}`"), choice_hint(word, &known));
            }
        }
        rest = &rest[word.len() + "{}".len()..];
    }
    literal.push_str(rest);
    push_text(&mut parts, &mut literal);
    Some(parts)
}

fn push_text(parts: &mut Vec<PagePart>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(PagePart::Text(std::mem::take(literal)));
    }
}

/// The word in the braces that `text` begins with. Braces around anything else, such as those of CSS and JSON, are text.
fn braced_word(text: &str) -> Option<&str> {
    let (word, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then_some(word)
}
