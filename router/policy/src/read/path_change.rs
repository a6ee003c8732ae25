//! `redirect` and `rewrite` of a route: another scheme, host, port or path.

use std::ops::RangeInclusive;

use http::HeaderValue;
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, HOST, Key, PATH, Rule, Shape};
use sluice_document::values::{choice, integer, text};

use super::matching::{normal_path, without_slash};
use super::servers::{host_and_port, is_host};
use super::status::STATUS_RANGE;
use crate::filter::{PathChange, Redirect, Rewrite, Scheme};

/// Statuses of a redirect (RFC 9110 section 15.4); the first keeps the method in no browser, the last two in all.
const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
/// Ports.
const PORT_RANGE: RangeInclusive<u64> = 1..=u16::MAX as u64;
/// Status of a redirect that has none, as in the Gateway API.
const STATUS_DEFAULT: u16 = 302;
/// How the schemes are written.
const SCHEMES: [(&str, Scheme); 2] = [("http", Scheme::Http), ("https", Scheme::Https)];

pub(crate) const REDIRECT: Shape = Shape::new(
    "redirect",
    &[
        Key::optional("scheme", Form::Words(&["http", "https"]), "Scheme; the request's without it"),
        Key::optional("host", HOST, "Host without port; the request's without it"),
        Key::optional("port", Form::Integer(PORT_RANGE), "Port; without it that of `scheme`, else the request's"),
        Key::optional("path", PATH, "In place of the whole path; the query stays"),
        Key::optional("prefix", PATH, "In place of the prefix that the match found"),
        Key::default(
            "status",
            Form::Either(&[Form::Integer(301..=303), Form::Integer(307..=308)]),
            "302",
            "Status of the answer",
        ),
    ],
)
.with_rule(Rule::AtLeastOne(&["scheme", "host", "port", "path", "prefix"]));
pub(crate) const REWRITE: Shape = Shape::new(
    "rewrite",
    &[
        Key::optional("host", Form::text("a host, with a port or without"), "`Host` that the server gets"),
        Key::optional("path", PATH, "In place of the whole path; the query stays"),
        Key::optional("prefix", PATH, "In place of the prefix that the match found"),
    ],
)
.with_rule(Rule::AtLeastOne(&["host", "path", "prefix"]));

/// A part of a filter, and where it replaces a prefix, if it does.
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) prefix: Option<Place>,
}

pub(crate) fn redirect<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Placed<Redirect>> {
    let mut keys = Keys::of(reader, value, &REDIRECT)?;
    let changes = ["scheme", "host", "port", "path", "prefix"];
    let is_changed = changes.map(|key| keys.find(key).is_some()).contains(&true);
    let scheme = keys.optional(reader, "scheme", |reader, value| choice(reader, value, "scheme", &SCHEMES));
    let host = keys.optional(reader, "host", |reader, value| host(reader, value, is_host));
    let port = keys.optional(reader, "port", |reader, value| integer(reader, value, &PORT_RANGE));
    let path = path_change(reader, &mut keys);
    let status = keys.optional(reader, "status", status).unwrap_or(STATUS_DEFAULT);
    if !is_changed {
        let hint = "write a scheme, host, port, path or prefix, e.g. { scheme = \"https\" }";
        keys.missing(reader, keys.place(), &changes, "this redirect leads to itself", hint);
    }
    keys.finish(reader);
    let (path, prefix) = path.unzip();
    let host = host.map(|host| host.text.to_ascii_lowercase());
    Some(Placed { value: Redirect { scheme, host, port, path, status }, prefix: prefix.flatten() })
}

fn status(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<u16> {
    let status = integer(reader, value, &STATUS_RANGE)?;
    if STATUSES.contains(&status) {
        return Some(status);
    }
    let hint = "one of 301, 302, 303, 307 and 308";
    reader.fault(&reader.place_of(value), format!("status {status} is no redirect"), hint);
    None
}

pub(crate) fn rewrite<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Placed<Rewrite>> {
    let mut keys = Keys::of(reader, value, &REWRITE)?;
    let changes = ["host", "path", "prefix"];
    let is_changed = changes.map(|key| keys.find(key).is_some()).contains(&true);
    let is_authority = |text: &str| is_host(text) || host_and_port(text).is_some();
    let host = keys.optional(reader, "host", |reader, value| host(reader, value, is_authority));
    let path = path_change(reader, &mut keys);
    if !is_changed {
        let hint = "write a host, path or prefix, or leave it out";
        keys.missing(reader, keys.place(), &changes, "this rewrite changes nothing", hint);
    }
    keys.finish(reader);
    let (path, prefix) = path.unzip();
    let host = host.and_then(|host| HeaderValue::from_str(&host.text).ok());
    Some(Placed { value: Rewrite { host, path }, prefix: prefix.flatten() })
}

fn host(reader: &mut Reader<'_>, value: &Value<'_>, fits: impl Fn(&str) -> bool) -> Option<Named> {
    let host = text(reader, value)?;
    if fits(&host.text) {
        return Some(host);
    }
    let hint = match host_and_port(&host.text) {
        Some((name, port)) => format!("write host = \"{name}\" and port = {port}"),
        None => "write a host such as \"example.org\"".to_owned(),
    };
    reader.fault(&host.place, format!("{} is no host", quoted(&host.text)), hint);
    None
}

/// `path`, the whole of it, or `prefix`, what takes the place of the matched one and where that stands.
fn path_change(reader: &mut Reader<'_>, keys: &mut Keys<'_>) -> Option<(PathChange, Option<Place>)> {
    let (path, prefix) = (keys.find("path"), keys.find("prefix"));
    if let (Some(_), Some(prefix)) = (path, prefix) {
        reader.fault(&reader.place_of(prefix), "either `path` or `prefix` is replaced", "keep one of the two");
        return None;
    }
    if let Some(path) = path {
        return normal_path(reader, path).map(|path| (PathChange::Full(path), None));
    }
    let place = reader.place_of(prefix?);
    normal_path(reader, prefix?).map(|path| (PathChange::Prefix(without_slash(path)), Some(place)))
}
