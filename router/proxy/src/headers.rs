//! Header fields on their way through: what belongs to one connection is taken off, what this router says is put on.
//!
//! Taking off comes first in both directions, so that no `Connection` line can name away what we set (RFC 9110
//! section 7.6.1).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sluice_policy::Underscores;
use sluice_policy::filter::HeaderEdits;

use crate::error::Error;
use crate::filters::edits;
use crate::forwarded;
use crate::framing::{check_coding, one_length};
use crate::head::tokens;
use crate::peer::Peer;

/// Names the request; ours alone in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-sluice-request-id");
/// The variant that answered.
pub(crate) const VARIANT: HeaderName = HeaderName::from_static("x-sluice-variant");
/// What a plugin marked the request with.
pub(crate) const TAG: HeaderName = HeaderName::from_static("x-sluice-tag");
/// Why the router itself answered (RFC 9209).
pub(crate) const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Fields with this prefix are said by routers only.
const OWN_PREFIX: &str = "x-sluice-";
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const TE: HeaderValue = HeaderValue::from_static("te");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// The host of a request on either side of this router.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts<'a> {
    /// As the client asked for it.
    pub(crate) asked: &'a HeaderValue,
    /// As the server gets it.
    pub(crate) sent: &'a HeaderValue,
}

/// What this router says of a request to the server.
#[derive(Clone, Copy)]
pub(crate) struct Vouched<'a> {
    pub(crate) hosts: Hosts<'a>,
    pub(crate) peer: &'a Peer,
    pub(crate) via: &'a HeaderValue,
    pub(crate) request_id: &'a HeaderValue,
    /// The client takes trailers.
    pub(crate) takes_trailers: bool,
    /// There is a body.
    pub(crate) has_body: bool,
}

/// Takes off what a client says to this router only, and what it has no say in. Done before anything is matched, so that
/// routes, plugins and servers see the same fields.
pub(crate) fn from_client(headers: &mut HeaderMap, is_peer_trusted: bool, underscores: Underscores) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    take_off(headers, |name| {
        is_of_connection(name)
            || is_answered_here(name)
            || (!is_peer_trusted && forwarded::is_of_way(name))
            // Servers in the manner of CGI read `x_user` as `x-user`.
            || (underscores == Underscores::Drop && name.contains('_'))
    });
    join_cookies(headers);
    one_length(headers);
}

/// Readies the fields of a request for the server. The edits of its route come after taking off and before putting on: no
/// `Connection` line undoes them, and they undo nothing that this router vouches for.
pub(crate) fn to_server(headers: &mut HeaderMap, vouched: &Vouched<'_>, edits: &HeaderEdits) {
    edits::apply(edits, headers);
    headers.insert(header::HOST, vouched.hosts.sent.clone());
    headers.append(header::VIA, vouched.via.clone());
    forwarded::put_on(headers, vouched.peer, vouched.hosts.asked);
    headers.insert(REQUEST_ID, vouched.request_id.clone());
    if vouched.takes_trailers {
        // Of one connection as well, and said anew on the next (RFC 9110 section 10.1.4).
        headers.insert(header::TE, TRAILERS);
        headers.insert(header::CONNECTION, TE);
    }
    if vouched.has_body && !headers.contains_key(header::CONTENT_LENGTH) {
        // hyper sends a body of GET or HEAD only if its framing is said.
        headers.insert(header::TRANSFER_ENCODING, CHUNKED);
    }
}

/// Readies the fields of a server's response for the client.
///
/// # Errors
/// A coding that hyper has not undone: the client would take it for a part of the body.
pub(crate) fn to_client(headers: &mut HeaderMap, via: HeaderValue) -> Result<(), Error> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        check_coding(headers).map_err(|_| Error::ServerMalformed)?;
        // The coding won over a length that the server sent beside it (RFC 9112 section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    take_off(headers, is_of_connection);
    one_length(headers);
    headers.append(header::VIA, via);
    Ok(())
}

