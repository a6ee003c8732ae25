//! `request_headers` and `response_headers` of a route: which fields are set, added and removed.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, HEADER_NAME, Key, Shape};
use sluice_document::values::{TEXT_BYTES_MAX, expected, list, one_or_more, text};
use toml::de::DeValue;

use crate::filter::HeaderEdits;

/// Most names under each of `set`, `add` and `remove`; the bound of the Gateway API.
pub(crate) const EDITS_MAX: usize = 16;
/// Most lines that one name may be given.
pub(crate) const LINES_MAX: usize = 16;

pub(crate) const SHAPE: Shape = Shape::new(
    "request_headers, response_headers",
    &[
        Key::default("set", Form::Map(&LINES, EDITS_MAX), "{}", "Replaces all lines of a name"),
        Key::default("add", Form::Map(&LINES, EDITS_MAX), "{}", "Appends lines"),
        Key::default("remove", Form::List(&HEADER_NAME, 0, EDITS_MAX), "[]", "Removes all lines of a name"),
    ],
);
/// The lines of one name.
const LINES: Form = Form::OneOrMore(&Form::Text("a header value", r"^([^\s](.*[^\s])?)?$"), LINES_MAX);

/// Which message the edits are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Request,
    Response,
}

/// Fields that frame a message or belong to one connection (RFC 9110 section 7.6.1): the router writes them.
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, message: Message) -> Option<HeaderEdits> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let set = keys.optional(reader, "set", |reader, value| lines(reader, value, message)).unwrap_or_default();
    let add = keys.optional(reader, "add", |reader, value| lines(reader, value, message)).unwrap_or_default();
    let remove = keys
        .optional(reader, "remove", |reader, value| {
            list(reader, value, EDITS_MAX, |reader, value| {
                let name = text(reader, value)?;
                header_name(reader, &name, message).map(|header| (header, name.place))
            })
        })
        .unwrap_or_default();
    keys.finish(reader);
    check_overlap(reader, &set, &add, &remove);
    let flat = |lines: Vec<Lines>| lines.into_iter().flat_map(Lines::flat).collect();
    Some(HeaderEdits { set: flat(set), add: flat(add), remove: remove.into_iter().map(|(name, _)| name).collect() })
}

/// The lines that one name is given.
struct Lines {
    name: HeaderName,
    place: Place,
    values: Vec<HeaderValue>,
}

impl Lines {
    fn flat(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let Self { name, values, .. } = self;
        values.into_iter().map(move |value| (name.clone(), value))
    }
}

/// A table of names, each with a text or a list of texts.
fn lines<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, message: Message) -> Option<Vec<Lines>> {
    let place = reader.place_of(value);
    let DeValue::Table(table) = value.get_ref() else {
        return expected(reader, &place, "a table of names and values", value.get_ref());
    };
    if table.len() > EDITS_MAX {
        reader.fault(&place, format!("more than {EDITS_MAX} entries"), "leave some out");
    }
    let mut all = Vec::new();
    for (key, value) in table.iter().take(EDITS_MAX) {
        let named = Named { text: key.get_ref().to_string(), place: reader.place_of(key) };
        let name = header_name(reader, &named, message);
        let values = one_or_more(reader, value, LINES_MAX, header_value);
        if let (Some(name), Some(values)) = (name, values) {
            all.push(Lines { name, place: named.place, values });
        }
    }
    Some(all)
}

/// A name that an operator may edit.
fn header_name(reader: &mut Reader<'_>, name: &Named, message: Message) -> Option<HeaderName> {
    let Ok(header) = HeaderName::from_bytes(name.text.as_bytes()) else {
        reader.fault(&name.place, format!("{} is no header name", quoted(&name.text)), "letters, digits and `-`");
        return None;
    };
    let Some(hint) = reserved(header.as_str(), message) else { return Some(header) };
    reader.fault(&name.place, format!("the router itself writes {}", quoted(header.as_str())), hint);
    None
}

/// What to do instead of editing `name`, if the router alone may write it.
fn reserved(name: &str, message: Message) -> Option<&'static str> {
    let forwarding = name == "forwarded" || name.starts_with("x-forwarded-");
    match message {
        Message::Request if name == "host" => Some("write rewrite = { host = \"..\" }"),
        Message::Request if forwarding => Some("leave it out; it follows `trusted_proxies` of the listener"),
        Message::Response if name == "proxy-status" => Some("leave it out; it tells clients why the router answered"),
        _ if FRAMING.contains(&name) => Some("leave it out; it belongs to a connection or frames the message"),
        _ if name.starts_with("x-sluice-") => Some("leave it out, or choose a name without `x-sluice-`"),
        _ => None,
    }
}

/// A value; it may be empty.
pub(crate) fn header_value(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<HeaderValue> {
    let place = reader.place_of(value);
    let DeValue::String(text) = value.get_ref() else {
        return expected(reader, &place, "a string", value.get_ref());
    };
    let fits = text.len() <= TEXT_BYTES_MAX && text.trim() == text.as_ref();
    let parsed = HeaderValue::from_str(text).ok().filter(|_| fits);
    if parsed.is_none() {
        let hint = format!("no control characters, no spaces at the ends, at most {TEXT_BYTES_MAX} bytes");
        reader.fault(&place, format!("{} is no header value", quoted(text)), hint);
    }
    parsed
}

/// Reports every name that stands in two places: the order in which edits apply would decide.
fn check_overlap(reader: &mut Reader<'_>, set: &[Lines], add: &[Lines], remove: &[(HeaderName, Place)]) {
    let set = set.iter().map(|lines| ("set", &lines.name, &lines.place));
    let add = add.iter().map(|lines| ("add", &lines.name, &lines.place));
    let remove = remove.iter().map(|(name, place)| ("remove", name, place));
    let mut seen: HashMap<&HeaderName, &str> = HashMap::new();
    for (list, name, place) in set.chain(add).chain(remove) {
        let Some(first) = seen.insert(name, list) else { continue };
        let (message, hint) = match (first, list) {
            ("set", "add") => ("is in `set` and in `add`", "write all its lines as a list under `set`"),
            ("set", "remove") => ("is in `set` and in `remove`", "remove one of the two; `set` replaces all lines"),
            ("add", "remove") => ("is in `add` and in `remove`", "write it under `set`, which replaces all lines"),
            _ => ("is listed twice", "remove one of the two"),
        };
        reader.fault(place, format!("{} {message}", quoted(name.as_str())), hint);
    }
}
