//! `cors` of a route.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderName;
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, HEADER_NAME, Key, METHOD, Shape};
use sluice_document::values::{boolean, duration, filled_list, one_or_more, text, unique};

use super::matching::method;
use super::servers::{host_and_port, is_host};
use crate::filter::{Cors, OriginPattern};

/// Most origins of one route; the bound of the Gateway API.
pub(crate) const ORIGINS_MAX: usize = 64;
/// Most methods and most fields of one route; the bound of the Gateway API for fields.
pub(crate) const NAMES_MAX: usize = 64;
/// How long a browser keeps an answer that does not say it (Fetch standard section 4.9).
const MAX_AGE_DEFAULT_SECONDS: u32 = 5;
/// The longest that any browser keeps one.
const MAX_AGE_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 60 * 60);
/// Stands for everything, where credentials stay at home.
const ANY: &str = "*";

pub(crate) const SHAPE: Shape = Shape::new(
    "cors",
    &[
        Key::required(
            "origins",
            Form::OneOrMore(&Form::Text("an origin", r"^(\*|[Hh][Tt][Tt][Pp][Ss]?://(\*\.)?[^*/\s]+)$"), ORIGINS_MAX),
            "Which origins may read responses: `https://example.org`, `https://*.example.org` or `*`",
        ),
        Key::optional("methods", Form::List(&METHOD, 1, NAMES_MAX), "Methods beyond GET, HEAD and POST"),
        Key::optional("headers", Form::List(&HEADER_NAME, 1, NAMES_MAX), "Request fields that scripts may set"),
        Key::optional("expose", Form::List(&HEADER_NAME, 1, NAMES_MAX), "Response fields that scripts may read"),
        Key::default("credentials", Form::Boolean, "false", "Whether cookies may come along"),
        Key::default(
            "max_age",
            Form::Duration(MAX_AGE_RANGE),
            "\"5s\"",
            "How long a browser may keep the answer to a preflight",
        ),
    ],
);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Cors> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let hint = "write the origins that may read responses, e.g. origins = [\"https://app.example.org\"]";
    let origins = keys.required(reader, "origins", hint, |reader, value| {
        let (origins, names): (Vec<_>, Vec<Named>) =
            one_or_more(reader, value, ORIGINS_MAX, origin)?.into_iter().unzip();
        unique(reader, &names);
        Some(origins)
    });
    let methods = keys.optional(reader, "methods", |reader, value| filled_list(reader, value, NAMES_MAX, method));
    let headers = keys.optional(reader, "headers", header_names).unwrap_or_default();
    let expose = keys.optional(reader, "expose", header_names).unwrap_or_default();
    let credentials = keys.optional(reader, "credentials", boolean).unwrap_or(false);
    let max_age = keys.optional(reader, "max_age", whole_seconds);
    keys.finish(reader);
    let (methods, method_names): (Vec<_>, Vec<Named>) = methods.unwrap_or_default().into_iter().unzip();
    unique(reader, &method_names);
    let method_places = method_names.into_iter().map(|name| (name.text, name.place));
    let header_places = headers.iter().chain(&expose).map(|(name, place)| (name.as_str().to_owned(), place.clone()));
    let any = method_places.chain(header_places).find(|(name, _)| name == ANY);
    if let Some((_, place)) = any.filter(|_| credentials) {
        let hint = "list them by name, or leave `credentials` out";
        reader.fault(&place, "`*` stands for nothing where `credentials` are allowed", hint);
    }
    let names = |placed: Vec<(HeaderName, Place)>| placed.into_iter().map(|(name, _)| name).collect();
    Some(Cors {
        origins: origins?,
        methods,
        headers: names(headers),
        expose: names(expose),
        credentials,
        max_age_seconds: max_age.unwrap_or(MAX_AGE_DEFAULT_SECONDS),
    })
}

/// `*`, `https://example.org:8443` or `https://*.example.org`; lower case, as browsers send it.
fn origin(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<(OriginPattern, Named)> {
    let named = text(reader, value)?;
    let origin = named.text.to_ascii_lowercase();
    if origin == ANY {
        return Some((OriginPattern::Any, named));
    }
    let (scheme, authority) = origin.split_once("://").unwrap_or_default();
    let is_scheme = matches!(scheme, "http" | "https");
    if let Some(suffix) = authority.strip_prefix("*.").filter(|suffix| is_scheme && is_authority(suffix)) {
        let pattern = OriginPattern::Wildcard { before: format!("{scheme}://"), after: format!(".{suffix}") };
        return Some((pattern, named));
    }
    if is_scheme && is_authority(authority) {
        return Some((OriginPattern::Exact(origin), named));
    }
    let hint = "write a scheme and a host, e.g. \"https://example.org\", \"https://*.example.org\" or \"*\"";
    reader.fault(&named.place, format!("{} is no origin", quoted(&named.text)), hint);
    None
}

fn is_authority(text: &str) -> bool {
    is_host(text) || host_and_port(text).is_some()
}

/// Names of header fields, each once.
pub(crate) fn header_names<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<(HeaderName, Place)>> {
    let names = filled_list(reader, value, NAMES_MAX, |reader, value| {
        let Named { text, place } = text(reader, value)?;
        let parsed = HeaderName::from_bytes(text.as_bytes()).ok();
        if parsed.is_none() {
            reader.fault(&place, format!("{} is no header name", quoted(&text)), "letters, digits and `-`");
        }
        parsed.map(|name| (name, place))
    })?;
    let listed: Vec<Named> =
        names.iter().map(|(name, place)| Named { text: name.as_str().to_owned(), place: place.clone() }).collect();
    unique(reader, &listed);
    Some(names)
}

/// `Access-Control-Max-Age` knows nothing finer (Fetch standard section 3.3.3).
fn whole_seconds(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<u32> {
    let age = duration(reader, value, &MAX_AGE_RANGE)?;
    if age.subsec_nanos() > 0 {
        reader.fault(&reader.place_of(value), "not a whole number of seconds", "write it as \"5s\" or \"1h\"");
        return None;
    }
    u32::try_from(age.as_secs()).ok()
}
