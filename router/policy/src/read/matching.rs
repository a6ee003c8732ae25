//! `hosts` and `match` of a route.

use http::{HeaderName, HeaderValue, Method};
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, METHOD, PATH, PATTERN, Rule, Shape};
use sluice_document::values::{TEXT_BYTES_MAX, expected, one_or_more, text, unique};
use toml::de::DeValue;

use super::pattern::pattern;
use crate::path::normalise;
use crate::process::EncodedSlash;
use crate::route::{HostPattern, Match, NameValue, PathPattern, ValuePattern};

/// Most methods of one match.
pub(crate) const METHODS_MAX: usize = 16;
/// Most header fields, and most query parameters, of one match; the bound of the Gateway API.
pub(crate) const CONDITIONS_MAX: usize = 16;
/// Longest host name (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;
/// Longest label of a host name (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

pub(crate) const SHAPE: Shape = Shape::new(
    "match",
    &[
        Key::optional("path", Form::Table(&PATH_SHAPE), "Path, in normal form; any without it"),
        Key::optional("method", Form::OneOrMore(&METHOD, METHODS_MAX), "One of these methods; any without it"),
        Key::default(
            "headers",
            Form::Map(&VALUE, CONDITIONS_MAX),
            "{}",
            "Header fields and the values they must have; one line is enough",
        ),
        Key::default(
            "query",
            Form::Map(&VALUE, CONDITIONS_MAX),
            "{}",
            "Query parameters and the values they must have, decoded; one occurrence is enough",
        ),
    ],
);
const PATH_SHAPE: Shape = Shape::new(
    "path",
    &[
        Key::optional("exact", PATH, "This path and no other"),
        Key::optional("prefix", PATH, "This path and everything below it, by whole segments"),
        Key::optional("regex", PATTERN, "The whole path, by the syntax of the crate `regex`, of bytes"),
    ],
)
.with_rule(Rule::ExactlyOne(&["exact", "prefix", "regex"]));
const VALUE: Form = Form::Either(&[Form::LongText(TEXT_BYTES_MAX), Form::Table(&VALUE_PATTERN)]);
const VALUE_PATTERN: Shape =
    Shape::new("headers, query", &[Key::required("regex", PATTERN, "The whole value, by regular expression")]);

/// A match and where it stands.
pub(crate) struct MatchDraft {
    pub(crate) found: Match,
    pub(crate) place: Place,
}

/// What a route without `match` accepts: everything.
pub(crate) fn every_request() -> Match {
    Match { path: PathPattern::Prefix("/".to_owned()), methods: Vec::new(), headers: Vec::new(), query: Vec::new() }
}

pub(crate) fn host(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<HostPattern> {
    let Named { text, place } = text(reader, value)?;
    let host = text.to_ascii_lowercase();
    if host == "*" {
        return Some(HostPattern::Any);
    }
    if let Some(suffix) = host.strip_prefix("*.").filter(|suffix| is_host_name(suffix)) {
        return Some(HostPattern::Wildcard(suffix.to_owned()));
    }
    let address = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    if is_host_name(&host) || address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()) {
        return Some(HostPattern::Exact(host));
    }
    let hint = match host.rsplit_once(':') {
        Some((name, _)) if is_host_name(name) => format!("hosts are matched without their port: write \"{name}\""),
        _ => "write a host such as \"example.org\", \"*.example.org\" or \"*\"; other scripts as punycode".to_owned(),
    };
    reader.fault(&place, format!("{} is no host", quoted(&text)), hint);
    None
}

/// True for a lower-case host name or IPv4 address without a trailing dot.
pub(crate) fn is_host_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(allowed);
    host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label)
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<MatchDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let path = keys.find("path").map(|value| path(reader, value));
    let methods = keys.optional(reader, "method", methods).unwrap_or_default();
    let headers =
        keys.optional(reader, "headers", |reader, value| conditions(reader, value, header)).unwrap_or_default();
    let query =
        keys.optional(reader, "query", |reader, value| conditions(reader, value, parameter)).unwrap_or_default();
    keys.finish(reader);
    let path = path.unwrap_or_else(|| Some(every_request().path))?;
    Some(MatchDraft { found: Match { path, methods, headers, query }, place: reader.place_of(value) })
}

/// `{ exact = "/a" }`, `{ prefix = "/a" }` or `{ regex = "/a/[0-9]+" }`.
fn path<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<PathPattern> {
    let hint = "write { exact = \"/path\" }, { prefix = \"/path\" } or { regex = \"/path/[0-9]+\" }";
    let place = reader.place_of(value);
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        reader.fault(&place, "a path is matched exactly, by prefix or by regular expression", hint);
        return None;
    }
    let mut keys = Keys::of(reader, value, &PATH_SHAPE)?;
    let kinds = [keys.find("exact"), keys.find("prefix"), keys.find("regex")];
    if kinds.iter().all(Option::is_none) {
        keys.missing(reader, &place, &["exact", "prefix", "regex"], "the path is missing", hint);
    }
    keys.finish(reader);
    match kinds {
        [Some(exact), None, None] => normal_path(reader, exact).map(PathPattern::Exact),
        [None, Some(prefix), None] => normal_path(reader, prefix).map(|path| PathPattern::Prefix(without_slash(path))),
        [None, None, Some(regex)] => pattern(reader, regex).map(PathPattern::Regex),
        [None, None, None] => None,
        _ => {
            reader.fault(&place, "a path is matched exactly, by prefix or by regular expression, not by several", hint);
            None
        }
    }
}

