//! Why a request got an answer of the router's own. `respond` turns each of these into a status, in one place.

use std::time::Duration;

use sluice_policy::path::PathFault;

use crate::codec;

/// Every way in which the router itself ends a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Missing, doubled, or no host (RFC 9112 section 3.2).
    #[error("no single valid host")]
    Host,
    /// A request target in a form that is not served here.
    #[error("malformed request target")]
    Target,
    /// A longer one than is taken here.
    #[error("request target too long")]
    TargetTooLong,
    /// A path that cannot be brought into normal form.
    #[error("malformed path")]
    Path(#[source] PathFault),
    /// A field name with an underscore, where the listener refuses it.
    #[error("malformed field name")]
    FieldName,
    /// CONNECT or TRACE.
    #[error("method not served")]
    Method,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    #[error("unknown expectation")]
    Expectation,
    /// It came by here before (RFC 9110 section 7.6.3).
    #[error("loop detected")]
    Loop,
    /// A transfer coding besides `chunked` (RFC 9112 section 6.1).
    #[error("unknown transfer coding")]
    Coding,
    /// `chunked` twice, or not last (RFC 9112 section 6.1).
    #[error("malformed transfer coding")]
    Framing,
    /// The body is longer than its route allows.
    #[error("body too large")]
    BodyTooLarge,
    /// The client asks faster than the route allows.
    #[error("too many requests")]
    RateLimited {
        /// Until its next request is let in.
        wait: Duration,
    },
    /// As many requests of the route are in flight as it allows.
    #[error("too many requests in flight")]
    RouteBusy,
    /// Bytes or fields of the head are too many (RFC 6585 section 5).
    #[error("head too large")]
    HeadTooLarge,
    /// The client's connection is one too many.
    #[error("too many connections")]
    Overloaded,
    /// A fault of this program.
    #[error("internal error")]
    Panicked,
    /// No route matches.
    #[error("no route")]
    NoRoute,
    /// A plugin failed, and its policy is `closed`.
    #[error("plugin failed")]
    Plugin {
        /// Status of its failure policy.
        status: u16,
    },
    /// The upstream has no server.
    #[error("no healthy server")]
    NoServer,
    /// Too many requests to the upstream failed: for a while none is sent.
    #[error("upstream breaker open")]
    BreakerOpen {
        /// When one of them may try.
        retry_after: Duration,
    },
    /// Too many requests wait for a connection to the upstream.
    #[error("upstream connections exhausted")]
    Busy,
    /// No server could be connected to.
    #[error("connection refused")]
    Connect(#[source] std::io::Error),
    /// No server could be connected to in time.
    #[error("connection timed out")]
    ConnectTimeout,
    /// The server closed the connection instead of answering.
    #[error("server closed the connection")]
    ServerClosed(#[source] codec::Error),
    /// What the server sent is no answer.
    #[error("malformed response")]
    ServerMalformed,
    /// The server did not begin to answer in time.
    #[error("first byte timed out")]
    FirstByteTimeout,
    /// One attempt took longer than its route allows.
    #[error("attempt timed out")]
    TryTimeout,
    /// The request took longer than its route allows.
    #[error("request timed out")]
    RequestTimeout,
    /// The client stopped sending the body.
    #[error("body timed out")]
    BodyIdle,
    /// The client broke its body off, or its framing is wrong.
    #[error("body broke off")]
    BodyBroken,
}
