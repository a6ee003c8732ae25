//! The request of a case, its body, and what a server answers.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use http::{Method, StatusCode};
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, METHOD, Rule, Shape};
use sluice_document::values::{TEXT_BYTES_MAX, boolean, integer, text, text_up_to};

use super::super::expectation::{HEADERS_MAX, headers, url};
use super::super::header_edits::LINES_MAX;
use super::super::matching::method;
use crate::plugin_tests::{BodyContent, CHUNK_BYTES_DEFAULT, CaseBody, CaseRequest, CaseResponse};

/// Longest text of a body, or of an expected one.
pub(crate) const BODY_TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a body, up to 1 TiB: only what a plugin is shown is ever made.
const BODY_RANGE: RangeInclusive<u64> = 0..=1 << 40;
/// Bytes of a chunk, up to 1 MiB.
const CHUNK_RANGE: RangeInclusive<u64> = 1..=1 << 20;
/// Statuses of final responses (RFC 9110 section 15).
const FINAL_STATUS_RANGE: RangeInclusive<u64> = 200..=599;

/// Names, each with a line or several.
const HEADERS: Form = Form::Map(&Form::OneOrMore(&Form::LongText(TEXT_BYTES_MAX), LINES_MAX), HEADERS_MAX);

pub(crate) const REQUEST: Shape = Shape::new(
    "request of a case",
    &[
        Key::default("method", METHOD, "\"GET\"", "Method"),
        Key::required("url", Form::Text("an address", "^https?://[^#@]+$"), "Whole address"),
        Key::default("headers", HEADERS, "{}", "Header fields"),
        Key::default(
            "client",
            Form::Text("an IP address", "^[0-9A-Fa-f.:]+$"),
            "\"127.0.0.1\"",
            "Address of the client",
        ),
    ],
);
pub(crate) const BODY: Shape = Shape::new(
    "body of a case",
    &[
        Key::optional("bytes", Form::Integer(BODY_RANGE), "So many bytes of any kind"),
        Key::optional("text", Form::LongText(BODY_TEXT_BYTES_MAX), "This text"),
        Key::optional("multipart_file_bytes", Form::Integer(BODY_RANGE), "A form with one file of so many bytes"),
        Key::default("declared", Form::Boolean, "true", "Announced by a `Content-Length`"),
        Key::default(
            "chunk_bytes",
            Form::Integer(CHUNK_RANGE),
            "16384",
            "Bytes of each chunk that the plugin is shown",
        ),
    ],
)
.with_rule(Rule::ExactlyOne(CONTENTS));
/// What a body can be.
const CONTENTS: &[&str] = &["bytes", "text", "multipart_file_bytes"];
pub(crate) const RESPONSE: Shape = Shape::new(
    "response of a case",
    &[
        Key::default("status", Form::Integer(FINAL_STATUS_RANGE), "200", "Status"),
        Key::default("headers", HEADERS, "{}", "Header fields"),
    ],
);

pub(crate) fn request<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<CaseRequest> {
    let mut keys = Keys::of(reader, value, &REQUEST)?;
    let method = keys.optional(reader, "method", method).map_or(Method::GET, |(method, _)| method);
    let url = keys.required(reader, "url", "write url = \"http://example.org/path?query\"", url);
    let headers = keys.optional(reader, "headers", headers).unwrap_or_default();
    let client = keys.optional(reader, "client", address);
    keys.finish(reader);
    let (_, url) = url?;
    let client = client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Some(CaseRequest { method, url: url.to_string(), headers, client })
}

fn address(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<IpAddr> {
    let Named { text, place } = text(reader, value)?;
    let address = text.parse().ok();
    if address.is_none() {
        let hint = "write an IP address without a port, e.g. \"192.0.2.1\"";
        reader.fault(&place, format!("{} is no IP address", quoted(&text)), hint);
    }
    address
}

pub(crate) fn body<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<CaseBody> {
    let mut keys = Keys::of(reader, value, &BODY)?;
    let given = CONTENTS.iter().filter(|key| keys.find(key).is_some()).count();
    let hint = "write bytes = 50001, text = \"..\" or multipart_file_bytes = 50001";
    match given {
        0 => keys.missing(reader, keys.place(), CONTENTS, "the body is empty of meaning", hint),
        1 => {}
        _ => reader.fault(keys.place(), "a body is bytes, a text or a form, not several", hint),
    }
    let bytes = keys.optional(reader, "bytes", |reader, value| integer(reader, value, &BODY_RANGE));
    let text = keys.optional(reader, "text", |reader, value| text_up_to(reader, value, BODY_TEXT_BYTES_MAX));
    let file = keys.optional(reader, "multipart_file_bytes", |reader, value| integer(reader, value, &BODY_RANGE));
    let is_declared = keys.optional(reader, "declared", boolean).unwrap_or(true);
    let chunk_bytes = keys.optional(reader, "chunk_bytes", |reader, value| integer(reader, value, &CHUNK_RANGE));
    let chunk_bytes = chunk_bytes.and_then(|bytes: u64| usize::try_from(bytes).ok()).unwrap_or(CHUNK_BYTES_DEFAULT);
    keys.finish(reader);
    let text = text.map(|text| BodyContent::Text(text.text));
    let file = file.map(BodyContent::MultipartFile);
    let content = bytes.map(BodyContent::Bytes).or(text).or(file)?;
    Some(CaseBody { content, is_declared, chunk_bytes })
}

pub(crate) fn response<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<CaseResponse> {
    let mut keys = Keys::of(reader, value, &RESPONSE)?;
    let status = keys.optional(reader, "status", |reader, value| integer(reader, value, &FINAL_STATUS_RANGE));
    let headers = keys.optional(reader, "headers", headers).unwrap_or_default();
    keys.finish(reader);
    let status = status.and_then(|status: u16| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    Some(CaseResponse { status, headers })
}