/// A path as requests have it when they are matched; another spelling would never match.
pub(crate) fn normal_path(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let Named { text, place } = text(reader, value)?;
    let (message, hint) = match normalise(&text, EncodedSlash::Keep) {
        _ if text.contains(['?', '#']) => {
            ("a path ends before `?` or `#`".to_owned(), "match the query with query = { name = \"value\" }".to_owned())
        }
        Ok(normal) if normal == text => return Some(text),
        Ok(normal) => (format!("{} is not in normal form", quoted(&text)), format!("write {}", quoted(&normal))),
        Err(fault) => (format!("{} is no path: {fault}", quoted(&text)), "write a path such as \"/upload\"".to_owned()),
    };
    reader.fault(&place, message, hint);
    None
}

/// The Gateway API ignores the trailing slash of a prefix.
pub(crate) fn without_slash(prefix: String) -> String {
    match prefix.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter.to_owned(),
        _ => prefix,
    }
}

fn methods<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<Method>> {
    let methods: Vec<(Method, Named)> = one_or_more(reader, value, METHODS_MAX, method)?;
    let (methods, names): (Vec<Method>, Vec<Named>) = methods.into_iter().unzip();
    unique(reader, &names);
    Some(methods)
}

/// Methods are case-sensitive (RFC 9110 section 9.1); those in lower case that have a standard twin are a mistake.
pub(crate) fn method(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<(Method, Named)> {
    const STANDARD: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    let name = text(reader, value)?;
    let upper = name.text.to_ascii_uppercase();
    let hint = match Method::from_bytes(name.text.as_bytes()) {
        Ok(_) if name.text != upper && STANDARD.contains(&upper.as_str()) => format!("write \"{upper}\""),
        Ok(method) => return Some((method, name)),
        Err(_) => "write a method such as \"GET\"".to_owned(),
    };
    reader.fault(&name.place, format!("{} is no method", quoted(&name.text)), hint);
    None
}

/// A table of names and the values they must have, sorted by name.
fn conditions<'d, N: AsRef<str>>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    read: fn(&mut Reader<'_>, &Named, Placed) -> Option<NameValue<N>>,
) -> Option<Vec<NameValue<N>>> {
    let place = reader.place_of(value);
    let DeValue::Table(table) = value.get_ref() else {
        return expected(reader, &place, "a table of names and values", value.get_ref());
    };
    if table.len() > CONDITIONS_MAX {
        reader.fault(&place, format!("more than {CONDITIONS_MAX} entries"), "split the route");
    }
    let mut conditions: Vec<NameValue<N>> = Vec::new();
    for (key, value) in table.iter().take(CONDITIONS_MAX) {
        let name = Named { text: key.get_ref().to_string(), place: reader.place_of(key) };
        let Some(condition) = value_pattern(reader, value).and_then(|value| read(reader, &name, value)) else {
            continue;
        };
        if conditions.iter().any(|other| other.name.as_ref() == condition.name.as_ref()) {
            reader.fault(&name.place, "this name is listed twice", "remove one of the two");
        }
        conditions.push(condition);
    }
    conditions.sort_by(|a, b| a.name.as_ref().cmp(b.name.as_ref()));
    Some(conditions)
}

/// A value to compare with, and where it stands.
type Placed = (ValuePattern, Place);

/// A text, which may be empty, or `{ regex = ".." }`.
fn value_pattern<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Placed> {
    let place = reader.place_of(value);
    let pattern = match value.get_ref() {
        DeValue::String(text) if text.is_empty() => ValuePattern::Exact(String::new()),
        DeValue::Table(_) => {
            let mut keys = Keys::of(reader, value, &VALUE_PATTERN)?;
            let pattern = keys.required(reader, "regex", "write { regex = \"..\" }, or the value as text", pattern);
            keys.finish(reader);
            ValuePattern::Regex(pattern?)
        }
        _ => ValuePattern::Exact(text(reader, value)?.text),
    };
    Some((pattern, place))
}

fn header(reader: &mut Reader<'_>, name: &Named, (value, place): Placed) -> Option<NameValue<HeaderName>> {
    let parsed = HeaderName::from_bytes(name.text.as_bytes()).ok();
    if parsed.is_none() {
        reader.fault(&name.place, format!("{} is no header name", quoted(&name.text)), "letters, digits and `-`");
    }
    if let ValuePattern::Exact(text) = &value
        && (HeaderValue::from_str(text).is_err() || text.trim() != text)
    {
        let hint = "no control characters, no spaces at the ends";
        reader.fault(&place, format!("{} is no header value", quoted(text)), hint);
        return None;
    }
    Some(NameValue { name: parsed?, value })
}

fn parameter(reader: &mut Reader<'_>, name: &Named, (value, _): Placed) -> Option<NameValue<String>> {
    if name.text.len() > TEXT_BYTES_MAX {
        reader.fault(&name.place, format!("longer than {TEXT_BYTES_MAX} bytes"), "shorten it");
        return None;
    }
    Some(NameValue { name: name.text.clone(), value })
}
