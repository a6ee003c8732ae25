//! Fields that plugins, sticky keys and limits ask for: found in a head, and packed into the blob of a hot call (see
//! `plugins/wit/plugin.wit`).
//!
//! The request path and `explain` read fields here and nowhere else, so that both see the same ones. Nothing is copied
//! that the wire has in one piece.

use std::borrow::Cow;

use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::percent_decode;
use sluice_model::field::Field;
use sluice_policy::Policy;

/// Bytes of a field, borrowed where the wire has them in one piece; `None` = the field is absent.
pub type Value<'a> = Option<Cow<'a, [u8]>>;

/// What of a request fields are read from.
#[derive(Clone, Copy, Debug)]
pub struct RequestFields<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, in normal form.
    pub path: &'a str,
    /// What follows the `?`, as sent.
    pub query: Option<&'a str>,
    /// Lower case, without port and without a trailing dot.
    pub host: &'a str,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// Address of the client, without port.
    pub client_address: &'a [u8],
}

impl<'a> RequestFields<'a> {
    /// A field, sticky keys included: the first part of the rollout's key that is present.
    #[must_use]
    pub fn value(&self, field: &Field, policy: &Policy) -> Value<'a> {
        match field {
            Field::RolloutKey(name) => {
                let rollout = policy.rollouts.iter().find(|rollout| rollout.name == *name)?;
                self.first_present(&rollout.key).map(|(_, value)| value)
            }
            other => self.plain(other),
        }
    }

    /// The first of these fields that is present, with its index. An empty value tells nobody apart, so it counts as
    /// absent.
    #[must_use]
    pub fn first_present(&self, key: &[Field]) -> Option<(usize, Cow<'a, [u8]>)> {
        let values = key.iter().enumerate().map(|(index, part)| (index, self.plain(part)));
        values.filter_map(|(index, value)| Some((index, value?))).find(|(_, value)| !value.is_empty())
    }

    /// Packs `wanted` into `blob`, which is cleared first.
    pub fn pack(&self, blob: &mut Vec<u8>, wanted: &[Field], policy: &Policy) {
        blob.clear();
        for field in wanted {
            sluice_wasm::fields::push(blob, self.value(field, policy).as_deref());
        }
    }

    /// A field that stands in the request itself.
    fn plain(&self, field: &Field) -> Value<'a> {
        match field {
            Field::Method => Some(Cow::Borrowed(self.method.as_str().as_bytes())),
            Field::Path => Some(Cow::Borrowed(self.path.as_bytes())),
            Field::Host => Some(Cow::Borrowed(self.host.as_bytes())),
            Field::Query => self.query.map(|query| Cow::Borrowed(query.as_bytes())),
            Field::ClientAddress => Some(Cow::Borrowed(self.client_address)),
            Field::ContentLength => {
                self.headers.get(header::CONTENT_LENGTH).map(|length| Cow::Borrowed(length.as_bytes()))
            }
            Field::Header(name) => joined_lines(self.headers, name),
            Field::Cookie(name) => cookie(self.headers, name).map(Cow::Borrowed),
            Field::QueryParameter(name) => query_parameter(self.query?, name),
            Field::Status | Field::RolloutKey(_) => None,
        }
    }
}

/// Packs fields of a response into `blob`, which is cleared first.
pub fn pack_response(blob: &mut Vec<u8>, wanted: &[Field], status: StatusCode, headers: &HeaderMap) {
    blob.clear();
    for field in wanted {
        sluice_wasm::fields::push(blob, of_response(field, status, headers).as_deref());
    }
}

fn of_response<'a>(field: &Field, status: StatusCode, headers: &'a HeaderMap) -> Value<'a> {
    match field {
        Field::Status => Some(Cow::Owned(status.as_str().as_bytes().to_vec())),
        Field::Header(name) => joined_lines(headers, name),
        Field::Method
        | Field::Path
        | Field::Host
        | Field::Query
        | Field::ClientAddress
        | Field::ContentLength
        | Field::Cookie(_)
        | Field::QueryParameter(_)
        | Field::RolloutKey(_) => None,
    }
}

