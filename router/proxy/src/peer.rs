//! Who is at the other end of a client connection, in the forms that requests need.

use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;
use sluice_policy::ListenerConfig;

/// The peer of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The address without port.
    pub(crate) address_field: HeaderValue,
    /// An element of `Forwarded` (RFC 7239 section 4).
    pub(crate) forwarded_field: HeaderValue,
    /// The port that it connected to.
    pub(crate) port_field: HeaderValue,
    /// True if what it says of the path behind it is believed.
    pub(crate) is_trusted: bool,
}

impl Peer {
    /// A peer at `address` that connected to `local` of `listener`.
    pub(crate) fn new(address: SocketAddr, local: SocketAddr, listener: &ListenerConfig) -> Self {
        let ip = address.ip().to_canonical();
        let node = if ip.is_ipv6() { format!("\"[{ip}]\"") } else { ip.to_string() };
        let field = |text: String| HeaderValue::try_from(text).expect("invariant: an address is visible ASCII");
        Self {
            address_field: field(ip.to_string()),
            forwarded_field: field(format!("for={node};proto=http")),
            port_field: HeaderValue::from(local.port()),
            is_trusted: is_trusted(ip, listener),
        }
    }
}

/// True if `address` is one of the listener's trusted proxies.
pub(crate) fn is_trusted(address: IpAddr, listener: &ListenerConfig) -> bool {
    listener.trusted_proxies.iter().any(|network| network.contains(&address))
}
