//! Step of the path: the head of a request, checked where hyper leaves it to us, with its path in normal form.
//!
//! After this step nothing reads the target as the client wrote it.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use sluice_policy::{EncodedSlash, Underscores, path};

use crate::error::Error;
use crate::exchange::Exchange;
use crate::framing::check_coding;
use crate::host::Host;
use crate::{forwarded, headers, server_timing};

/// Bytes of a target; twice what every server ought to take (RFC 9112 section 3), and as much as most load balancers do.
const TARGET_BYTES_MAX: usize = 16 << 10;

/// What is left of a head after the checks; method and target are in [`Exchange::line`].
#[derive(Debug)]
pub(crate) struct Head {
    /// The fields that concern more than this connection.
    pub(crate) headers: HeaderMap,
    /// The host.
    pub(crate) host: Host,
    /// The client takes trailers.
    pub(crate) takes_trailers: bool,
    /// The client waits to be told to send its body.
    pub(crate) expects_continue: bool,
    /// It asks the router itself, not a server.
    pub(crate) is_for_router: bool,
}

/// Method and target of a request, for as long as it is on its way.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) method: Method,
    /// Path in normal form and query as sent.
    pub(crate) target: PathAndQuery,
    pub(crate) host: Host,
    /// The client, if a trusted proxy stands in between.
    pub(crate) client: Option<HeaderValue>,
}

/// Reads a head, and leaves its line in the exchange.
pub(crate) fn read(exchange: &Exchange, parts: Parts) -> Result<Head, Error> {
    let Parts { method, uri, version, mut headers, .. } = parts;
    let connection = &exchange.connection;
    let (peer, listener) = (&connection.peer, &*connection.listener);
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(Error::Method);
    }
    if headers.len() > connection.worker.settings.header_fields_max {
        return Err(Error::HeadTooLarge);
    }
    check_coding(&headers)?;
    // Clients of HTTP/1.0 know no interim responses (RFC 9110 section 10.1.1).
    let expects_continue = expects_continue(&headers)? && version > Version::HTTP_10;
    if connection.worker.pseudonym.is_in(&headers) {
        return Err(Error::Loop);
    }
    let host = Host::of(&uri, &headers, version)?;
    let target = normal_target(&method, &uri, listener.encoded_slash)?;
    if listener.underscores == Underscores::Reject && headers.keys().any(|name| name.as_str().contains('_')) {
        return Err(Error::FieldName);
    }
    let takes_trailers = headers::takes_trailers(&headers);
    let asks_for_timing = server_timing::is_asked(&connection.worker.settings.chain_trace, &headers);
    headers::from_client(&mut headers, peer.is_trusted, listener.underscores);
    let is_for_router = is_asterisk(&target) || (method == Method::OPTIONS && is_spent(&mut headers));
    let client = if peer.is_trusted { forwarded::client(&headers, listener) } else { None };
    exchange.set_line(Line { method, target, host: host.clone(), client });
    server_timing::note(exchange, asks_for_timing);
    Ok(Head { headers, host, takes_trailers, expects_continue, is_for_router })
}

/// The target with its path in normal form; the asterisk of `OPTIONS *` stays one.
fn normal_target(method: &Method, uri: &Uri, encoded_slash: EncodedSlash) -> Result<PathAndQuery, Error> {
    if uri.scheme_str().is_some_and(|scheme| scheme != "http") {
        return Err(Error::Target);
    }
    let whole = uri.path_and_query().ok_or(Error::Target)?;
    if whole.as_str().len() > TARGET_BYTES_MAX {
        return Err(Error::TargetTooLong);
    }
    if is_asterisk(whole) {
        return if method == Method::OPTIONS { Ok(whole.clone()) } else { Err(Error::Target) };
    }
    match path::normalise(whole.path(), encoded_slash).map_err(Error::Path)? {
        Cow::Borrowed(_) if whole.as_str().starts_with('/') => Ok(whole.clone()),
        normal => {
            let query = whole.query().map_or_else(String::new, |query| format!("?{query}"));
            PathAndQuery::from_maybe_shared(Bytes::from(format!("{normal}{query}"))).map_err(|_| Error::Target)
        }
    }
}

/// True for the target of `OPTIONS *`, which asks about the router itself (RFC 9110 section 9.3.7).
fn is_asterisk(target: &PathAndQuery) -> bool {
    target.as_str() == "*"
}

/// True if the client waits to be told to send its body. No other expectation can be met.
fn expects_continue(headers: &HeaderMap) -> Result<bool, Error> {
    let mut expectations = headers.get_all(header::EXPECT).iter().flat_map(|line| tokens(line.as_bytes())).peekable();
    let is_there = expectations.peek().is_some();
    if expectations.all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue")) {
        Ok(is_there)
    } else {
        Err(Error::Expectation)
    }
}

/// Counts `Max-Forwards` down; true if it was used up, so that the request goes no further (RFC 9110 section 7.6.2). What
/// is no single number counts nothing, and is taken off.
fn is_spent(headers: &mut HeaderMap) -> bool {
    let mut lines = headers.get_all(header::MAX_FORWARDS).iter();
    let Some(first) = lines.next() else { return false };
    let digits = first.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let count = digits.filter(|_| lines.next().is_none()).map(|digits| digits.parse::<u64>().unwrap_or(u64::MAX));
    match count {
        Some(0) => return true,
        Some(count) => drop(headers.insert(header::MAX_FORWARDS, HeaderValue::from(count - 1))),
        None => drop(headers.remove(header::MAX_FORWARDS)),
    }
    false
}

/// The elements of a comma-separated field line (RFC 9110 section 5.6.1); empty ones do not count.
pub(crate) fn tokens(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: &Method, uri: &str) -> Option<String> {
        normal_target(method, &uri.parse().unwrap(), EncodedSlash::Keep).ok().map(|target| target.as_str().to_owned())
    }

    #[test]
    fn the_path_is_normal_and_the_query_is_as_sent() {
        assert_eq!(target(&Method::GET, "/a/../%73et?x=%73").as_deref(), Some("/set?x=%73"));
        assert_eq!(target(&Method::GET, "/set").as_deref(), Some("/set"));
        assert_eq!(target(&Method::GET, "http://host?x").as_deref(), Some("/?x"));
        assert_eq!(target(&Method::GET, "http://host").as_deref(), Some("/"));
        assert_eq!(target(&Method::GET, "https://host/"), None);
        assert_eq!(target(&Method::GET, "/%"), None);
    }

    #[test]
    fn an_asterisk_belongs_to_options() {
        assert_eq!(target(&Method::OPTIONS, "*").as_deref(), Some("*"));
        assert_eq!(target(&Method::GET, "*"), None);
    }
}
