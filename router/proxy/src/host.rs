//! The host of a request: one valid `Host` field, or the authority of an absolute-form target.
//!
//! Stricter than RFC 3986: names of letters, digits, `-`, `_`, `.` and `~`, and IPv6 literals. No user information, no
//! list, no percent-encoding: whatever two servers may read differently is refused.

use http::{HeaderMap, HeaderValue, Uri, Version, header};

use crate::error::Error;

/// The host of a request.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    field: HeaderValue,
    /// The field in lower case; shares the bytes if it was already.
    folded: HeaderValue,
    name_bytes: usize,
}

impl Host {
    /// Reads the host of a request. Over HTTP/2 it is `:authority`; a field beside it must say the same, and stands in for
    /// it where there is none (RFC 9113 section 8.3.1). An absolute-form target wins over the field (RFC 9112 section 3.2.2), but does not
    /// excuse a missing one. A request of HTTP/1.0 without any host is refused like one of HTTP/1.1.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap, version: Version) -> Result<Self, Error> {
        let mut fields = headers.get_all(header::HOST).iter();
        let (first, second) = (fields.next(), fields.next());
        let is_field_due = version == Version::HTTP_11;
        if second.is_some() || (first.is_none() && is_field_due) {
            return Err(Error::Host);
        }
        if let (Some(authority), Some(field)) = (uri.authority(), first)
            && version == Version::HTTP_2
            && !authority.as_str().as_bytes().eq_ignore_ascii_case(field.as_bytes())
        {
            return Err(Error::Host);
        }
        let field = match (uri.authority(), first) {
            (Some(authority), _) => HeaderValue::from_str(authority.as_str()).map_err(|_| Error::Host)?,
            (None, Some(field)) => field.clone(),
            (None, None) => return Err(Error::Host),
        };
        Self::parse(field).ok_or(Error::Host)
    }

    fn parse(field: HeaderValue) -> Option<Self> {
        let text = field.as_bytes();
        let name_bytes = host_bytes(text)?;
        let folded = if text.iter().any(u8::is_ascii_uppercase) {
            HeaderValue::from_bytes(&text.to_ascii_lowercase()).ok()?
        } else {
            field.clone()
        };
        let dot = usize::from(text[..name_bytes].ends_with(b"."));
        Some(Self { field, folded, name_bytes: name_bytes - dot })
    }

    /// As the server gets it.
    pub(crate) fn field(&self) -> &HeaderValue {
        &self.field
    }

    /// The port, if one is named.
    pub(crate) fn port(&self) -> Option<u16> {
        // The last part of an IPv6 literal ends in a bracket, so it is no number.
        self.field.to_str().ok()?.rsplit_once(':')?.1.parse().ok()
    }

    /// Lower case, without port and without a trailing dot.
    pub(crate) fn name(&self) -> &str {
        std::str::from_utf8(&self.folded.as_bytes()[..self.name_bytes]).expect("invariant: a host is ASCII")
    }
}

/// Bytes before the port, or `None` if `text` is no `host[:port]`.
fn host_bytes(text: &[u8]) -> Option<usize> {
    let end = if text.first() == Some(&b'[') {
        let close = memchr::memchr(b']', text)?;
        let literal = std::str::from_utf8(&text[1..close]).ok()?;
        literal.parse::<std::net::Ipv6Addr>().ok()?;
        close + 1
    } else {
        let end = memchr::memchr(b':', text).unwrap_or(text.len());
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
        let is_valid = end > 0 && text[..end] != *b"." && text[..end].iter().all(is_name);
        is_valid.then_some(end)?
    };
    match text[end..].split_first() {
        None => Some(end),
        Some((b':', port)) => is_port(port).then_some(end),
        Some(_) => None,
    }
}

/// RFC 3986 section 3.2.3 allows an empty port.
fn is_port(port: &[u8]) -> bool {
    let text = std::str::from_utf8(port).unwrap_or("-");
    port.is_empty() || (port.iter().all(u8::is_ascii_digit) && text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(field: &'static str) -> Option<String> {
        Host::parse(HeaderValue::from_static(field)).map(|host| host.name().to_owned())
    }

    #[test]
    fn hosts_are_folded_and_lose_port_and_dot() {
        assert_eq!(name("Example.ORG:8080").as_deref(), Some("example.org"));
        assert_eq!(name("example.org.").as_deref(), Some("example.org"));
        assert_eq!(name("[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(name("a_b:").as_deref(), Some("a_b"));
    }

    #[test]
    fn a_port_is_a_number_after_the_host() {
        let port = |field| Host::parse(HeaderValue::from_static(field)).and_then(|host| host.port());
        assert_eq!((port("a:8080"), port("[::1]:80")), (Some(8080), Some(80)));
        assert_eq!((port("a"), port("a:"), port("[::1]")), (None, None, None));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for field in ["", ".", ":80", "a b", "a,b", "user@a", "a/b", "a:x", "a:65536", "a:+1", "[::1", "[x]", "[::1]x"]
        {
            assert_eq!(name(field), None, "{field:?}");
        }
    }

    #[test]
    fn exactly_one_field_and_the_authority_wins() {
        let mut headers = HeaderMap::new();
        let of = |uri: &str, headers: &HeaderMap, version| {
            Host::of(&uri.parse().unwrap(), headers, version).map(|host| host.name().to_owned()).ok()
        };
        assert_eq!(of("/", &headers, Version::HTTP_11), None);
        assert_eq!(of("/", &headers, Version::HTTP_10), None);
        assert_eq!(of("http://a/", &headers, Version::HTTP_11), None, "a field is due even so");
        headers.append(header::HOST, HeaderValue::from_static("b"));
        assert_eq!(of("/", &headers, Version::HTTP_11).as_deref(), Some("b"));
        assert_eq!(of("http://a/", &headers, Version::HTTP_11).as_deref(), Some("a"));
        assert_eq!(of("http://a/", &headers, Version::HTTP_2), None, "they must agree");
        assert_eq!(of("http://B/", &headers, Version::HTTP_2).as_deref(), Some("b"));
        assert_eq!(of("/", &headers, Version::HTTP_2).as_deref(), Some("b"));
        assert_eq!(of("http://a/", &HeaderMap::new(), Version::HTTP_2).as_deref(), Some("a"));
        assert_eq!(of("http://u@a/", &headers, Version::HTTP_11), None);
        headers.append(header::HOST, HeaderValue::from_static("b"));
        assert_eq!(of("/", &headers, Version::HTTP_11), None);
    }
}
