//! Step of the path: the head of a request, checked where hyper leaves it to us, with its path in normal form.
//!
//! After this step nothing reads the target as the client wrote it.

use std::borrow::Cow;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use sluice_policy::{EncodedSlash, Underscores, path};

use crate::error::Error;
use crate::exchange::Exchange;
use crate::host::Host;

/// What is left of a head after the checks; method and target are in [`Exchange::line`].
#[derive(Debug)]
pub(crate) struct Head {
    /// All fields, as sent.
    pub(crate) headers: HeaderMap,
    /// The host.
    pub(crate) host: Host,
}

/// Method and target of a request, for as long as it is on its way.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) method: Method,
    /// Path in normal form and query as sent.
    pub(crate) target: PathAndQuery,
    pub(crate) host: Host,
}

/// Reads a head, and leaves its line in the exchange.
pub(crate) fn read(exchange: &Exchange, mut parts: Parts) -> Result<Head, Error> {
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Error::Method);
    }
    if parts.headers.len() > exchange.connection.worker.settings.header_fields_max {
        return Err(Error::HeadTooLarge);
    }
    settle_underscores(&mut parts.headers, exchange.connection.listener.underscores)?;
    check_coding(&parts.headers)?;
    check_expectation(&parts.headers)?;
    let host = Host::of(&parts.uri, &parts.headers, parts.version)?;
    let target = normal_target(&parts.method, &parts.uri, exchange.connection.listener.encoded_slash)?;
    exchange.set_line(Line { method: parts.method, target, host: host.clone() });
    Ok(Head { headers: parts.headers, host })
}

/// The target with its path in normal form; the asterisk of `OPTIONS *` stays one.
fn normal_target(method: &Method, uri: &Uri, slash: EncodedSlash) -> Result<PathAndQuery, Error> {
    if uri.scheme_str().is_some_and(|scheme| scheme != "http") {
        return Err(Error::Target);
    }
    let whole = uri.path_and_query().ok_or(Error::Target)?;
    if is_asterisk(whole) {
        return if method == Method::OPTIONS { Ok(whole.clone()) } else { Err(Error::Target) };
    }
    match path::normalise(whole.path(), slash).map_err(Error::Path)? {
        Cow::Borrowed(_) if whole.as_str().starts_with('/') => Ok(whole.clone()),
        normal => {
            let query = whole.query().map_or_else(String::new, |query| format!("?{query}"));
            PathAndQuery::from_maybe_shared(Bytes::from(format!("{normal}{query}"))).map_err(|_| Error::Target)
        }
    }
}

/// True for the target of `OPTIONS *`, which asks about the router itself (RFC 9110 section 9.3.7).
pub(crate) fn is_asterisk(target: &PathAndQuery) -> bool {
    target.as_str() == "*"
}

/// Servers in the manner of CGI read `x_user` as `x-user`, so that one of them could be forged by way of the other.
fn settle_underscores(headers: &mut HeaderMap, underscores: Underscores) -> Result<(), Error> {
    let has_underscore = |name: &&HeaderName| name.as_str().contains('_');
    match underscores {
        Underscores::Allow => Ok(()),
        Underscores::Reject if headers.keys().any(|name| has_underscore(&name)) => Err(Error::FieldName),
        Underscores::Reject => Ok(()),
        Underscores::Drop => {
            let doomed: Vec<HeaderName> = headers.keys().filter(has_underscore).cloned().collect();
            for name in doomed {
                headers.remove(name);
            }
            Ok(())
        }
    }
}

/// hyper takes any list of codings that ends in `chunked`, and undoes the last one only.
fn check_coding(headers: &HeaderMap) -> Result<(), Error> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter().flat_map(|line| tokens(line.as_bytes()));
    let Some(first) = codings.next() else { return Ok(()) };
    if !first.eq_ignore_ascii_case(b"chunked") {
        return Err(Error::Coding);
    }
    if codings.next().is_some() { Err(Error::Framing) } else { Ok(()) }
}

/// hyper answers `100-continue` by itself when the body is first asked for; anything else cannot be met.
fn check_expectation(headers: &HeaderMap) -> Result<(), Error> {
    let mut expectations = headers.get_all(header::EXPECT).iter().flat_map(|line| tokens(line.as_bytes()));
    if expectations.all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue")) {
        Ok(())
    } else {
        Err(Error::Expectation)
    }
}

/// The elements of a comma-separated field line (RFC 9110 section 5.6.1); empty ones do not count.
pub(crate) fn tokens(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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

    #[test]
    fn only_one_chunked_is_a_coding() {
        let check = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::TRANSFER_ENCODING, HeaderValue::from_static(line));
            }
            check_coding(&headers)
        };
        assert!(check(&[]).is_ok() && check(&["Chunked"]).is_ok());
        assert!(matches!(check(&["gzip, chunked"]), Err(Error::Coding)));
        assert!(matches!(check(&["chunked", "chunked"]), Err(Error::Framing)));
        assert!(matches!(check(&["chunked, gzip"]), Err(Error::Framing)));
    }
}
