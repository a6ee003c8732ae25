//! Header fields on their way through: what belongs to one connection is taken off, what this router says is put on.
//!
//! Taking off comes first in both directions, so that no `Connection` line can name away what we set (RFC 9110
//! section 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use sluice_policy::filter::HeaderEdits;

use crate::connection::Peer;
use crate::filters::edits;
use crate::head::tokens;

/// Names the request; ours alone in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-sluice-request-id");
/// The variant that answered.
pub(crate) const VARIANT: HeaderName = HeaderName::from_static("x-sluice-variant");
/// What a plugin marked the request with.
pub(crate) const TAG: HeaderName = HeaderName::from_static("x-sluice-tag");
/// Why the router itself answered (RFC 9209).
pub(crate) const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields with this prefix are said by routers only.
const OWN_PREFIX: &str = "x-sluice-";
/// How this router names itself in `Via` (RFC 9110 section 7.6.3) and `Proxy-Status`.
const VIA: HeaderValue = HeaderValue::from_static("1.1 sluice");
const HTTP: HeaderValue = HeaderValue::from_static("http");

/// The host of a request on either side of this router.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts<'a> {
    /// As the client asked for it.
    pub(crate) asked: &'a HeaderValue,
    /// As the server gets it.
    pub(crate) sent: &'a HeaderValue,
}

/// Readies the fields of a request for the server. The edits of its route come between taking off and putting on: no
/// `Connection` line undoes them, and they undo nothing that this router vouches for.
pub(crate) fn to_server(
    headers: &mut HeaderMap,
    hosts: Hosts<'_>,
    peer: &Peer,
    request_id: &HeaderValue,
    edits: &HeaderEdits,
) {
    take_off(headers, |name| is_of_connection(name) || is_of_peer(name));
    if headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        // hyper has checked that they are equal.
        let first = headers[header::CONTENT_LENGTH].clone();
        headers.insert(header::CONTENT_LENGTH, first);
    }
    edits::apply(edits, headers);
    headers.insert(header::HOST, hosts.sent.clone());
    headers.append(header::VIA, VIA);
    headers.insert(FORWARDED_FOR, peer.address_field.clone());
    headers.insert(FORWARDED_PROTO, HTTP);
    headers.insert(FORWARDED_HOST, hosts.asked.clone());
    headers.insert(header::FORWARDED, peer.forwarded_field.clone());
    headers.insert(REQUEST_ID, request_id.clone());
}

/// Readies the fields of a server's response for the client.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // The coding won over a length that the server sent beside it (RFC 9112 section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    take_off(headers, is_of_connection);
    headers.append(header::VIA, VIA);
}

/// Removes every field that `is_doomed` names, and every field that a `Connection` line nominates.
fn take_off(headers: &mut HeaderMap, is_doomed: impl Fn(&str) -> bool) {
    let mut doomed: Vec<HeaderName> = headers.keys().filter(|name| is_doomed(name.as_str())).cloned().collect();
    let nominated = headers.get_all(header::CONNECTION).iter().flat_map(|line| tokens(line.as_bytes()));
    let nominated = nominated.filter_map(|token| HeaderName::from_bytes(token).ok());
    doomed.extend(nominated.filter(|name| !is_end_to_end(name)));
    for name in doomed {
        headers.remove(name);
    }
}

/// What no `Connection` line can take away: it frames or addresses the message.
fn is_end_to_end(name: &HeaderName) -> bool {
    matches!(name.as_str(), "host" | "content-length")
}

/// Fields of one connection (RFC 9110 section 7.6.1), and what only routers say. Trailers are not passed on, so neither
/// are the fields that announce them.
fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || name.starts_with(OWN_PREFIX)
}

/// What a client says about the path behind it, which nobody vouches for; and `Expect`, which hyper answers.
fn is_of_peer(name: &str) -> bool {
    matches!(
        name,
        "x-forwarded-for"
            | "x-forwarded-proto"
            | "x-forwarded-host"
            | "x-forwarded-port"
            | "x-real-ip"
            | "forwarded"
            | "expect"
            | "http2-settings"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        lines.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn sent(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = headers(lines);
        let peer = Peer::new("10.0.0.9:1234".parse().unwrap());
        let host = HeaderValue::from_static("a");
        let hosts = Hosts { asked: &host, sent: &host };
        to_server(&mut headers, hosts, &peer, &HeaderValue::from_static("id"), &HeaderEdits::default());
        headers
    }

    #[test]
    fn fields_of_the_connection_are_taken_off_over_all_lines() {
        let sent = sent(&[
            ("connection", "close, X-One"),
            ("connection", "x-two,keep-alive"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "secret"),
        ]);
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let ours = ["forwarded", "host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
        assert_eq!(names, [&ours[..], &["x-sluice-request-id", "x-three"]].concat());
    }

    #[test]
    fn what_we_set_cannot_be_nominated_away_or_forged() {
        let sent = sent(&[
            ("connection", "x-forwarded-for, host, content-length, x-sluice-request-id"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-sluice-variant", "canary"),
            ("x-sluice-request-id", "forged"),
            ("content-length", "5"),
            ("content-length", "5"),
        ]);
        assert_eq!(sent["x-forwarded-for"], "10.0.0.9");
        assert_eq!(sent["forwarded"], "for=10.0.0.9;proto=http");
        assert_eq!(sent["x-sluice-request-id"], "id");
        assert_eq!(sent["host"], "a");
        assert_eq!(sent.get_all("content-length").iter().count(), 1);
        assert!(!sent.contains_key("x-sluice-variant"));
    }

    #[test]
    fn a_length_beside_a_coding_is_dropped() {
        let mut headers = headers(&[("transfer-encoding", "chunked"), ("content-length", "3"), ("via", "1.0 before")]);
        to_client(&mut headers);
        assert!(!headers.contains_key("content-length") && !headers.contains_key("transfer-encoding"));
        assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.0 before", "1.1 sluice"]);
    }
}
