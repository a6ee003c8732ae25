//! What the two protocols have in common on both sides of the router: a body that arrives, over HTTP/1.1 or HTTP/2, and why
//! it does not.
//!
//! Nothing here knows of requests, routes or servers. Framing itself is left to `hyper` and `h2`.

mod incoming;
mod keep_alive;
mod outgoing;

pub(crate) use incoming::Incoming;
pub(crate) use keep_alive::KeepAlive;
pub(crate) use outgoing::{Outgoing, OutgoingFault};

/// Why a message did not arrive, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Over HTTP/1.1.
    #[error("HTTP/1.1 connection failed")]
    Http1(#[source] hyper::Error),
    /// Over HTTP/2.
    #[error("HTTP/2 stream failed")]
    Http2(#[source] h2::Error),
}

impl Error {
    /// True if the peer spoke, but not HTTP.
    pub(crate) fn is_malformed(&self) -> bool {
        match self {
            Self::Http1(error) => error.is_parse(),
            // What the peer sent was reset or refused by us.
            Self::Http2(error) => error.is_library(),
        }
    }
}