/// The lines of one field, joined by ", " (RFC 9110 section 5.3).
fn joined_lines<'a>(headers: &'a HeaderMap, name: &str) -> Value<'a> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let mut value = Cow::Borrowed(first.as_bytes());
    for line in lines {
        let joined = value.to_mut();
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(line.as_bytes());
    }
    Some(value)
}

/// The first cookie of this name (RFC 6265 section 5.4), its value as it stands.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).find_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    })
}

/// The first parameter of this name, decoded as a form (WHATWG URL section 5.1), as matching does.
fn query_parameter<'a>(query: &'a str, name: &str) -> Value<'a> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*decoded(key) == *name.as_bytes()).then(|| decoded(value))
    })
}

/// A query without the parameters of this name, and the value of the first of them; `None` = there is none.
#[must_use]
pub fn take_query_parameter(query: &str, name: &str) -> Option<(Vec<u8>, String)> {
    let value = query_parameter(query, name)?.into_owned();
    let is_other = |pair: &&str| *decoded(pair.split_once('=').map_or(*pair, |(key, _)| key)) != *name.as_bytes();
    Some((value, query.split('&').filter(is_other).collect::<Vec<_>>().join("&")))
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return Cow::from(percent_decode(text.as_bytes()));
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(Cow::from(percent_decode(spaced.as_bytes())).into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_parameter_is_taken_out_of_a_query() {
        let take =
            |query| take_query_parameter(query, "o").map(|(value, rest)| (String::from_utf8(value).unwrap(), rest));
        let taken = |value: &str, rest: &str| Some((value.to_owned(), rest.to_owned()));
        assert_eq!(take("a=1&o=x%2Ey&b=+2"), taken("x.y", "a=1&b=+2"));
        assert_eq!(take("%6F=1&o=2&o"), taken("1", ""), "all of them go, however they are spelt");
        assert_eq!(take("oo=1&a=o"), None);
    }

    #[test]
    fn cookies_are_found_by_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("uidx=1; uid=2"));
        headers.append(header::COOKIE, HeaderValue::from_static(" b = 3;c=4=5"));
        assert_eq!(cookie(&headers, "uid"), Some(&b"2"[..]));
        assert_eq!(cookie(&headers, "c"), Some(&b"4=5"[..]));
        assert_eq!(cookie(&headers, "ui"), None);
        assert_eq!(cookie(&headers, "d"), None);
    }

    #[test]
    fn parameters_are_decoded_like_forms() {
        assert_eq!(query_parameter("a=1&b=x%20y+z", "b").as_deref(), Some(&b"x y z"[..]));
        assert_eq!(query_parameter("%61=1", "a").as_deref(), Some(&b"1"[..]));
        assert_eq!(query_parameter("a", "a").as_deref(), Some(&b""[..]));
        assert_eq!(query_parameter("ab=1", "a"), None);
    }

    #[test]
    fn lines_of_one_field_are_joined() {
        let mut headers = HeaderMap::new();
        assert_eq!(joined_lines(&headers, "x-a"), None);
        headers.append("x-a", HeaderValue::from_static("1"));
        assert!(matches!(joined_lines(&headers, "x-a"), Some(Cow::Borrowed(b"1"))));
        headers.append("x-a", HeaderValue::from_static("2"));
        assert_eq!(joined_lines(&headers, "x-a").as_deref(), Some(&b"1, 2"[..]));
    }

    #[test]
    fn an_empty_part_of_a_sticky_key_counts_as_absent() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("uid="));
        let request = RequestFields {
            method: &Method::GET,
            path: "/",
            query: None,
            host: "example.org",
            headers: &headers,
            client_address: b"192.0.2.1",
        };
        let key = [Field::Cookie("uid".to_owned()), Field::ClientAddress];
        assert_eq!(request.first_present(&key), Some((1, Cow::Borrowed(&b"192.0.2.1"[..]))));
        assert_eq!(request.first_present(&key[..1]), None);
    }
}
