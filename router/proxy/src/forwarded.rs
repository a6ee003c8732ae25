//! Step of the path: who the client is behind trusted proxies, and what the server is told of the way.
//!
//! A peer that is not trusted has had all its say about the way taken off in `head`; nothing here looks at it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use sluice_policy::ListenerConfig;

use crate::head::tokens;
use crate::peer::{Peer, is_trusted};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const HTTP: HeaderValue = HeaderValue::from_static("http");

/// True for fields that tell of the way behind a peer.
pub(crate) fn is_of_way(name: &str) -> bool {
    matches!(
        name,
        "forwarded" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" | "x-forwarded-port" | "x-real-ip"
    )
}

/// The client behind a trusted peer: the rightmost hop that nobody vouches for, or the leftmost if all are trusted. A hop
/// that is no address ends the search: what stands left of it is anybody's claim. `None`: the peer itself.
///
/// `X-Forwarded-For` is asked first, as it is what most proxies write; a proxy that writes `Forwarded` must not let the
/// other one through.
pub(crate) fn client(headers: &HeaderMap, listener: &ListenerConfig) -> Option<HeaderValue> {
    let hop = if headers.contains_key(FORWARDED_FOR) {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        rightmost(lines.flat_map(|line| tokens_from_right(line).map(address)), listener)
    } else {
        let lines = headers.get_all(header::FORWARDED).iter().rev();
        rightmost(lines.flat_map(|line| tokens_from_right(line).map(forwarded_address)), listener)
    };
    HeaderValue::try_from(hop?.to_string()).ok()
}

fn tokens_from_right(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let mut elements: Vec<&[u8]> = tokens(line.as_bytes()).collect();
    std::iter::from_fn(move || elements.pop())
}

fn rightmost(hops: impl Iterator<Item = Option<IpAddr>>, listener: &ListenerConfig) -> Option<IpAddr> {
    let mut client = None;
    for hop in hops {
        let Some(hop) = hop else { return client };
        client = Some(hop);
        if !is_trusted(hop, listener) {
            return client;
        }
    }
    client
}

/// The address of a hop, which may come with a port, and in brackets if it is of IPv6.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let plain = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let parsed = plain.parse::<IpAddr>().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
    parsed.map(|address| address.to_canonical())
}

/// The address in the `for` of an element of `Forwarded` (RFC 7239 section 4).
fn forwarded_address(element: &[u8]) -> Option<IpAddr> {
    let mut pairs = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let node =
        pairs.find_map(|pair| pair.split_at_checked(4).filter(|(name, _)| name.eq_ignore_ascii_case(b"for=")))?.1;
    address(node.strip_prefix(b"\"").and_then(|node| node.strip_suffix(b"\"")).unwrap_or(node))
}

/// Tells the server of the way. What is there already was said by a trusted peer, and is added to.
pub(crate) fn put_on(headers: &mut HeaderMap, peer: &Peer, host: &HeaderValue) {
    for (name, value) in [(FORWARDED_FOR, &peer.address_field), (header::FORWARDED, &peer.forwarded_field)] {
        if peer.is_trusted {
            add(headers, name, value);
        } else {
            headers.insert(name, value.clone());
        }
    }
    for (name, value) in [(FORWARDED_PROTO, &HTTP), (FORWARDED_HOST, host), (FORWARDED_PORT, &peer.port_field)] {
        if !peer.is_trusted || !headers.contains_key(&name) {
            headers.insert(name, value.clone());
        }
    }
}

/// Appends to the list as one line, for servers that read only one.
fn add(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value.clone());
        return;
    }
    let mut list = Vec::new();
    for line in headers.get_all(&name).iter().chain([value]) {
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(line.as_bytes());
    }
    let list = HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).unwrap_or_else(|_| value.clone());
    headers.insert(name, list);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(lines: &[(&'static str, &'static str)]) -> Option<String> {
        let mut listener = ListenerConfig::new("127.0.0.1:0".parse().unwrap());
        listener.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        client(&headers, &listener).map(|client| client.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_client_is_the_rightmost_hop_that_is_not_trusted() {
        let by = |lines: &'static str| client_of(&[("x-forwarded-for", lines)]);
        assert_eq!(client_of(&[]), None);
        assert_eq!(by("6.6.6.6, 9.9.9.9, 10.0.0.1").as_deref(), Some("9.9.9.9"));
        assert_eq!(by("10.0.0.2, 10.0.0.1").as_deref(), Some("10.0.0.2"), "all of them are trusted");
        assert_eq!(by("6.6.6.6, unknown, 10.0.0.1").as_deref(), Some("10.0.0.1"), "nothing is known left of it");
        assert_eq!(by("unknown"), None);
        assert_eq!(by("9.9.9.9:1234, [fd00::1]:80, ::ffff:10.0.0.3").as_deref(), Some("9.9.9.9"));
        assert_eq!(by("2001:db8::1").as_deref(), Some("2001:db8::1"));
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "9.9.9.9"), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(client_of(&lines).as_deref(), Some("9.9.9.9"));
    }

    #[test]
    fn forwarded_is_read_where_there_is_nothing_else() {
        let by = |line: &'static str| client_of(&[("forwarded", line)]);
        assert_eq!(by("for=6.6.6.6, proto=https;For=\"9.9.9.9:80\", for=10.0.0.1").as_deref(), Some("9.9.9.9"));
        assert_eq!(by("for=\"[2001:db8::1]:80\"").as_deref(), Some("2001:db8::1"));
        assert_eq!(by("for=_hidden"), None);
        assert_eq!(
            client_of(&[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "9.9.9.9")]).as_deref(),
            Some("9.9.9.9")
        );
    }
}