/// Takes off what may not stand in trailers: what frames, routes or authorises a message, changes how it is processed, or
/// is said by routers (RFC 9110 section 6.5.1).
pub(crate) fn take_off_trailers(trailers: &mut HeaderMap) {
    take_off(trailers, |name| {
        is_of_connection(name)
            || is_answered_here(name)
            || forwarded::is_of_way(name)
            || name.starts_with("if-")
            || matches!(
                name,
                "authorization"
                    | "cache-control"
                    | "content-encoding"
                    | "content-length"
                    | "content-range"
                    | "content-type"
                    | "cookie"
                    | "host"
                    | "max-forwards"
                    | "proxy-status"
                    | "range"
                    | "set-cookie"
                    | "trailer"
                    | "via"
                    | "www-authenticate"
            )
    });
}

/// True if a client says that it takes trailers (RFC 9110 section 10.1.4).
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TE).iter().flat_map(|line| tokens(line.as_bytes()));
    codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Joins the crumbs that HTTP/2 allows a `Cookie` to be split into: servers read one line (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(crumbs.join(&b"; "[..]))) {
        headers.insert(header::COOKIE, joined);
    }
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

/// Fields of one connection (RFC 9110 section 7.6.1), and what only routers say.
fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    ) || name.starts_with(OWN_PREFIX)
}

/// What a client asks of its connection to this router.
fn is_answered_here(name: &str) -> bool {
    matches!(name, "expect" | "http2-settings")
}

#[cfg(test)]
mod tests {
    use sluice_policy::ListenerConfig;

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
        let (address, local) = ("10.0.0.9:1234".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        let peer = Peer::new(address, local, &ListenerConfig::new(local));
        let [a, id, via] = ["a", "id", "1.1 sluice-1"].map(HeaderValue::from_static);
        from_client(&mut headers, false, Underscores::Drop);
        let hosts = Hosts { asked: &a, sent: &a };
        let vouched =
            Vouched { hosts, peer: &peer, via: &via, request_id: &id, takes_trailers: false, has_body: false };
        to_server(&mut headers, &vouched, &HeaderEdits::default());
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
            ("x_four", "4"),
            ("proxy-authorization", "secret"),
        ]);
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let way = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"];
        let expected = [&["forwarded", "host", "via"], &way[..], &["x-sluice-request-id", "x-three"]].concat();
        assert_eq!(names, expected);
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
    fn a_response_keeps_one_framing() {
        let via = HeaderValue::from_static("1.1 sluice-1");
        let mut coded = headers(&[("transfer-encoding", "chunked"), ("content-length", "3"), ("via", "1.0 before")]);
        to_client(&mut coded, via.clone()).unwrap();
        assert!(!coded.contains_key("content-length") && !coded.contains_key("transfer-encoding"));
        assert_eq!(coded.get_all("via").iter().collect::<Vec<_>>(), ["1.0 before", "1.1 sluice-1"]);
        let mut counted = headers(&[("content-length", "3, 3"), ("content-length", "3")]);
        to_client(&mut counted, via.clone()).unwrap();
        assert_eq!(counted.get_all("content-length").iter().collect::<Vec<_>>(), ["3"]);
        let mut coded_twice = headers(&[("transfer-encoding", "gzip, chunked")]);
        assert!(matches!(to_client(&mut coded_twice, via), Err(Error::ServerMalformed)));
    }

    #[test]
    fn crumbs_of_a_cookie_are_joined() {
        let sent = sent(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        assert_eq!(sent.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn what_steers_a_message_is_no_trailer() {
        let mut trailers = headers(&[
            ("grpc-status", "5"),
            ("x-sum", "9"),
            ("content-length", "1"),
            ("authorization", "x"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-sluice-variant", "canary"),
            ("if-match", "x"),
            ("set-cookie", "a=1"),
        ]);
        take_off_trailers(&mut trailers);
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["grpc-status", "x-sum"]);
    }
}
