//! Fields that plugins ask for: found in the head by the host, packed into one blob (see `plugins/wit/plugin.wit`).

use std::borrow::Cow;

use http::{HeaderMap, Response, header};
use percent_encoding::percent_decode;
use sluice_model::field::Field;
use sluice_policy::Policy;

use crate::exchange::Exchange;
use crate::head::Head;

/// Bytes of a field, borrowed where the wire has them in one piece.
type Value<'a> = Option<Cow<'a, [u8]>>;

/// Packs fields of a request into `blob`, which is cleared first.
pub(crate) fn pack_request(blob: &mut Vec<u8>, wanted: &[Field], exchange: &Exchange, head: &Head) {
    blob.clear();
    let policy = &exchange.snapshot().policy;
    for field in wanted {
        sluice_wasm::fields::push(blob, of_request(field, exchange, head, policy).as_deref());
    }
}

/// Packs fields of a response into `blob`, which is cleared first.
pub(crate) fn pack_response<B>(blob: &mut Vec<u8>, wanted: &[Field], response: &Response<B>) {
    blob.clear();
    for field in wanted {
        sluice_wasm::fields::push(blob, of_response(field, response).as_deref());
    }
}

fn of_request<'a>(field: &Field, exchange: &'a Exchange, head: &'a Head, policy: &Policy) -> Value<'a> {
    let Field::RolloutKey(name) = field else {
        return plain(field, exchange, head);
    };
    let rollout = policy.rollouts.iter().find(|rollout| rollout.name == *name)?;
    // An empty value tells nobody apart, so the next part of the key decides.
    rollout.key.iter().find_map(|part| plain(part, exchange, head).filter(|value| !value.is_empty()))
}

/// A field that stands in the request itself.
fn plain<'a>(field: &Field, exchange: &'a Exchange, head: &'a Head) -> Value<'a> {
    let line = exchange.line()?;
    match field {
        Field::Method => Some(Cow::Borrowed(line.method.as_str().as_bytes())),
        Field::Path => Some(Cow::Borrowed(line.target.path().as_bytes())),
        Field::Host => Some(Cow::Borrowed(head.host.name().as_bytes())),
        Field::Query => line.target.query().map(|query| Cow::Borrowed(query.as_bytes())),
        Field::ClientAddress => Some(Cow::Borrowed(exchange.connection.peer.address_field.as_bytes())),
        Field::ContentLength => head.headers.get(header::CONTENT_LENGTH).map(|length| Cow::Borrowed(length.as_bytes())),
        Field::Header(name) => joined_lines(&head.headers, name),
        Field::Cookie(name) => cookie(&head.headers, name).map(Cow::Borrowed),
        Field::QueryParameter(name) => query_parameter(line.target.query()?, name),
        Field::Status | Field::RolloutKey(_) => None,
    }
}

fn of_response<'a, B>(field: &Field, response: &'a Response<B>) -> Value<'a> {
    match field {
        Field::Status => Some(Cow::Owned(response.status().as_str().as_bytes().to_vec())),
        Field::Header(name) => joined_lines(response.headers(), name),
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
}
